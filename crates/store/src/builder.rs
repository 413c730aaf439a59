//! Records to rows.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
};
use sysflow::attr::Value;
use sysflow::record::{File, Header, Loss, Record};
use sysflow::{Joined, Oid};
use sysflow_policy::{Context, Seen};

use crate::HashMap;
use crate::column::{self, Form, SOURCES, Source};
use crate::dictionary::Dictionary;
use crate::error::Result;
use crate::subject;

/// What the rules said of a record.
#[derive(Clone, Copy)]
pub struct Judged<'a> {
    /// Names of the rules that matched.
    pub rules: &'a [&'a str],
    /// Their tags.
    pub tags: &'a [&'a str],
    /// The alerts that it raised, as a JSON array of `{id, ts, priority, rule, tags, alert}`; empty when it raised none.
    pub alerts: &'a str,
    /// What was seen before it.
    pub seen: &'a dyn Context,
}

impl std::fmt::Debug for Judged<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judged").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// Rows of one stream, whose records follow each other.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The rows.
    pub batch: RecordBatch,
    /// Stream, 32 hex digits.
    pub stream: String,
    /// Name of its node.
    pub node: String,
    /// Number of the first record.
    pub first: u64,
    /// Number of the last one.
    pub last: u64,
    /// Earliest time in ns.
    pub from: i64,
    /// Latest time in ns.
    pub to: i64,
}

/// Gathers rows of one stream.
#[derive(Debug)]
pub struct RowsBuilder {
    stream: String,
    node: String,
    columns: Vec<Builder>,
    subjects: HashMap<Oid, subject::Cached>,
    scratch: Vec<u8>,
    rows: usize,
    first: u64,
    last: u64,
    from: i64,
    to: i64,
}

#[derive(Debug)]
enum Builder {
    Dictionary(Dictionary),
    Texts(ListBuilder<StringBuilder>),
    Int(Int64Builder),
    Bool(BooleanBuilder),
}

impl RowsBuilder {
    /// No rows yet of the stream with this id, which comes from `node`.
    pub fn new(stream: &str, node: &str) -> Self {
        let columns = SOURCES.iter().map(|(column, _)| Builder::new(column.form)).collect();
        Self {
            stream: stream.to_owned(),
            node: node.to_owned(),
            columns,
            subjects: HashMap::default(),
            scratch: Vec::new(),
            rows: 0,
            first: 0,
            last: 0,
            from: i64::MAX,
            to: i64::MIN,
        }
    }

    /// Stream that the rows are of.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of memory, about.
    pub fn size(&self) -> usize {
        let of = |builder: &Builder| match builder {
            Builder::Dictionary(dictionary) => dictionary.size(),
            _ => 0,
        };
        self.columns.iter().map(of).sum::<usize>() + self.rows * self.columns.len() * 4
    }

    /// Latest event time of the rows in ns; `i64::MIN` when there are none.
    pub fn latest(&self) -> i64 {
        self.to
    }

    /// Appends a record, unless it is an entity or a header: those are part of the rows. A header that tells of a loss
    /// becomes a row of its own.
    pub fn append(&mut self, number: u64, joined: &Joined<'_>, judged: &Judged<'_>) {
        let is_loss =
            matches!(joined.record, Record::Header(Header { lost, .. }) if *lost != Loss::default());
        let is_row = joined.record.proc_oid().is_some() || matches!(joined.record, Record::K8sEvent(_));
        if !is_row && !is_loss {
            return;
        }
        let (from, to) = span(joined.record);
        self.from = self.from.min(from);
        self.to = self.to.max(to);
        if self.rows == 0 {
            self.first = number;
        }
        self.last = number;
        self.rows += 1;
        let subject = self.subject(joined, is_loss);
        for ((column, source), builder) in SOURCES.iter().zip(&mut self.columns) {
            match source {
                // The times of a loss are those of its hole.
                Source::Attr(attr) if is_loss && attr.name == column::TS => builder.int(Some(from)),
                Source::Attr(attr) if is_loss && attr.name == column::END => builder.int(Some(to)),
                Source::Attr(attr) => builder.value(&attr.value(joined)),
                Source::Stateful(attribute) => builder.seen(judged.seen.value(*attribute, joined)),
                Source::Rules => builder.texts((!judged.rules.is_empty()).then_some(judged.rules)),
                Source::Tags => builder.texts((!judged.tags.is_empty()).then_some(judged.tags)),
                Source::Raw => raw(column.name, builder, &self.stream, number, joined, subject, judged),
            }
        }
    }

