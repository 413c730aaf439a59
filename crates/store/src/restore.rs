//! Rows to records: what was judged, as it was judged.

use std::net::IpAddr;

use datafusion::arrow::array::{
    Array, AsArray, BinaryArray, BooleanArray, Int64Array, ListArray, RecordBatch, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{Int32Type, Int64Type};
use sysflow::record::{
    File, FileEvent, FileFlow, Header, NetworkEvent, NetworkFlow, ObjectState, ProcessEvent, ProcessFlow,
    Record,
};
use sysflow::{Entities, Foid, Joined};
use sysflow_policy::{Context, Seen, Stateful};

use crate::HashMap;
use crate::column::{self, Form, SOURCES, Source};
use crate::error::{Error, Result};
use crate::subject::{self, Subject};

/// Subjects that are remembered: most rows share theirs with many others.
const MAX_SUBJECTS: usize = 4096;

/// Brings the records of rows back.
#[derive(Debug, Default)]
pub struct Restorer {
    subjects: HashMap<Box<[u8]>, Subject>,
}

/// A record with its entities, as they were, and what was seen before it.
#[derive(Debug)]
pub struct RestoredRow<'a> {
    entities: &'a Entities,
    /// The event or flow.
    pub record: Record,
    /// Header of its trace, with what was lost before it when the row tells of that.
    pub header: Option<&'a Header>,
    columns: &'a Columns<'a>,
    at: usize,
}

/// The columns of some rows, by name.
#[derive(Debug)]
pub(crate) struct Columns<'a> {
    batch: &'a RecordBatch,
    by_name: HashMap<&'static str, usize>,
    stateful: [Option<usize>; 14],
}

impl<'a> Columns<'a> {
    /// Columns of rows with the types of [`column::schema`].
    pub(crate) fn new(batch: &'a RecordBatch) -> Self {
        let schema = batch.schema_ref();
        let mut by_name = HashMap::default();
        let mut stateful = [None; 14];
        for (column, source) in SOURCES.iter() {
            let found = schema.index_of(column.name).ok();
            let Some(at) = found.filter(|at| *schema.field(*at).data_type() == column.form.data_type())
            else {
                continue;
            };
            by_name.insert(column.name, at);
            if let Source::Stateful(attribute) = source
                && let Some(nth) = Stateful::ALL.iter().position(|(_, other)| other == attribute)
            {
                stateful[nth] = Some(at);
            }
        }
        Self { batch, by_name, stateful }
    }

    fn column(&self, name: &str) -> Option<&'a dyn Array> {
        Some(self.batch.column(*self.by_name.get(name)?).as_ref())
    }

    pub(crate) fn text(&self, name: &str, row: usize) -> Option<&'a str> {
        let array: &StringArray = self.column(name)?.as_string_opt()?;
        array.is_valid(row).then(|| array.value(row))
    }

    fn bytes(&self, name: &str, row: usize) -> Option<&'a [u8]> {
        let array = self.column(name)?.as_dictionary_opt::<Int32Type>()?;
        let values: &BinaryArray = array.values().as_binary_opt()?;
        array.key(row).map(|key| values.value(key))
    }

    pub(crate) fn int(&self, name: &str, row: usize) -> Option<i64> {
        let array: &Int64Array = self.column(name)?.as_primitive_opt::<Int64Type>()?;
        array.is_valid(row).then(|| array.value(row))
    }

    fn texts(&self, name: &str, row: usize) -> Option<Vec<String>> {
        texts(self.column(name)?.as_list_opt()?, row)
    }

    fn number(&self, name: &str, row: usize) -> i64 {
        self.int(name, row).unwrap_or(0)
    }

    fn seen(&self, attribute: Stateful, row: usize) -> Seen {
        let Some(nth) = Stateful::ALL.iter().position(|(_, other)| *other == attribute) else {
            return Seen::Unknown;
        };
        let Some(array) = self.stateful[nth].map(|at| self.batch.column(at).as_ref()) else {
            return Seen::Unknown;
        };
        if array.is_null(row) {
            return Seen::Unknown;
        }
        if let Some(numbers) = array.as_primitive_opt::<Int64Type>() {
            return Seen::Number(numbers.value(row));
        }
        if let Some(truths) = array.as_any().downcast_ref::<BooleanArray>() {
            return Seen::Truth(truths.value(row));
        }
        array.as_list_opt().and_then(|lists| texts(lists, row)).map_or(Seen::Unknown, Seen::Texts)
    }
}

