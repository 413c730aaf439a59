//! `sf.*` fields for Falco's own rules and outputs, answered from the state after the same event was parsed.
//!
//! A field says what the attribute of the same name says of the event's record in the stream. Nothing is kept for
//! fields: an event on which none is asked costs nothing.

mod table;

use std::ffi::CString;

use falco_plugin::{
    anyhow::Error,
    extract::{ExtractFieldInfo, ExtractPlugin, ExtractRequest},
};
use sysflow::{
    Oid,
    attr::path,
    record::{Container, File, Pod},
};
use sysflow_flow::{DescriptorView, Op, ProcessView, Recorder, op::Endpoint};

use crate::{AnyEvent, SysFlow, events::decode};

type Text = Result<Option<CString>, Error>;
type Texts = Result<Option<Vec<CString>>, Error>;
type Number = Result<Option<u64>, Error>;
type Numbers = Result<Option<Vec<u64>>, Error>;
type Truth = Result<Option<bool>, Error>;

/// What Falco's libraries write for a text that they do not know.
const NOT_AVAILABLE: &str = "<NA>";
/// What a container record has before the runtime has told of the container.
const INCOMPLETE: &str = "incomplete";

/// A value as it is handed to Falco.
trait Answer {
    type Field;
    fn answer(self) -> Option<Self::Field>;
}

/// The thread of an event, and the state after it.
#[derive(Clone, Copy)]
struct Thread<'a> {
    recorder: &'a Recorder,
    tid: i64,
}

/// Both ends of the connection that an event is about.
struct Connection {
    client: Endpoint,
    server: Endpoint,
    proto: Option<u8>,
}

impl ExtractPlugin for SysFlow {
    type Event<'a> = AnyEvent<'a>;
    type ExtractContext = ();

    const EXTRACT_FIELDS: &'static [ExtractFieldInfo<Self>] = table::FIELDS;
}

