//! The tables of an instance by name: the host's and those that the plugin adds.

use std::{
    cell::RefCell,
    ffi::{CStr, CString},
    ptr,
    rc::Rc,
};

use super::{Table, vtable};
use crate::host::{abi, owner::Errors};

/// All tables a plugin can get by name.
#[derive(Debug)]
pub(in crate::host) struct Registry {
    hosts: RefCell<Vec<Rc<Table>>>,
    /// Counted: the addresses of their inputs are handles.
    foreign: RefCell<Vec<Rc<Foreign>>>,
    listed: RefCell<Vec<abi::ss_plugin_table_info>>,
    errors: Rc<Errors>,
}

/// A table of the plugin itself.
#[derive(Debug)]
struct Foreign {
    input: abi::ss_plugin_table_input,
    name: CString,
    /// Copies of what `input` points to.
    _reader: Rc<abi::ss_plugin_table_reader_vtable_ext>,
    _writer: Rc<abi::ss_plugin_table_writer_vtable_ext>,
    _fields: Rc<abi::ss_plugin_table_fields_vtable_ext>,
}

// === impl Registry ===

impl Registry {
    pub(in crate::host) fn new(errors: Rc<Errors>) -> Self {
        Self { hosts: RefCell::default(), foreign: RefCell::default(), listed: RefCell::default(), errors }
    }

    /// Adds a table of the host.
    pub(in crate::host) fn insert(&self, table: Rc<Table>) {
        self.hosts.borrow_mut().push(table);
    }

    /// Forgets all tables: the instance they were for is gone.
    pub(in crate::host) fn clear(&self) {
        self.hosts.borrow_mut().clear();
        self.foreign.borrow_mut().clear();
    }

    /// Name and key type of every table.
    fn all(&self) -> Vec<abi::ss_plugin_table_info> {
        let hosts = self.hosts.borrow();
        let foreign = self.foreign.borrow();
        let hosts = hosts.iter().map(|t| (t.schema.name.as_ptr(), t.schema.key_type));
        let foreign = foreign.iter().map(|f| (f.name.as_ptr(), f.input.key_type));
        hosts.chain(foreign).map(|(name, key_type)| abi::ss_plugin_table_info { name, key_type }).collect()
    }

    /// The list of tables, valid until the next call, and its length.
    pub(in crate::host) fn list(&self) -> (*mut abi::ss_plugin_table_info, u32) {
        let mut listed = self.listed.borrow_mut();
        *listed = self.all();
        (listed.as_mut_ptr(), listed.len() as u32)
    }

    /// A table's handle, or NULL with an error.
    pub(in crate::host) fn get(&self, name: &CStr, key_type: u32) -> *mut abi::ss_plugin_table_t {
        let found = self
            .hosts
            .borrow()
            .iter()
            .find(|t| t.schema.name == name)
            .map(|t| (t.handle(), t.schema.key_type))
            .or_else(|| {
                let foreign = self.foreign.borrow();
                let table = foreign.iter().find(|f| f.name.as_c_str() == name)?;
                Some(((&raw const table.input).cast_mut().cast(), table.input.key_type))
            });
        let shown = name.to_string_lossy();
        match found {
            Some((handle, kind)) if kind == key_type => return handle,
            Some((_, kind)) => {
                self.errors.set(&format!("keys of table {shown} have type {kind}, not {key_type}"));
            }
            None => self.errors.set(&format!("there is no table {shown}")),
        }
        ptr::null_mut()
    }

    /// Takes a table of the plugin.
    ///
    /// # Safety
    /// The pointers of `input` are NULL or valid, and its functions work on its table as long as the plugin lives.
    pub(in crate::host) unsafe fn add(&self, input: &abi::ss_plugin_table_input) -> Result<(), String> {
        if input.name.is_null() {
            return Err("a table was added without a name".to_owned());
        }
        // SAFETY: not NULL, so a string.
        let name = unsafe { CStr::from_ptr(input.name) }.to_owned();
        let shown = name.to_string_lossy().into_owned();
        // SAFETY: NULL or valid, as promised.
        let (reader, writer, fields) =
            unsafe { (input.reader_ext.as_ref(), input.writer_ext.as_ref(), input.fields_ext.as_ref()) };
        let (Some(reader), Some(writer), Some(fields)) = (reader, writer, fields) else {
            return Err(format!(
                "table {shown} lacks its functions (API versions before 3.2 are not supported)"
            ));
        };
        if !vtable::is_complete(reader, writer, fields) {
            return Err(format!("table {shown} lacks some of its functions"));
        }
        let taken = self.hosts.borrow().iter().any(|t| t.schema.name == name.as_c_str())
            || self.foreign.borrow().iter().any(|f| f.name == name);
        if taken {
            return Err(format!("there is a table {shown} already"));
        }
        let (reader, writer, fields) = (Rc::new(*reader), Rc::new(*writer), Rc::new(*fields));
        let mut input = *input;
        input.name = name.as_ptr();
        input.reader_ext = Rc::as_ptr(&reader).cast_mut();
        input.writer_ext = Rc::as_ptr(&writer).cast_mut();
        input.fields_ext = Rc::as_ptr(&fields).cast_mut();
        let foreign = Foreign { input, name, _reader: reader, _writer: writer, _fields: fields };
        self.foreign.borrow_mut().push(Rc::new(foreign));
        Ok(())
    }
}