fn texts(lists: &ListArray, row: usize) -> Option<Vec<String>> {
    if lists.is_null(row) {
        return None;
    }
    let list = lists.value(row);
    let items: &StringArray = list.as_string_opt()?;
    Some(items.iter().flatten().map(str::to_owned).collect())
}

/// Columns that a record is brought back from.
pub(crate) fn needed() -> impl Iterator<Item = &'static str> {
    SOURCES
        .iter()
        .filter(|(column, source)| is_needed(column.name, column.form, *source))
        .map(|(column, _)| column.name)
}

fn is_needed(name: &str, form: Form, source: Source) -> bool {
    match source {
        Source::Stateful(_) => true,
        Source::Rules | Source::Tags => false,
        Source::Raw => name != column::ALERTS,
        Source::Attr(_) => {
            let family = ["sf.file.", "sf.flow.", "sf.net.", "sf.pf.", "sf.ke."];
            let own = [column::TYPE, column::TS, column::END, "sf.ret", "sf.proc.tid", "sf.event.args"];
            (family.iter().any(|family| name.starts_with(family)) || own.contains(&name))
                && form != Form::Bytes
        }
    }
}

impl Restorer {
    /// Hands each row of the data set in `batch` on, with the number of its record.
    pub fn each(
        &mut self,
        batch: &RecordBatch,
        mut take: impl FnMut(u64, &RestoredRow<'_>) -> Result<()>,
    ) -> Result<()> {
        let schema = column::schema();
        let plain: Result<Vec<_>, _> = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(f, column)| cast(column, f.data_type()))
            .collect();
        let batch = RecordBatch::try_new(schema, plain?)?;
        let columns = Columns::new(&batch);
        for at in 0..batch.num_rows() {
            take(columns.number(column::RECORD, at) as u64, &self.row(&columns, at)?)?;
        }
        Ok(())
    }

    /// The record of one row.
    pub(crate) fn row<'a>(&'a mut self, columns: &'a Columns<'a>, at: usize) -> Result<RestoredRow<'a>> {
        let bytes =
            columns.bytes(column::SUBJECT, at).ok_or_else(|| Error::Row("it has no raw.subject".into()))?;
        if !self.subjects.contains_key(bytes) {
            if self.subjects.len() >= MAX_SUBJECTS {
                self.subjects.clear();
            }
            self.subjects.insert(bytes.into(), subject::decode(bytes)?);
        }
        let Some(subject) = self.subjects.get_mut(bytes) else {
            return Err(Error::Row("its subject was forgotten".into()));
        };
        let own = subject.container.clone();
        let mut files = Vec::new();
        let names = [
            (column::FILE, "sf.file.oid", "sf.file.path"),
            (column::NEW_FILE, "sf.file.newoid", "sf.file.newpath"),
        ];
        for (rest, oid, path) in names {
            if let Some(rest) = columns.bytes(rest, at) {
                files.push(file(rest, columns.text(oid, at), columns.text(path, at), own.as_deref())?);
            }
        }
        subject.entities.replace_files(files);
        let record = record(columns, at, subject)?;
        Ok(RestoredRow { entities: &subject.entities, record, header: subject.header.as_ref(), columns, at })
    }
}

impl RestoredRow<'_> {
    /// The record joined with its entities.
    pub fn joined(&self) -> Joined<'_> {
        self.entities.join(&self.record)
    }
}

impl Context for RestoredRow<'_> {
    fn value(&self, attribute: Stateful, _: &Joined<'_>) -> Seen {
        self.columns.seen(attribute, self.at)
    }
}

fn file(rest: &[u8], oid: Option<&str>, path: Option<&str>, own: Option<&str>) -> Result<File> {
    let damaged = || Error::Row("raw.file".into());
    let (restype, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let (container, rest) = rest.split_first().ok_or_else(damaged)?;
    let (container_id, whole) = match container {
        0 => (own.map(str::to_owned), rest),
        1 => (None, rest),
        2 => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
            let (name, rest) =
                rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
            (Some(String::from_utf8_lossy(name).into_owned()), rest)
        }
        _ => return Err(damaged()),
    };
    let path = match (whole, path) {
        ([], Some(path)) => path.to_owned(),
        (whole, _) => String::from_utf8_lossy(whole).into_owned(),
    };
    Ok(File {
        state: ObjectState::Reup,
        oid: oid.and_then(foid).ok_or_else(damaged)?,
        ts: 0,
        restype: i32::from_le_bytes(*restype),
        path,
        container_id,
    })
}

