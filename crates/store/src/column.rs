//! The columns of a row.
//!
//! Columns named `sf.*` hold the attribute of that name, or what it had been before the record where it depends on
//! earlier ones. Attributes without a column are made from the record, which the `raw.*` columns bring back.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sysflow::attr;
use sysflow_policy::Stateful;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub form: Form,
}

/// What a column holds; every value may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text.
    Text,
    /// Several texts.
    Texts,
    /// Whole number.
    Int,
    /// Truth value.
    Bool,
    /// Bytes of this program.
    Bytes,
}

/// Graph of the process; the rows of a file are sorted by it, then by [`TS`].
pub(crate) const GRAPH: &str = "sf.graphid";
/// Graph that the graph of the process came from.
pub(crate) const PARENT: &str = "sf.graph.parent";
/// Time of the event or start of the flow.
pub(crate) const TS: &str = "sf.ts";
/// End of the flow.
pub(crate) const END: &str = "sf.endts";
/// Kind of the record.
pub(crate) const TYPE: &str = "sf.type";
/// Stream of the record.
pub(crate) const STREAM: &str = "raw.stream";
/// Number of the record in its stream.
pub(crate) const RECORD: &str = "raw.record";
/// Bits of the operations.
pub(crate) const OPS: &str = "raw.ops";
/// Flags of the open of a file flow.
pub(crate) const OPEN_FLAGS: &str = "raw.openflags";
/// Descriptor of a flow.
pub(crate) const FD: &str = "raw.fd";
/// Process, its ancestors, container, pod and header: see [`crate::subject`].
pub(crate) const SUBJECT: &str = "raw.subject";
/// What the path of the file does not say of it.
pub(crate) const FILE: &str = "raw.file";
/// The same of the new file of a link or rename.
pub(crate) const NEW_FILE: &str = "raw.newfile";
/// Alerts that the record raised, as a JSON array.
pub(crate) const ALERTS: &str = "raw.alerts";
/// Names of the rules that matched.
pub(crate) const RULES: &str = "sf.rules";
/// Tags of the rules that matched.
pub(crate) const TAGS: &str = "sf.tags";

/// Columns that are asked for single values and have a Bloom filter.
pub(crate) const BLOOM: &[&str] = &[GRAPH, PARENT, "sf.proc.oid", "sf.file.oid"];

/// Attributes that are columns as they are.
const ATTRIBUTES: &[&str] = &[
    TYPE,
    TS,
    END,
    GRAPH,
    PARENT,
    "sf.node.id",
    "sf.opflags",
    "sf.ret",
    "sf.proc.oid",
    "sf.proc.pid",
    "sf.proc.tid",
    "sf.proc.name",
    "sf.proc.exe",
    "sf.proc.cmdline",
    "sf.proc.uid",
    "sf.proc.user",
    "sf.pproc.pid",
    "sf.pproc.name",
    "sf.pproc.cmdline",
    "sf.container.id",
    "sf.container.name",
    "sf.container.image",
    "sf.pod.name",
    "sf.pod.namespace",
    "sf.event.args",
    "sf.file.oid",
    "sf.file.path",
    "sf.file.symlink",
    "sf.file.type",
    "sf.file.newoid",
    "sf.file.newpath",
    "sf.file.newsymlink",
    "sf.file.arg",
    "sf.net.proto",
    "sf.net.sip",
    "sf.net.sport",
    "sf.net.dip",
    "sf.net.dport",
    "sf.flow.opens",
    "sf.flow.rops",
    "sf.flow.rbytes",
    "sf.flow.wops",
    "sf.flow.wbytes",
    "sf.pf.nthreads",
    "sf.pf.nexits",
    "sf.pf.nerrors",
    "sf.ke.kind",
    "sf.ke.action",
    "sf.ke.message",
];

const RAW: &[Column] = &[
    Column { name: STREAM, form: Form::Text },
    Column { name: RECORD, form: Form::Int },
    Column { name: OPS, form: Form::Int },
    Column { name: OPEN_FLAGS, form: Form::Int },
    Column { name: FD, form: Form::Int },
    Column { name: SUBJECT, form: Form::Bytes },
    Column { name: FILE, form: Form::Bytes },
    Column { name: NEW_FILE, form: Form::Bytes },
    Column { name: ALERTS, form: Form::Text },
];

