//! Records in the right order: pod, container, ancestors root first, process, file, and then what names them.

use sysflow::{
    Record,
    record::{File as FileRecord, Header, Loss, ObjectState, Process as ProcessRecord},
};

use crate::{
    Recorder, Urgency,
    recorder::Io,
    state::{
        file::File,
        process::{Told, entries},
    },
};

/// Version of the schema that headers carry, extended or not.
const VERSION: i64 = 5;

/// What makes a process record necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A clone or exec.
    Start,
    Other,
}

impl Recorder {
    pub(crate) fn emit(&mut self, record: &Record, urgency: Urgency, io: &mut Io<'_>) {
        self.counters.records += 1;
        io.sink.record(record, urgency);
    }

    pub(crate) fn header_record(&self, lost: Loss) -> Header {
        Header {
            version: VERSION,
            exporter: self.config.node.clone(),
            ip: self.config.ip.clone(),
            filename: self.config.filename.clone(),
            lost,
        }
    }

    /// Writes the process and its ancestors where this header has not seen them. True when the process was written.
    #[inline]
    pub(crate) fn write_process_once(&mut self, slot: u32, ts: i64, cause: Cause, io: &mut Io<'_>) -> bool {
        let unseen = self.processes.get(slot).is_some_and(|process| process.written != self.epoch);
        if unseen {
            self.write_line(slot, ts, cause, io);
        }
        unseen
    }

    /// Writes a process and those of its ancestors that this header has not seen, which come first.
    fn write_line(&mut self, slot: u32, ts: i64, cause: Cause, io: &mut Io<'_>) {
        let mut chain = std::mem::take(&mut self.chain);
        chain.clear();
        let mut next = Some(slot);
        while let Some(at) = next {
            let Some(process) = self.processes.get(at).filter(|process| process.written != self.epoch) else {
                break;
            };
            debug_assert!(chain.len() < self.processes.slots.len(), "a process is its own ancestor");
            next = process.parent;
            // The kernel's idle task is nobody's ancestor in a record.
            if process.oid.hpid != 0 {
                chain.push(at);
            }
        }
        for index in chain.iter().rev() {
            let container = self.processes.get(*index).map_or(0, |process| process.container);
            self.write_container_once(container, ts, io);
        }
        for index in chain.iter().rev() {
            let state = self.state_of(*index, *index == slot, cause);
            self.write_process(*index, ts, state, io);
        }
        self.chain = chain;
    }

    fn state_of(&self, slot: u32, itself: bool, cause: Cause) -> ObjectState {
        let Some(process) = self.processes.get(slot) else { return ObjectState::Reup };
        let created =
            if self.habits.collector_entities { itself && cause == Cause::Start } else { process.born };
        if created && !process.known { ObjectState::Created } else { ObjectState::Reup }
    }