    /// The rows so far as a file wants them; the builder goes on.
    pub fn rows(&self) -> Result<Rows> {
        let rows = self.snapshot()?;
        Ok(Rows { batch: crate::encode::sorted(&rows.batch)?, ..rows })
    }

    /// The rows so far in the order of their records.
    pub fn snapshot(&self) -> Result<Rows> {
        let arrays: Result<Vec<ArrayRef>> = self.columns.iter().map(Builder::array).collect();
        let batch = RecordBatch::try_new(column::gathered_schema(), arrays?)?;
        Ok(Rows {
            batch,
            stream: self.stream.clone(),
            node: self.node.clone(),
            first: self.first,
            last: self.last,
            from: self.from,
            to: self.to,
        })
    }

    /// Number of the subject of a record among the values of its column.
    fn subject(&mut self, joined: &Joined<'_>, is_loss: bool) -> i32 {
        let oid = joined.record.proc_oid().filter(|_| joined.process.is_some());
        if let Some(oid) = oid
            && let Some(cached) = self.subjects.get(&oid)
            && cached.is_of(joined)
        {
            return cached.key;
        }
        self.scratch.clear();
        subject::encode(joined, &mut self.scratch, is_loss);
        let at = SOURCES.iter().position(|(column, _)| column.name == column::SUBJECT);
        let key = match at.map(|at| &mut self.columns[at]) {
            Some(Builder::Dictionary(dictionary)) => dictionary.key(&self.scratch),
            _ => 0,
        };
        if let Some(oid) = oid {
            self.subjects.insert(oid, subject::Cached::new(joined, key));
        }
        key
    }
}

fn raw(
    name: &str,
    builder: &mut Builder,
    stream: &str,
    number: u64,
    joined: &Joined<'_>,
    subject: i32,
    judged: &Judged<'_>,
) {
    match name {
        column::STREAM => builder.bytes(Some(stream.as_bytes())),
        column::RECORD => builder.int(Some(number as i64)),
        column::OPS => builder.int(ops(joined.record)),
        column::OPEN_FLAGS => builder.int(match joined.record {
            Record::FileFlow(flow) => Some(flow.open_flags.into()),
            _ => None,
        }),
        column::FD => builder.int(match joined.record {
            Record::FileFlow(flow) => Some(flow.fd.into()),
            Record::NetworkFlow(flow) => Some(flow.fd.into()),
            _ => None,
        }),
        column::SUBJECT => {
            if let Builder::Dictionary(dictionary) = builder {
                dictionary.append_key(subject);
            }
        }
        column::FILE => builder.bytes(joined.file.map(|file| rest_of(file, joined)).as_deref()),
        column::NEW_FILE => builder.bytes(joined.new_file.map(|file| rest_of(file, joined)).as_deref()),
        column::ALERTS => builder.bytes(Some(judged.alerts.as_bytes()).filter(|alerts| !alerts.is_empty())),
        _ => builder.bytes(None),
    }
}

/// What the columns do not say of a file: its type, its container when that is not the process's, and its path when it
/// cannot be put together from them.
pub(crate) fn rest_of(file: &File, joined: &Joined<'_>) -> Vec<u8> {
    let mut out = file.restype.to_le_bytes().to_vec();
    let own = joined.process.and_then(|process| process.container_id.as_deref());
    match file.container_id.as_deref() {
        container if container == own => out.push(0),
        None => out.push(1),
        Some(container) => {
            out.push(2);
            out.extend_from_slice(&(container.len() as u32).to_le_bytes());
            out.extend_from_slice(container.as_bytes());
        }
    }
    let is_plain = file.restype != i32::from(b'u') && !matches!(file.path.as_str(), "" | "<NA>");
    if !is_plain {
        out.extend_from_slice(file.path.as_bytes());
    }
    out
}

