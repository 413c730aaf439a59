//! Appending the records of a stream.

use std::fs::File;
use std::ops::Range;

use sysflow::stream::Hello;
use sysflow::{Codec, Schema, Writer};

use super::{Archive, Last, files};
use crate::error::Result;
use crate::hex;
use crate::input::StreamId;

/// Where a record lies in its block.
#[derive(Clone, Debug)]
pub struct Datum {
    /// Its bytes.
    pub range: Range<usize>,
    /// Whether it is a header.
    pub header: bool,
}

/// Appends to one stream; there is one at a time.
#[derive(Debug)]
pub struct StreamWriter<'a> {
    archive: &'a Archive,
    stream: StreamId,
    node: String,
    schema: Schema,
    open: Option<Writer<File>>,
}

impl<'a> StreamWriter<'a> {
    pub(super) fn new(archive: &'a Archive, hello: &Hello) -> Self {
        Self { archive, stream: hello.stream, node: hello.node.clone(), schema: hello.schema, open: None }
    }

    /// Appends records, the first of which has number `first`. A new file begins at each header.
    ///
    /// After an error [`Archive::stored`] tells how many of them are stored.
    pub fn append(&mut self, first: u64, block: &[u8], datums: &[Datum]) -> Result<()> {
        let result = self.append_parts(first, block, datums);
        if result.is_err() {
            self.open = None;
            if let Some(last) = self.archive.lock().streams.get_mut(&self.stream) {
                last.unsure = true;
            }
        }
        result
    }

    fn append_parts(&mut self, first: u64, block: &[u8], datums: &[Datum]) -> Result<()> {
        let mut from = 0;
        while from < datums.len() {
            let rest = &datums[from..];
            let length = rest.iter().skip(1).position(|datum| datum.header).map_or(rest.len(), |at| at + 1);
            let part = &rest[..length];
            let number = first + from as u64;
            if part[0].header || !self.continues(number) {
                self.begin_file(number)?;
            }
            let bytes = &block[part[0].range.start..part[length - 1].range.end];
            self.put(number, length as u64, bytes)?;
            from += length;
        }
        Ok(())
    }

    /// Whether `number` can go to the end of the stream's last file, which is opened for that.
    fn continues(&mut self, number: u64) -> bool {
        let last = self.archive.lock().streams.get(&self.stream).cloned();
        let Some(last) = last.filter(|last| last.stored == number) else { return false };
        if self.open.is_none() {
            match Writer::append(&last.path) {
                Ok((writer, _)) if writer.schema() == self.schema => self.open = Some(writer),
                // Another release of the plugin, or a file that was compressed meanwhile.
                _ => return false,
            }
        }
        true
    }

    fn begin_file(&mut self, first: u64) -> Result<()> {
        self.open = None;
        let mut index = self.archive.lock();
        let sequence = index.next_sequence;
        // Also when this fails: whatever is in the way of this name is not in the way of the next.
        index.next_sequence += 1;
        let path = files::path(&self.archive.dir, sequence, &self.stream, first);
        let options = sysflow::file::Options {
            schema: self.schema,
            codec: Codec::Null,
            metadata: vec![
                (files::STREAM.into(), hex::encode(&self.stream).into()),
                (files::FIRST.into(), first.to_string().into()),
                (files::NODE.into(), self.node.clone().into()),
            ],
            ..sysflow::file::Options::default()
        };
        self.open = Some(Writer::live(&path, &options)?);
        if self.archive.sync {
            files::sync_directory(&self.archive.dir)?;
        }
        index.files.push_back(files::Entry {
            path: path.clone(),
            sequence,
            stream: self.stream,
            first,
            records: 0,
        });
        let last = Last { path, first, stored: first, unsure: false };
        let before = index.streams.insert(self.stream, last);
        drop(index);
        if let Some(before) = before {
            self.archive.file_closed(before.path);
        }
        Ok(())
    }

    fn put(&mut self, number: u64, count: u64, bytes: &[u8]) -> Result<()> {
        if let Some(writer) = &mut self.open {
            writer.write_block(count, bytes)?;
            if self.archive.sync {
                writer.sync()?;
            }
        }
        let mut index = self.archive.lock();
        if let Some(last) = index.streams.get_mut(&self.stream) {
            last.stored = number + count;
        }
        if let Some(entry) = index.files.iter_mut().rev().find(|entry| entry.stream == self.stream) {
            entry.records += count;
        }
        Ok(())
    }
}
