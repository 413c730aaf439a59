//! Records on disk while the processor is away or slow: a bounded directory of `.sf` files.
//!
//! Only the writer thread comes here. Whatever fails here costs nobody but the records that then find no room in memory:
//! the spool is told of as broken once, left alone for a while and tried again. What an earlier run left is found when the
//! spool is opened first. A lock on the directory keeps two processes from taking each other's files for that.

mod segment;

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use sysflow::Schema;

use super::{Stream, directory::Directory};
pub(super) use segment::Slice;
use segment::{Head, Segment};

/// After an error the spool is left alone for so long.
const RETRY: Duration = if cfg!(test) { Duration::from_millis(100) } else { Duration::from_secs(5) };
/// A file is at most this part of the whole, because it goes only as a whole …
const PARTS: u64 = 16;
/// … within these bounds, in bytes.
const SEGMENT: (u64, u64) = (128 << 10, 64 << 20);
/// What follows the name of a file that cannot be read.
const ASIDE: &str = ".damaged";

/// Where, and how much.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    /// Bytes of all files together.
    pub(crate) max: u64,
}

/// The directory, as far as it can be used now.
#[derive(Debug)]
pub(super) struct Spool {
    place: Place,
    directory: Option<Directory>,
    /// Nothing is tried before.
    pause: Option<Instant>,
    segments: HashMap<u64, Segment>,
    /// The segment that is appended to.
    current: Option<u64>,
    next_sequence: u64,
    /// Bytes of all files.
    used: u64,
    /// Problems that were told of and are not over.
    told_broken: bool,
    told_full: bool,
}

/// What an earlier run left of one stream.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) stream: Stream,
    pub(super) schema: Schema,
    pub(super) files: VecDeque<LeftFile>,
}

/// A file of it that was not looked into yet.
#[derive(Debug)]
pub(super) struct LeftFile {
    name: String,
    sequence: u64,
    head: Head,
}

// === impl Spool ===

