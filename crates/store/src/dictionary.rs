//! A column of texts or bytes that repeat.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BinaryArray, DictionaryArray, Int32Builder, StringArray};
use datafusion::arrow::buffer::{Buffer, OffsetBuffer};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::error::ArrowError;

use crate::HashMap;

/// Each value once, and a number for each row.
#[derive(Debug)]
pub(crate) struct Dictionary {
    is_text: bool,
    keys: Int32Builder,
    index: HashMap<Box<[u8]>, i32>,
    values: Vec<u8>,
    offsets: Vec<i32>,
}

impl Dictionary {
    pub(crate) fn texts() -> Self {
        Self {
            is_text: true,
            keys: Int32Builder::new(),
            index: HashMap::default(),
            values: Vec::new(),
            offsets: vec![0],
        }
    }

    pub(crate) fn bytes() -> Self {
        Self { is_text: false, ..Self::texts() }
    }

    /// Appends a row.
    pub(crate) fn append(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.keys.append_null(),
            Some(value) => {
                let key = self.key(value);
                self.keys.append_value(key);
            }
        }
    }

    /// Appends a row with the value of this number.
    pub(crate) fn append_key(&mut self, key: i32) {
        self.keys.append_value(key);
    }

    /// Number of a value.
    pub(crate) fn key(&mut self, value: &[u8]) -> i32 {
        if let Some(key) = self.index.get(value) {
            return *key;
        }
        let key = self.offsets.len() as i32 - 1;
        self.values.extend_from_slice(value);
        self.offsets.push(self.values.len() as i32);
        self.index.insert(value.into(), key);
        key
    }

    /// Bytes of all values.
    pub(crate) fn size(&self) -> usize {
        self.values.len()
    }

    /// All rows so far.
    pub(crate) fn array(&self) -> Result<ArrayRef, ArrowError> {
        let offsets = OffsetBuffer::new(self.offsets.clone().into());
        let buffer = Buffer::from_slice_ref(&self.values);
        let values: ArrayRef = if self.is_text {
            Arc::new(StringArray::try_new(offsets, buffer, None)?)
        } else {
            Arc::new(BinaryArray::try_new(offsets, buffer, None)?)
        };
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(self.keys.finish_cloned(), values)?))
    }
}