    /// Writes the process as it is now.
    pub(crate) fn write_process(&mut self, slot: u32, ts: i64, state: ObjectState, io: &mut Io<'_>) {
        if state == ObjectState::Modified {
            // They were done by what it was before.
            self.end_folds(slot, io);
        }
        if self.habits.collector_entities {
            self.keep_told(slot);
        }
        let Some(process) = self.processes.get(slot) else { return };
        let container = process.told.as_ref().map_or(process.container, |told| told.container);
        self.write_container_once(container, ts, io);
        let Some(process) = self.processes.get(slot) else { return };
        let extended = self.habits.extended;
        let container_id = self.containers.id(container);
        let told = process.told.as_deref();
        let record = ProcessRecord {
            state,
            oid: process.oid,
            poid: process.poid,
            ts,
            exe: process.exe.to_string(),
            exe_args: process.args.to_string(),
            uid: process.uid,
            user_name: self.names.user(process.container, process.uid).to_owned(),
            gid: process.gid,
            group_name: self.names.group(process.container, process.gid).to_owned(),
            tty: told.map_or(process.tty, |told| told.tty) != 0,
            container_id: (!container_id.is_empty()).then(|| container_id.to_owned()),
            entry: told.map_or(process.vpid, |told| told.vpid) == 1,
            cwd: told.map_or_else(|| self.processes.cwd(slot), |told| &told.cwd).to_owned(),
            env: entries(told.map_or(process.env.as_deref(), |told| told.env.as_deref()))
                .map(str::to_owned)
                .collect(),
            graph_id: if extended { process.graph.id.to_string() } else { String::new() },
            parent_graph_id: match process.graph.parent() {
                Some(id) if extended => id.to_string(),
                _ => String::new(),
            },
            sid: process.sid,
            vpid: process.vpid,
            loginuid: process.loginuid,
            tty_nr: process.tty as i32,
            cap_effective: process.cap_effective,
            exe_flags: process.exe_flags,
            exe_ino: process.exe_ino,
            exe_ctime: process.exe_ctime,
        };
        let epoch = self.epoch;
        if let Some(process) = self.processes.get_mut(slot) {
            process.written = epoch;
            process.known = true;
        }
        self.emit(&Record::Process(record), Urgency::Later, io);
    }

    /// The collector fills these attributes in when it first tells of a process and leaves them so.
    fn keep_told(&mut self, slot: u32) {
        if self.processes.get(slot).is_none_or(|process| process.told.is_some()) {
            return;
        }
        let Some(process) = self.processes.get(slot) else { return };
        let cwd = self.processes.fs.get(process.fs).map(|fs| fs.cwd.clone()).unwrap_or_default();
        let Some(process) = self.processes.get_mut(slot) else { return };
        let (tty, vpid, container) = (process.tty, process.vpid, process.container);
        process.told = Some(Box::new(Told { tty, vpid, container, cwd, env: process.env.clone() }));
    }

    /// Writes the container, and its pod before it, where this header has not seen it.
    pub(crate) fn write_container_once(&mut self, container: u32, ts: i64, io: &mut Io<'_>) {
        let epoch = self.epoch;
        let Some(container) = self.containers.get_mut(container) else { return };
        if container.written == epoch {
            return;
        }
        container.written = epoch;
        let record = Record::Container(container.record());
        let pod = container.meta.as_ref().and_then(|meta| meta.pod.clone());
        if let Some(mut pod) = pod {
            pod.ts = ts;
            pod.node_name.clone_from(&self.config.node);
            self.emit(&Record::Pod(pod), Urgency::Later, io);
        }
        self.emit(&record, Urgency::Later, io);
    }

    /// Writes the file where this header has not seen it.
    #[inline]
    pub(crate) fn write_file_once(&mut self, file: u32, ts: i64, new: bool, io: &mut Io<'_>) {
        if self.files.get(file).is_some_and(|file| file.written != self.epoch) {
            self.write_file(file, ts, new, io);
        }
    }

    fn write_file(&mut self, file: u32, ts: i64, new: bool, io: &mut Io<'_>) {
        let epoch = self.epoch;
        let Some(entry) = self.files.get_mut(file) else { return };
        let state = if new && !entry.known { ObjectState::Created } else { ObjectState::Reup };
        entry.written = epoch;
        entry.known = true;
        let entry = *entry;
        self.write_container_once(entry.container, ts, io);
        let record = FileRecord { state, ts, ..self.file_record(&entry) };
        self.emit(&Record::File(record), Urgency::Later, io);
    }

    /// A file as records tell of it, but for time and state.
    pub(crate) fn file_record(&self, file: &File) -> FileRecord {
        let container_id = self.containers.id(file.container);
        FileRecord {
            state: ObjectState::Reup,
            oid: file.oid,
            ts: 0,
            restype: i32::from(file.restype),
            path: self.files.text(file.path).to_owned(),
            container_id: (!container_id.is_empty()).then(|| container_id.to_owned()),
        }
    }
}