fn ops(record: &Record) -> Option<i64> {
    Some(i64::from(match record {
        Record::ProcessEvent(r) => r.op_flags,
        Record::NetworkFlow(r) => r.op_flags,
        Record::FileFlow(r) => r.op_flags,
        Record::FileEvent(r) => r.op_flags,
        Record::NetworkEvent(r) => r.op_flags,
        Record::ProcessFlow(r) => r.op_flags,
        _ => return None,
    }))
}

/// First and last time of a record in ns.
fn span(record: &Record) -> (i64, i64) {
    let start = record.ts().unwrap_or_default();
    match record {
        Record::NetworkFlow(r) => (start, r.end_ts.max(start)),
        Record::FileFlow(r) => (start, r.end_ts.max(start)),
        Record::ProcessFlow(r) => (start, r.end_ts.max(start)),
        Record::Header(r) => (r.lost.from, r.lost.to.max(r.lost.from)),
        _ => (start, start),
    }
}

impl Builder {
    fn new(form: Form) -> Self {
        match form {
            Form::Text => Self::Dictionary(Dictionary::texts()),
            Form::Bytes => Self::Dictionary(Dictionary::bytes()),
            Form::Texts => Self::Texts(ListBuilder::new(StringBuilder::new())),
            Form::Int => Self::Int(Int64Builder::new()),
            Form::Bool => Self::Bool(BooleanBuilder::new()),
        }
    }

    fn array(&self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Dictionary(dictionary) => dictionary.array()?,
            Self::Texts(builder) => Arc::new(builder.finish_cloned()),
            Self::Int(builder) => Arc::new(builder.finish_cloned()),
            Self::Bool(builder) => Arc::new(builder.finish_cloned()),
        })
    }

    fn bytes(&mut self, value: Option<&[u8]>) {
        if let Self::Dictionary(dictionary) = self {
            dictionary.append(value);
        }
    }

    fn int(&mut self, value: Option<i64>) {
        if let Self::Int(builder) = self {
            builder.append_option(value);
        }
    }

    fn texts<T: AsRef<str>>(&mut self, value: Option<&[T]>) {
        if let Self::Texts(builder) = self {
            for text in value.into_iter().flatten() {
                builder.values().append_value(text);
            }
            builder.append(value.is_some());
        }
    }

    fn value(&mut self, value: &Value<'_>) {
        match (self, value) {
            (Self::Dictionary(dictionary), Value::Str(text)) => dictionary.append(Some(text.as_bytes())),
            (Self::Dictionary(dictionary), _) => dictionary.append(None),
            (Self::Int(builder), Value::Int(number)) => builder.append_value(*number),
            (Self::Int(builder), _) => builder.append_null(),
            (Self::Bool(builder), Value::Bool(truth)) => builder.append_value(*truth),
            (Self::Bool(builder), _) => builder.append_null(),
            (list @ Self::Texts(_), Value::StrList(texts)) => list.texts(Some(texts)),
            (list @ Self::Texts(_), _) => list.texts::<&str>(None),
        }
    }

    fn seen(&mut self, seen: Seen) {
        match (self, seen) {
            (Self::Int(builder), Seen::Number(number)) => builder.append_value(number),
            (Self::Int(builder), _) => builder.append_null(),
            (Self::Bool(builder), Seen::Truth(truth)) => builder.append_value(truth),
            (Self::Bool(builder), _) => builder.append_null(),
            (list @ Self::Texts(_), Seen::Texts(texts)) => list.texts(Some(&texts)),
            (list @ Self::Texts(_), _) => list.texts::<&str>(None),
            (Self::Dictionary(dictionary), _) => dictionary.append(None),
        }
    }
}