impl SysFlow {
    fn process<T>(
        &mut self,
        request: &ExtractRequest<'_, '_, '_, '_, Self>,
        get: impl FnOnce(ProcessView<'_>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        self.thread(request, |thread| get(thread.recorder.process_of(thread.tid)?))
    }

    fn thread<T>(
        &mut self,
        request: &ExtractRequest<'_, '_, '_, '_, Self>,
        get: impl FnOnce(Thread<'_>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let tid = request.event.event()?.tid();
        self.guarded(|plugin| get(Thread { recorder: plugin.recorder()?, tid }))
    }

    /// The file that the event is about; of a link or rename the old one.
    fn file<T>(
        &mut self,
        request: &ExtractRequest<'_, '_, '_, '_, Self>,
        get: impl FnOnce(&File) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let event = request.event.event()?;
        self.guarded(|plugin| {
            let recorder = plugin.recorder()?;
            let file = match recorder.last_file() {
                Some(file) => file,
                None => match descriptor(recorder, &event)? {
                    DescriptorView::File(file) => file,
                    DescriptorView::Connection { .. } => return None,
                },
            };
            get(&file)
        })
    }

    fn new_file<T>(
        &mut self,
        request: &ExtractRequest<'_, '_, '_, '_, Self>,
        get: impl FnOnce(&File) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        self.thread(request, |thread| get(&thread.recorder.last_new_file()?))
    }

    fn connection<T>(
        &mut self,
        request: &ExtractRequest<'_, '_, '_, '_, Self>,
        get: impl FnOnce(&Connection) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let event = request.event.event()?;
        self.guarded(|plugin| match descriptor(plugin.recorder()?, &event)? {
            DescriptorView::Connection { client, server, proto } => {
                get(&Connection { client, server, proto })
            }
            DescriptorView::File(_) => None,
        })
    }
}

/// What the descriptor stands for that the event is about.
fn descriptor(recorder: &Recorder, event: &AnyEvent<'_>) -> Option<DescriptorView> {
    let raw = event.raw()?;
    match decode(&raw).ok()?.op {
        Op::Close { .. } => recorder.closed_descriptor(raw.tid),
        op => recorder.descriptor_of(raw.tid, descriptor_number(&op)?),
    }
}

/// The descriptor that an operation is about; of two the one that is read, or the new one.
fn descriptor_number(op: &Op<'_>) -> Option<i64> {
    let number = match op {
        Op::Open(open) => open.ret,
        Op::Accept { ret, .. } | Op::Dup { ret, .. } | Op::Socket { ret, .. } => *ret,
        Op::Pipe { ret, fds, .. } | Op::SocketPair { ret, fds, .. } if *ret >= 0 => fds[0],
        Op::Transfer { from, .. } => *from,
        Op::Read { fd, .. }
        | Op::Write { fd, .. }
        | Op::Mmap { fd, anonymous: false, .. }
        | Op::SetNs { fd, .. }
        | Op::Connect { fd, .. }
        | Op::Bind { fd, .. }
        | Op::Listen { fd, .. }
        | Op::Shutdown { fd, .. } => *fd,
        _ => return None,
    };
    (number >= 0).then_some(number)
}

// === what attributes say of an entity ===

/// As `sf.proc.oid` is written.
fn hash(oid: Oid) -> String {
    format!("{:016x}", oid.hash64())
}

/// `None` for a text that means that the source did not say.
fn said(text: &str) -> Option<&str> {
    (!matches!(text, "" | NOT_AVAILABLE)).then_some(text)
}

/// `None` for -1, which means that the source did not say.
fn known(number: i64) -> Option<u64> {
    (number != -1).then_some(number as u64)
}

/// `None` for 0, which means that the source did not say.
fn not_zero(number: i64) -> Option<u64> {
    (number != 0).then_some(number as u64)
}

fn exe(process: ProcessView<'_>) -> Option<&str> {
    said(process.exe().trim())
}

fn name(process: ProcessView<'_>) -> Option<&str> {
    said(path::base_name(exe(process)?))
}

fn cmdline(process: ProcessView<'_>) -> Option<String> {
    exe(process).map(|_| command_line(process))
}

fn command_line(process: ProcessView<'_>) -> String {
    match (process.exe().trim(), process.args().trim()) {
        (exe, "") => exe.to_owned(),
        (exe, args) => format!("{exe} {args}"),
    }
}

fn ancestors(process: ProcessView<'_>, get: impl Fn(ProcessView<'_>) -> String) -> Vec<String> {
    process.ancestors().map(get).collect()
}

fn names(names: impl Iterator<Item = &'static str>) -> Vec<String> {
    names.map(str::to_owned).collect()
}

/// A text of a container, which is a placeholder until the runtime has told.
fn told(process: ProcessView<'_>, get: impl FnOnce(Container) -> String) -> Option<String> {
    let text = get(process.container()?);
    said(&text)?;
    (!text.split(':').all(|part| part == INCOMPLETE)).then_some(text)
}

fn pod(process: ProcessView<'_>, get: impl FnOnce(Pod) -> String) -> Option<String> {
    Some(get(process.pod()?)).filter(|text| said(text).is_some())
}

fn file_path(file: &File) -> Option<&str> {
    said(path::socket_parts(file).1)
}

fn file_name(file: &File) -> Option<&str> {
    said(path::base_name(path::socket_parts(file).1))
}

fn file_directory(file: &File) -> Option<String> {
    Some(path::directory(file_path(file)?).into_owned())
}

fn file_symlink(file: &File) -> Option<&str> {
    said(path::socket_parts(file).0)
}

// === impl Answer ===

impl Answer for String {
    type Field = CString;

    /// A string with a NUL cannot be handed over; the recorder's never have one.
    fn answer(self) -> Option<CString> {
        CString::new(self).ok()
    }
}

impl Answer for &str {
    type Field = CString;

    fn answer(self) -> Option<CString> {
        CString::new(self).ok()
    }
}

impl Answer for u64 {
    type Field = Self;

    fn answer(self) -> Option<Self> {
        Some(self)
    }
}

impl Answer for bool {
    type Field = Self;

    fn answer(self) -> Option<Self> {
        Some(self)
    }
}

impl Answer for Vec<String> {
    type Field = Vec<CString>;

    fn answer(self) -> Option<Vec<CString>> {
        Some(self.into_iter().filter_map(Answer::answer).collect())
    }
}

impl Answer for Vec<u64> {
    type Field = Self;

    fn answer(self) -> Option<Self> {
        Some(self)
    }
}