impl Spool {
    /// Touches nothing yet.
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            directory: None,
            pause: None,
            segments: HashMap::new(),
            current: None,
            next_sequence: 0,
            used: 0,
            told_broken: false,
            told_full: false,
        }
    }

    /// Opens the directory if that is due; what lies in it from before.
    pub(super) fn tend(&mut self) -> Vec<Left> {
        let is_due = self.pause.is_none_or(|until| Instant::now() >= until);
        if !is_due || (self.directory.is_some() && self.pause.is_none()) {
            return Vec::new();
        }
        match self.open() {
            Ok(left) => {
                self.pause = None;
                left
            }
            Err(error) => {
                self.broken("cannot use", &error);
                Vec::new()
            }
        }
    }

    fn open(&mut self) -> Result<Vec<Left>, String> {
        let directory = Directory::open(&self.place.dir).map_err(|e| e.to_string())?;
        if self.directory.as_ref().is_some_and(|before| before.is_same(&directory)) {
            // It has not gone: the problem was another one.
            return Ok(Vec::new());
        }
        let locked = directory.lock().map_err(|e| e.to_string())?;
        if !locked {
            return Err("another process has it; give each its own".into());
        }
        let mut found = directory.names().map_err(|e| e.to_string())?;
        found.sort();
        self.used = 0;
        let mut files = Vec::new();
        for name in found {
            let Some(sequence) = segment::sequence(name.strip_suffix(ASIDE).unwrap_or(&name)) else {
                continue;
            };
            self.next_sequence = self.next_sequence.max(sequence.saturating_add(1));
            self.used += directory.size(&name);
            if !name.ends_with(ASIDE) && !self.segments.values().any(|ours| ours.name == name) {
                files.push((sequence, name));
            }
        }
        // Files of a directory that has gone take their room until they are closed.
        self.used += self
            .segments
            .values()
            .map(|ours| if directory.has(&ours.name) { 0 } else { ours.bytes })
            .sum::<u64>();
        self.current = None;
        self.directory = Some(directory);
        Ok(self.group(files))
    }

    /// Files of one stream that follow each other belong together.
    fn group(&mut self, files: Vec<(u64, String)>) -> Vec<Left> {
        let mut left: Vec<Left> = Vec::new();
        for (sequence, name) in files {
            let Some(directory) = &self.directory else { break };
            let head = match directory.read(&name) {
                Ok(file) => Head::read(&file, &name),
                Err(error) => Err(error.to_string()),
            };
            let head = match head {
                Ok(head) => head,
                Err(why) => {
                    self.set_aside(&name, &why);
                    continue;
                }
            };
            let file = LeftFile { name, sequence, head };
            let (stream, schema) = (&file.head.stream, file.head.schema);
            match left.last_mut().filter(|last| last.stream.id == stream.id && last.schema == schema) {
                Some(last) => last.files.push_back(file),
                None => left.push(Left { stream: stream.clone(), schema, files: [file].into() }),
            }
        }
        if !left.is_empty() {
            let (dir, mib) = (self.place.dir.display(), self.used as f64 / f64::from(1 << 20));
            eprintln!("sysflow: {mib:.1} MiB of records lie in {dir} from before; they are sent first");
        }
        left
    }

    /// The blocks of a file that an earlier run left, and whether something of it is lost.
    pub(super) fn load(&mut self, file: LeftFile) -> (Vec<Slice>, bool) {
        let LeftFile { name, sequence, head } = file;
        let Some(directory) = &self.directory else { return (Vec::new(), true) };
        let opened = directory.reopen(&name);
        match opened.and_then(|file| Segment::find(file, name.clone(), sequence, &head)) {
            Ok(found) => {
                if found.cut > 0 {
                    let (dir, cut, rest) =
                        (self.place.dir.display(), found.cut, found.segment.next - head.first);
                    eprintln!(
                        "sysflow: {dir}/{name}: its last {cut} bytes are no whole block and were cut off; {rest} records before them are good"
                    );
                }
                self.used = self.used.saturating_sub(found.cut);
                self.segments.insert(sequence, found.segment);
                if found.slices.is_empty() {
                    self.remove(sequence);
                }
                (found.slices, found.cut > 0)
            }
            Err(error) => {
                self.set_aside(&name, &error.to_string());
                (Vec::new(), true)
            }
        }
    }

    /// Writes records behind the others; `None` when that is not possible now.
    pub(super) fn append(
        &mut self,
        stream: &Stream,
        schema: Schema,
        first: u64,
        count: u32,
        records: &[u8],
    ) -> Option<Slice> {
        if self.pause.is_some() || self.directory.is_none() {
            return None;
        }
        // Heads and markers are bounded by this, too.
        let size = records.len() as u64 + (16 << 10);
        if self.used + size > self.place.max {
            if !self.told_full {
                self.told_full = true;
                eprintln!(
                    "sysflow: the spool {} has its {} MiB; what comes now is kept in memory as far as that goes",
                    self.place.dir.display(),
                    self.place.max >> 20
                );
            }
            return None;
        }
        let most = (self.place.max / PARTS).clamp(SEGMENT.0, SEGMENT.1);
        let fits = |segment: &Segment| segment.next == first && segment.bytes + size <= most;
        let current = self.current.filter(|sequence| self.segments.get(sequence).is_some_and(fits));
        let appended = match current {
            Some(sequence) => Ok(sequence),
            None => self.begin(&Head { stream: stream.clone(), schema, first }),
        };
        let appended = appended.and_then(|sequence| {
            let segment = self.segments.get_mut(&sequence).ok_or(io::ErrorKind::NotFound)?;
            let before = segment.bytes;
            let slice = segment.append(sequence, count, records)?;
            self.used += segment.bytes - before;
            Ok(slice)
        });
        match appended {
            Ok(slice) => {
                if self.told_broken {
                    eprintln!("sysflow: the spool {} works again", self.place.dir.display());
                }
                (self.told_broken, self.told_full) = (false, false);
                Some(slice)
            }
            Err(error) => {
                self.broken("cannot write to", &error.to_string());
                let empty =
                    self.current.take().filter(|at| self.segments.get(at).is_some_and(|s| s.slices == 0));
                if let Some(sequence) = empty {
                    self.remove(sequence);
                }
                None
            }
        }
    }

    fn begin(&mut self, head: &Head) -> io::Result<u64> {
        let directory = self.directory.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let sequence = self.next_sequence;
        // Also when this fails: what is in the way of this name is not in the way of the next.
        self.next_sequence = self.next_sequence.saturating_add(1);
        let name = head.name(sequence);
        let file = directory.create(&name)?;
        match Segment::begin(file, name.clone(), head) {
            Ok(segment) => {
                self.used += segment.bytes;
                self.segments.insert(sequence, segment);
                self.current = Some(sequence);
                Ok(sequence)
            }
            Err(error) => {
                let _ = directory.remove(&name);
                Err(error)
            }
        }
    }

    /// The records of a slice; an error is told of.
    pub(super) fn read(&self, slice: &Slice) -> Result<Vec<u8>, ()> {
        let segment = self.segments.get(&slice.segment).ok_or(())?;
        segment.read(slice).map_err(|error| {
            let (dir, name, count) = (self.place.dir.display(), &segment.name, slice.count);
            eprintln!("sysflow: {dir}/{name}: {error}; {count} records are lost");
        })
    }

    /// A slice is not needed any more; a file of which none is goes.
    pub(super) fn release(&mut self, slice: &Slice) {
        let Some(segment) = self.segments.get_mut(&slice.segment) else { return };
        segment.slices = segment.slices.saturating_sub(1);
        if segment.slices == 0 {
            self.remove(slice.segment);
        }
    }

    fn remove(&mut self, sequence: u64) {
        let Some(segment) = self.segments.remove(&sequence) else { return };
        if self.current == Some(sequence) {
            self.current = None;
        }
        self.used = self.used.saturating_sub(segment.bytes);
        if let Some(directory) = &self.directory
            && let Err(error) = directory.remove(&segment.name)
            && error.kind() != io::ErrorKind::NotFound
        {
            self.broken("cannot remove files from", &error.to_string());
        }
    }

    /// A file that cannot be read must not keep the others, and must not be lost either.
    fn set_aside(&self, name: &str, why: &str) {
        let path = self.place.dir.display();
        eprintln!(
            "sysflow: {path}/{name} cannot be sent: {why}; it is now {name}{ASIDE}, see what `sysflow print` says of it"
        );
        if let Some(directory) = &self.directory
            && let Err(error) = directory.replace(name, &format!("{name}{ASIDE}"))
        {
            eprintln!("sysflow: {path}/{name} cannot be renamed: {error}");
        }
    }

    fn broken(&mut self, what: &str, why: &str) {
        self.pause = Some(Instant::now() + RETRY);
        if !self.told_broken {
            self.told_broken = true;
            let dir = self.place.dir.display();
            eprintln!(
                "sysflow: {what} the spool {dir}: {why}; records stay in memory, and it is tried again"
            );
        }
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.place.dir
    }
}

#[cfg(test)]
mod tests;
