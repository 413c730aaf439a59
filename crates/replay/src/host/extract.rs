//! Fields: what a plugin offers, how they are written, and the values that come back.

use std::{
    ffi::{CString, c_char},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ptr,
};

use serde_json::Value as Json;

use super::abi;

/// A field that a plugin extracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldInfo {
    /// E.g. `sf.graphid`.
    pub name: String,
    /// Falco's name of the type: string, uint64, bool, reltime, abstime, ipaddr or ipnet.
    pub kind: String,
    /// One line.
    pub description: String,
    /// Whether it has several values.
    pub is_list: bool,
    /// Whether Falco adds it to the output of rules by itself.
    pub add_output: bool,
    /// What may or must stand in brackets behind it.
    pub argument: Argument,
    ftype: u32,
}

/// The argument of a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Argument {
    /// It may be text: `sf.x[key]`.
    pub key: bool,
    /// It may be a number: `sf.x[3]`.
    pub index: bool,
    /// It must be there.
    pub required: bool,
}

/// A field with its argument, ready to be asked for often.
#[derive(Debug, Clone)]
pub struct Request {
    id: u32,
    name: CString,
    key: Option<CString>,
    index: Option<u64>,
    ftype: u32,
    is_list: bool,
}

/// A value of a field. Strings are bytes of the monitored host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    U64(u64),
    /// Text, not always UTF-8.
    Text(Vec<u8>),
    /// True or false.
    Bool(bool),
    /// A duration in nanoseconds.
    RelTime(u64),
    /// Nanoseconds since the epoch.
    AbsTime(u64),
    /// An address.
    Ip(IpAddr),
    /// The address of a network.
    Net(IpAddr),
}

// === impl FieldInfo ===

impl FieldInfo {
    /// Reads what `plugin_get_fields` returns.
    pub(super) fn parse_list(json: &str) -> Result<Vec<Self>, String> {
        let problem = |why: String| format!("plugin_get_fields does not return a list of fields: {why}");
        let list: Vec<Json> = serde_json::from_str(json).map_err(|e| problem(e.to_string()))?;
        list.iter().map(|f| Self::parse(f).map_err(problem)).collect()
    }

    fn parse(field: &Json) -> Result<Self, String> {
        let text = |key: &str| field.get(key).and_then(Json::as_str).map(str::to_owned);
        let flag = |of: &Json, key: &str| of.get(key).and_then(Json::as_bool).unwrap_or(false);
        let name = text("name").ok_or_else(|| format!("{field} has no name"))?;
        let kind = text("type").ok_or_else(|| format!("{name} has no type"))?;
        let ftype = match kind.as_str() {
            "uint64" => abi::FTYPE_UINT64,
            "string" => abi::FTYPE_STRING,
            "reltime" => abi::FTYPE_RELTIME,
            "abstime" => abi::FTYPE_ABSTIME,
            "bool" => abi::FTYPE_BOOL,
            "ipaddr" => abi::FTYPE_IPADDR,
            "ipnet" => abi::FTYPE_IPNET,
            other => return Err(format!("{name} has the unknown type {other}")),
        };
        let argument = field.get("arg").map_or_else(Argument::default, |arg| Argument {
            key: flag(arg, "isKey"),
            index: flag(arg, "isIndex"),
            required: flag(arg, "isRequired"),
        });
        Ok(Self {
            name,
            kind,
            description: text("desc").unwrap_or_default(),
            is_list: flag(field, "isList"),
            add_output: flag(field, "addOutput"),
            argument,
            ftype: ftype as u32,
        })
    }
}

// === impl Request ===

impl Request {
    /// Reads `name` or `name[argument]`.
    pub(super) fn parse(fields: &[FieldInfo], text: &str) -> Result<Self, String> {
        let (name, argument) = match text.split_once('[') {
            None => (text, None),
            Some((name, rest)) => {
                let argument = rest.strip_suffix(']').ok_or("its argument lacks the closing bracket")?;
                (name, Some(argument))
            }
        };
        let id = fields.iter().position(|f| f.name == name).ok_or("it has no such field")?;
        let field = &fields[id];
        let (mut key, mut index) = (None, None);
        match argument {
            None if field.argument.required => return Err("it needs an argument: name[argument]".to_owned()),
            None => {}
            Some(text) => match text.parse() {
                Ok(number) if field.argument.index => index = Some(number),
                _ if field.argument.key => key = Some(c_string(text)?),
                _ if field.argument.index => return Err(format!("its argument {text} must be a number")),
                _ => return Err("it takes no argument".to_owned()),
            },
        }
        let (id, name) = (id as u32, c_string(name)?);
        Ok(Self { id, name, key, index, ftype: field.ftype, is_list: field.is_list })
    }

