//! State tables: what a plugin sees of the host's state through the ABI.
//!
//! A [`Table`] has rows by key, a row has a value for each field of the table's [`Schema`]. Tables of the same kind
//! (the file descriptor tables of all threads) share one schema, so that a field found in one serves all. Handles
//! that go to the plugin: of a table, the address of its `ss_plugin_table_input`; of a field, its address, which
//! never changes; of an entry, a counted reference to the row.

mod registry;
mod threads;
mod vtable;

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    ffi::{CStr, CString, c_char},
    rc::Rc,
};

pub(super) use registry::Registry;
pub(super) use threads::Threads;
pub(super) use vtable::{
    DISPATCH_FIELDS, DISPATCH_READER, DISPATCH_WRITER, dispatch_fields_ext, dispatch_reader_ext,
    dispatch_writer_ext,
};

use super::{abi, owner::Errors};

/// The fields of a kind of table.
#[derive(Debug)]
pub(super) struct Schema {
    name: &'static CStr,
    key_type: u32,
    /// Counted, because their addresses are handles.
    fields: RefCell<Vec<Rc<Field>>>,
    /// What `list_table_fields` returned last.
    listed: RefCell<Vec<abi::ss_plugin_table_fieldinfo>>,
}

/// A field of a table.
#[derive(Debug)]
struct Field {
    /// Address of the schema it belongs to.
    schema: *const Schema,
    index: usize,
    name: CString,
    kind: u32,
    read_only: bool,
    /// Of the tables that a field of type table holds.
    nested: Option<Rc<Schema>>,
}

/// A table of the host.
pub(super) struct Table {
    schema: Rc<Schema>,
    rows: RefCell<BTreeMap<u64, Rc<Row>>>,
    errors: Rc<Errors>,
    /// The handle that plugins get; set once, when the table has its final address.
    input: OnceCell<abi::ss_plugin_table_input>,
}

/// A row; fields that were added after it was made have their default.
#[derive(Debug)]
struct Row {
    values: RefCell<Vec<Value>>,
}

/// A value of a row.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Numbers and booleans, as their bits.
    Bits(u64),
    /// A string; what followed a NUL is gone.
    Text(CString),
    /// A table within the row.
    Table(Rc<Table>),
}

// === impl Schema ===

impl Schema {
    /// A schema without fields; keys of type `key_type`.
    fn new(name: &'static CStr, key_type: i32) -> Rc<Self> {
        Rc::new(Self {
            name,
            key_type: key_type as u32,
            fields: RefCell::default(),
            listed: RefCell::default(),
        })
    }

    /// Adds a field whose name is new.
    fn define(
        self: &Rc<Self>,
        name: &CStr,
        kind: u32,
        read_only: bool,
        nested: Option<Rc<Schema>>,
    ) -> *const Field {
        let mut fields = self.fields.borrow_mut();
        let field = Rc::new(Field {
            schema: Rc::as_ptr(self),
            index: fields.len(),
            name: name.to_owned(),
            kind,
            read_only,
            nested,
        });
        let address = Rc::as_ptr(&field);
        fields.push(field);
        address
    }

    /// The field of a name, if its type is right.
    fn find(&self, name: &CStr, kind: u32) -> Result<Option<*const Field>, String> {
        let fields = self.fields.borrow();
        let Some(field) = fields.iter().find(|f| f.name.as_c_str() == name) else { return Ok(None) };
        if field.kind == kind {
            Ok(Some(Rc::as_ptr(field)))
        } else {
            let (table, name) = (self.name.to_string_lossy(), name.to_string_lossy());
            Err(format!("field {name} of table {table} has type {}, not {kind}", field.kind))
        }
    }

    /// The fields as the ABI lists them; the list stays until the next call.
    fn list(&self) -> (*const abi::ss_plugin_table_fieldinfo, u32) {
        let mut listed = self.listed.borrow_mut();
        *listed = self
            .fields
            .borrow()
            .iter()
            .map(|f| abi::ss_plugin_table_fieldinfo {
                name: f.name.as_ptr(),
                field_type: f.kind,
                read_only: u32::from(f.read_only),
            })
            .collect();
        (listed.as_ptr(), listed.len() as u32)
    }
}

// === impl Table ===

impl Table {
    fn new(schema: &Rc<Schema>, errors: &Rc<Errors>) -> Rc<Self> {
        let table = Rc::new(Self {
            schema: Rc::clone(schema),
            rows: RefCell::default(),
            errors: Rc::clone(errors),
            input: OnceCell::new(),
        });
        let address = Rc::as_ptr(&table).cast_mut().cast();
        table.input.get_or_init(|| vtable::table_input(schema.name, schema.key_type, address));
        table
    }

    /// What a plugin gets for this table.
    fn handle(&self) -> *mut abi::ss_plugin_table_t {
        self.input.get().map_or(std::ptr::null_mut(), |i| (&raw const *i).cast_mut().cast())
    }