fn foid(hex: &str) -> Option<Foid> {
    let digits = hex.as_bytes();
    let mut bytes = [0; 20];
    if digits.len() != 40 || !hex.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..40).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(Foid(bytes))
}

fn record(columns: &Columns<'_>, at: usize, subject: &Subject) -> Result<Record> {
    let proc_oid = subject.oid;
    let int = |name: &str| columns.number(name, at);
    let small = |name: &str| columns.number(name, at) as i32;
    let known = |name: &str| columns.int(name, at).map_or(-1, |number| number as i32);
    let (ts, end_ts, tid) = (int(column::TS), int(column::END), int("sf.proc.tid"));
    let op_flags = small(column::OPS);
    let own_foid =
        || columns.text("sf.file.oid", at).and_then(foid).ok_or_else(|| Error::Row("sf.file.oid".into()));
    Ok(match columns.text(column::TYPE, at).unwrap_or_default() {
        "PE" => Record::ProcessEvent(ProcessEvent {
            proc_oid,
            ts,
            tid,
            op_flags,
            args: columns.texts("sf.event.args", at).unwrap_or_default(),
            ret: small("sf.ret"),
        }),
        "PF" => Record::ProcessFlow(ProcessFlow {
            proc_oid,
            ts,
            num_threads_cloned: int("sf.pf.nthreads"),
            op_flags,
            end_ts,
            num_threads_exited: int("sf.pf.nexits"),
            num_clone_errors: int("sf.pf.nerrors"),
        }),
        "FF" => Record::FileFlow(FileFlow {
            proc_oid,
            ts,
            tid,
            op_flags,
            open_flags: small(column::OPEN_FLAGS),
            end_ts,
            file_oid: own_foid()?,
            fd: small(column::FD),
            num_rrecv_ops: int("sf.flow.rops"),
            num_wsend_ops: int("sf.flow.wops"),
            num_rrecv_bytes: int("sf.flow.rbytes"),
            num_wsend_bytes: int("sf.flow.wbytes"),
            num_opens: int("sf.flow.opens"),
        }),
        "FE" => Record::FileEvent(FileEvent {
            proc_oid,
            ts,
            tid,
            op_flags,
            file_oid: own_foid()?,
            ret: small("sf.ret"),
            new_file_oid: columns.text("sf.file.newoid", at).and_then(foid),
            arg: columns.text("sf.file.arg", at).unwrap_or_default().to_owned(),
        }),
        "NF" => {
            let ((sip, sip6), (dip, dip6)) = (end(columns, "sf.net.sip", at), end(columns, "sf.net.dip", at));
            Record::NetworkFlow(NetworkFlow {
                proc_oid,
                ts,
                tid,
                op_flags,
                end_ts,
                sip,
                sport: small("sf.net.sport"),
                dip,
                dport: small("sf.net.dport"),
                proto: known("sf.net.proto"),
                fd: small(column::FD),
                num_rrecv_ops: int("sf.flow.rops"),
                num_wsend_ops: int("sf.flow.wops"),
                num_rrecv_bytes: int("sf.flow.rbytes"),
                num_wsend_bytes: int("sf.flow.wbytes"),
                sip6,
                dip6,
            })
        }
        "NE" => Record::NetworkEvent(NetworkEvent {
            proc_oid,
            ts,
            tid,
            op_flags,
            sip: end(columns, "sf.net.sip", at).0,
            sport: small("sf.net.sport"),
            dip: end(columns, "sf.net.dip", at).0,
            dport: small("sf.net.dport"),
            proto: known("sf.net.proto"),
            ret: small("sf.ret"),
        }),
        "KE" => {
            subject.event.clone().ok_or_else(|| Error::Row("an event of Kubernetes without itself".into()))?
        }
        "H" => Record::Header(
            subject.header.clone().ok_or_else(|| Error::Row("a loss without its header".into()))?,
        ),
        other => return Err(Error::Row(format!("{other:?} is no kind of event or flow"))),
    })
}

/// An address of a flow: as SysFlow keeps IPv4, and IPv6 if it is one.
fn end(columns: &Columns<'_>, name: &str, at: usize) -> (i32, Option<[u8; 16]>) {
    match columns.text(name, at).and_then(|text| text.parse().ok()) {
        Some(IpAddr::V4(address)) => (i32::from_le_bytes(address.octets()), None),
        Some(IpAddr::V6(address)) => (0, Some(address.octets())),
        None => (0, None),
    }
}
