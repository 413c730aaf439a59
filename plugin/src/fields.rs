//! `sf.*` fields for Falco's own rules and outputs, answered from the state after the same event was parsed.

use std::ffi::CString;

use falco_plugin::{
    anyhow::Error,
    extract::{ExtractFieldInfo, ExtractPlugin, ExtractRequest, field},
};
use sysflow::Oid;
use sysflow_flow::{Op, ProcessView};

use crate::{AnyEvent, SysFlow, events::decode};

type Text = Result<Option<CString>, Error>;
type Number = Result<Option<u64>, Error>;

impl ExtractPlugin for SysFlow {
    type Event<'a> = AnyEvent<'a>;
    type ExtractContext = ();

    const EXTRACT_FIELDS: &'static [ExtractFieldInfo<Self>] = &[
        field("sf.graphid", &Self::graph_id)
            .with_display("Graph")
            .with_description("Id of the behaviour graph that the event's process belongs to: everything that one application instance or session did.")
            .add_output(),
        field("sf.graph.parent", &Self::graph_parent)
            .with_display("Parent graph")
            .with_description("Id of the graph that this one was spawned by."),
        field("sf.graph.root.pid", &Self::root_pid)
            .with_display("Root process")
            .with_description("Pid of the process that the graph is named by."),
        field("sf.graph.root.exe", &Self::root_exe)
            .with_display("Root executable")
            .with_description("Executable of the process that the graph is named by."),
        field("sf.proc.oid", &Self::proc_oid)
            .with_display("Process id")
            .with_description("SysFlow's identity of the process: a hash of pid and start time."),
        field("sf.proc.exe", &Self::proc_exe)
            .with_display("Executable")
            .with_description("Path of the process's executable."),
        field("sf.proc.cmdline", &Self::proc_cmdline)
            .with_display("Command line")
            .with_description("Executable and arguments, secrets masked."),
        field("sf.proc.tty", &Self::proc_tty)
            .with_display("Terminal")
            .with_description("Whether the process has a terminal."),
        field("sf.pproc.oid", &Self::parent_oid)
            .with_display("Parent id")
            .with_description("SysFlow's identity of the parent process."),
        field("sf.pproc.pid", &Self::parent_pid)
            .with_display("Parent pid")
            .with_description("Pid of the process that started this one, also after it has ended."),
        field("sf.pproc.exe", &Self::parent_exe)
            .with_display("Parent executable")
            .with_description("Path of the parent's executable."),
        field("sf.pproc.cmdline", &Self::parent_cmdline)
            .with_display("Parent command line")
            .with_description("Executable and arguments of the parent, secrets masked."),
        field("sf.file.oid", &Self::file_oid)
            .with_display("File id")
            .with_description("SysFlow's identity of the file that the event is about: SHA-1 over container and path."),
    ];
}

#[allow(clippy::needless_pass_by_value, reason = "the SDK hands requests over by value")]
impl SysFlow {
    fn graph_id(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Text {
        self.text(&request, |process| Some(process.graph().to_string()))
    }

    fn graph_parent(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Text {
        self.text(&request, |process| Some(process.parent_graph()?.to_string()))
    }

    fn root_pid(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Number {
        self.of_process(&request, |process| Some(process.root().hpid as u64))
    }

    fn root_exe(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Text {
        self.text(&request, |process| Some(process.root_exe()?.to_owned()))
    }

    fn proc_oid(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Text {
        self.text(&request, |process| Some(hash(process.oid())))
    }

    fn proc_exe(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Text {
        self.text(&request, |process| Some(process.exe().to_owned()))
    }

    fn proc_cmdline(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Text {
        self.text(&request, |process| Some(process.cmdline()))
    }

    fn proc_tty(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Result<Option<bool>, Error> {
        self.of_process(&request, |process| Some(process.tty()))
    }

    fn parent_oid(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Text {
        self.text(&request, |process| process.parent_oid().map(hash))
    }

    fn parent_pid(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Number {
        self.of_process(&request, |process| Some(process.parent_oid()?.hpid as u64))
    }

    fn parent_exe(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Text {
        self.text(&request, |process| Some(process.parent()?.exe().to_owned()))
    }

    fn parent_cmdline(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Text {
        self.text(&request, |process| Some(process.parent()?.cmdline()))
    }

    fn file_oid(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> Text {
        let event = request.event.event()?;
        self.guarded(|plugin| {
            let recorder = plugin.recorder()?;
            let raw = event.raw()?;
            let foid = match decode(&raw).ok()?.op {
                Op::Open(open) if open.ret >= 0 => recorder.file_of(raw.tid, open.ret),
                Op::Read { fd, .. } | Op::Write { fd, .. } | Op::Mmap { fd, .. } => {
                    recorder.file_of(raw.tid, fd)
                }
                _ => recorder.last_file(),
            };
            CString::new(foid?.to_string()).ok()
        })
    }

    fn text(
        &mut self,
        request: &ExtractRequest<'_, '_, '_, '_, Self>,
        get: impl FnOnce(ProcessView<'_>) -> Option<String>,
    ) -> Text {
        self.of_process(request, |process| {
            // A string with a NUL cannot be handed over; the recorder's never have one.
            CString::new(get(process).filter(|text| !text.is_empty())?).ok()
        })
    }

    fn of_process<T>(
        &mut self,
        request: &ExtractRequest<'_, '_, '_, '_, Self>,
        get: impl FnOnce(ProcessView<'_>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let tid = request.event.event()?.tid();
        self.guarded(|plugin| get(plugin.recorder()?.process_of(tid)?))
    }
}

/// As `sf.proc.oid` is written: hexadecimal, without leading zeros.
fn hash(oid: Oid) -> String {
    format!("{:x}", oid.hash64())
}