    /// A row with default values, in no table yet.
    fn new_row(&self) -> Rc<Row> {
        let fields = self.schema.fields.borrow();
        let values = fields.iter().map(|f| self.default_value(f)).collect();
        Rc::new(Row { values: RefCell::new(values) })
    }

    fn default_value(&self, field: &Field) -> Value {
        match (&field.nested, field.kind as i32) {
            (Some(schema), _) => Value::Table(Self::new(schema, &self.errors)),
            (None, abi::SS_PLUGIN_ST_STRING) => Value::Text(CString::default()),
            (None, _) => Value::Bits(0),
        }
    }

    /// Puts a row of values, in the order of the schema's fields, in place of what has its key.
    fn put(&self, key: u64, values: Vec<Value>) {
        self.rows.borrow_mut().insert(key, Rc::new(Row { values: RefCell::new(values) }));
    }

    /// The value of a row's field.
    fn read(&self, row: &Row, field: &Field) -> Result<abi::ss_plugin_state_data, String> {
        self.check(field)?;
        let mut values = row.values.borrow_mut();
        while values.len() <= field.index {
            let fields = self.schema.fields.borrow();
            let value = self.default_value(&fields[values.len()]);
            values.push(value);
        }
        Ok(values[field.index].to_abi())
    }

    /// Changes the value of a row's field.
    fn write(&self, row: &Row, field: &Field, value: Value) -> Result<(), String> {
        self.check(field)?;
        if field.read_only {
            return Err(format!("field {} cannot be written", field.name.to_string_lossy()));
        }
        let mut values = row.values.borrow_mut();
        while values.len() <= field.index {
            let fields = self.schema.fields.borrow();
            let default = self.default_value(&fields[values.len()]);
            values.push(default);
        }
        values[field.index] = value;
        Ok(())
    }

    /// A field handle of another kind of table must not reach into this one.
    fn check(&self, field: &Field) -> Result<(), String> {
        if std::ptr::eq(field.schema, Rc::as_ptr(&self.schema)) {
            return Ok(());
        }
        let (field, table) = (field.name.to_string_lossy(), self.schema.name.to_string_lossy());
        Err(format!("field {field} is not one of table {table}"))
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = self.rows.borrow().len();
        f.debug_struct("Table").field("name", &self.schema.name).field("rows", &rows).finish_non_exhaustive()
    }
}

// === impl Value ===

impl Value {
    /// A string of the monitored host; the ABI's strings end at the first NUL.
    fn text(bytes: &[u8]) -> Self {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        Self::Text(CString::new(&bytes[..end]).unwrap_or_default())
    }

    fn to_abi(&self) -> abi::ss_plugin_state_data {
        match self {
            // The members of the union begin at the same byte and numbers are little-endian.
            Self::Bits(bits) => abi::ss_plugin_state_data { u64_: *bits },
            Self::Text(text) => abi::ss_plugin_state_data { str_: text.as_ptr() },
            Self::Table(table) => abi::ss_plugin_state_data { table: table.handle() },
        }
    }
}

/// Reads a value of type `kind` that a plugin passed.
///
/// # Safety
/// The member of `data` that `kind` names is valid, a string ends with NUL.
unsafe fn from_abi(data: &abi::ss_plugin_state_data, kind: u32) -> Result<Value, String> {
    // SAFETY: the caller promises that the member is valid.
    let bits = unsafe {
        match kind as i32 {
            abi::SS_PLUGIN_ST_INT8 => data.s8 as u64,
            abi::SS_PLUGIN_ST_INT16 => data.s16 as u64,
            abi::SS_PLUGIN_ST_INT32 => data.s32 as u64,
            abi::SS_PLUGIN_ST_INT64 => data.s64 as u64,
            abi::SS_PLUGIN_ST_UINT8 => u64::from(data.u8_),
            abi::SS_PLUGIN_ST_UINT16 => u64::from(data.u16_),
            abi::SS_PLUGIN_ST_UINT32 => u64::from(data.u32_),
            abi::SS_PLUGIN_ST_UINT64 => data.u64_,
            abi::SS_PLUGIN_ST_BOOL => u64::from(data.b),
            abi::SS_PLUGIN_ST_STRING => return text_from_abi(data.str_),
            _ => return Err(format!("values of type {kind} cannot be written")),
        }
    };
    Ok(Value::Bits(bits))
}

/// # Safety
/// `text` is NULL or ends with NUL.
unsafe fn text_from_abi(text: *const c_char) -> Result<Value, String> {
    if text.is_null() {
        return Err("a string is NULL".to_owned());
    }
    // SAFETY: as promised by the caller.
    Ok(Value::Text(unsafe { CStr::from_ptr(text) }.to_owned()))
}