    /// The structure of the ABI, which borrows from this one.
    pub(super) fn to_abi(&self) -> abi::ss_plugin_extract_field {
        abi::ss_plugin_extract_field {
            res: abi::ss_plugin_extract_field__bindgen_ty_1 { str_: ptr::null_mut() },
            res_len: 0,
            field_id: self.id,
            field: self.name.as_ptr(),
            arg_key: self.key.as_ref().map_or(ptr::null(), |k| k.as_ptr()),
            arg_index: self.index.unwrap_or(0),
            arg_present: u32::from(self.key.is_some() || self.index.is_some()),
            ftype: self.ftype,
            flist: u32::from(self.is_list),
        }
    }

    /// Copies the values that a plugin has put into the structure.
    ///
    /// # Safety
    /// The plugin has returned success, so that `res` points to `res_len` values of the field's type.
    pub(super) unsafe fn values(&self, field: &abi::ss_plugin_extract_field) -> Result<Vec<Value>, String> {
        let count = if self.is_list { field.res_len } else { field.res_len.min(1) };
        // SAFETY: a union of pointers, any of which may be looked at as an address.
        if count > 0 && unsafe { field.res.str_ }.is_null() {
            return Err(format!("it says that there are {count} values but gives none"));
        }
        (0..count as usize)
            .map(|i| {
                // SAFETY: `i` is below the number of values, and the type says which member is set.
                unsafe {
                    match self.ftype as i32 {
                        abi::FTYPE_UINT64 => Ok(Value::U64(field.res.u64_.add(i).read())),
                        abi::FTYPE_RELTIME => Ok(Value::RelTime(field.res.u64_.add(i).read())),
                        abi::FTYPE_ABSTIME => Ok(Value::AbsTime(field.res.u64_.add(i).read())),
                        abi::FTYPE_BOOL => Ok(Value::Bool(field.res.boolean.add(i).read() != 0)),
                        abi::FTYPE_STRING => text(field.res.str_.add(i).read().cast()),
                        abi::FTYPE_IPADDR => address(&field.res.buf.add(i).read()).map(Value::Ip),
                        _ => address(&field.res.buf.add(i).read()).map(Value::Net),
                    }
                }
            })
            .collect()
    }
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| "it contains a NUL".to_owned())
}

/// # Safety
/// `text` is NULL or ends with NUL.
unsafe fn text(text: *const c_char) -> Result<Value, String> {
    if text.is_null() {
        return Err("it gives NULL for a string".to_owned());
    }
    // SAFETY: as promised by the caller.
    Ok(Value::Text(unsafe { std::ffi::CStr::from_ptr(text) }.to_bytes().to_vec()))
}

/// # Safety
/// `buffer` has `len` bytes.
unsafe fn address(buffer: &abi::ss_plugin_byte_buffer) -> Result<IpAddr, String> {
    let (len, ptr) = (buffer.len, buffer.ptr.cast::<u8>());
    if ptr.is_null() {
        return Err("it gives NULL for an address".to_owned());
    }
    match len {
        // SAFETY: there are four bytes.
        4 => Ok(Ipv4Addr::from(unsafe { ptr.cast::<[u8; 4]>().read_unaligned() }).into()),
        // SAFETY: there are sixteen bytes.
        16 => Ok(Ipv6Addr::from(unsafe { ptr.cast::<[u8; 16]>().read_unaligned() }).into()),
        _ => Err(format!("it gives an address of {len} bytes")),
    }
}

// === impl Value ===

impl std::fmt::Display for Value {
    /// For people: control characters and invalid UTF-8 of strings are escaped.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::U64(n) | Self::RelTime(n) | Self::AbsTime(n) => n.fmt(f),
            Self::Bool(b) => b.fmt(f),
            Self::Ip(ip) | Self::Net(ip) => ip.fmt(f),
            Self::Text(bytes) => bytes.utf8_chunks().try_for_each(|chunk| {
                for c in chunk.valid().chars() {
                    if c.is_control() { c.escape_default().fmt(f)? } else { c.fmt(f)? }
                }
                chunk.invalid().escape_ascii().fmt(f)
            }),
        }
    }
}