/// Where the value of a column comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Attr(&'static attr::Attr),
    Stateful(Stateful),
    Rules,
    Tags,
    Raw,
}

/// All columns, in the order of the files.
pub static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(|| sources().map(|(column, _)| column).collect());

pub(crate) static SOURCES: LazyLock<Vec<(Column, Source)>> = LazyLock::new(|| sources().collect());

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields: Vec<Field> =
        COLUMNS.iter().map(|column| Field::new(column.name, column.form.data_type(), true)).collect();
    Arc::new(Schema::new(fields))
});

fn sources() -> impl Iterator<Item = (Column, Source)> {
    let attributes = ATTRIBUTES.iter().filter_map(|name| attr::find(name)).map(|attr| {
        let form = match attr.value_type {
            attr::Type::Str | attr::Type::Json => Form::Text,
            attr::Type::StrList | attr::Type::IntList => Form::Texts,
            attr::Type::Int => Form::Int,
            attr::Type::Bool => Form::Bool,
        };
        (Column { name: attr.name, form }, Source::Attr(attr))
    });
    let stateful = Stateful::ALL.into_iter().map(|(name, attribute)| {
        let form = match attribute {
            Stateful::GraphTags | Stateful::ProcTags => Form::Texts,
            Stateful::NewExe | Stateful::NewEndpoint | Stateful::NewPort => Form::Bool,
            _ => Form::Int,
        };
        (Column { name, form }, Source::Stateful(attribute))
    });
    let judged = [
        (Column { name: RULES, form: Form::Texts }, Source::Rules),
        (Column { name: TAGS, form: Form::Texts }, Source::Tags),
    ];
    let raw = RAW.iter().map(|column| (*column, Source::Raw));
    attributes.chain(stateful).chain(judged).chain(raw)
}

/// Schema of the rows as they are read.
pub(crate) fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Schema of the rows while they are gathered or put together.
pub(crate) fn gathered_schema() -> SchemaRef {
    let fields: Vec<Field> =
        COLUMNS.iter().map(|column| Field::new(column.name, column.form.gathered_type(), true)).collect();
    Arc::new(Schema::new(fields))
}

fn dictionary(of: DataType) -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(of))
}

/// The column of this name.
pub(crate) fn find(name: &str) -> Option<Column> {
    COLUMNS.iter().copied().find(|column| column.name == name)
}

impl Form {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Texts => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
            Self::Int => DataType::Int64,
            Self::Bool => DataType::Boolean,
            Self::Bytes => dictionary(DataType::Binary),
        }
    }

    /// The type while rows are gathered or put together: values that repeat are held once.
    pub(crate) fn gathered_type(self) -> DataType {
        match self {
            Self::Text => dictionary(DataType::Utf8),
            other => other.data_type(),
        }
    }
}

impl Column {
    /// One line for people.
    pub fn doc(&self) -> &'static str {
        match self.name {
            STREAM => "stream of the record, 32 hex digits",
            RECORD => "number of the record in its stream",
            OPS => "operations, a bit each",
            OPEN_FLAGS => "flags of the open, a bit each",
            FD => "descriptor",
            SUBJECT | FILE | NEW_FILE => "what the record is restored from",
            ALERTS => "alerts that the record raised, as JSON",
            RULES => "rules that matched",
            TAGS => "tags of the rules that matched",
            name => {
                attr::find(name).map_or("what was seen before the record, as it was judged", |attr| attr.doc)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_exists_and_is_one_column() {
        assert!(ATTRIBUTES.iter().all(|name| attr::find(name).is_some()), "a column without an attribute");
        let mut names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(names.len(), ATTRIBUTES.len() + Stateful::ALL.len() + 2 + RAW.len());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COLUMNS.len());
        assert!(BLOOM.iter().all(|name| find(name).is_some()));
    }
}
