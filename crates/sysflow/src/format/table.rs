//! A table for terminals: a line a record, columns of fixed width, the last one as long as it is.

use super::terminal::printable;
use crate::attr::{Attr, Value, find};
use crate::entities::Joined;
use crate::record::Record;
use crate::time::Rfc3339;

/// What to show, from left to right.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    title: &'static str,
    width: usize,
    content: Content,
}

#[derive(Clone, Copy, Debug)]
enum Content {
    /// Time of the record, for people.
    Time,
    /// What it was done to: path, both paths of a rename, or both endpoints.
    Resource,
    Attr(&'static Attr),
}

/// Shown when nothing else is asked for.
const DEFAULT: [(&str, usize, Option<&str>); 9] = [
    ("TIME", 24, None),
    ("TYPE", 4, Some("sf.type")),
    ("PID", 7, Some("sf.proc.pid")),
    ("USER", 10, Some("sf.proc.user")),
    ("CONTAINER", 12, Some("sf.container.id")),
    ("PROCESS", 32, Some("sf.proc.cmdline")),
    ("OPERATIONS", 24, Some("sf.opflags")),
    ("READ", 8, Some("sf.flow.rbytes")),
    ("WRITTEN", 8, Some("sf.flow.wbytes")),
];

impl Default for Table {
    fn default() -> Self {
        let column = |&(title, width, name): &(&'static str, usize, Option<&str>)| Column {
            title,
            width,
            content: name.and_then(find).map_or(Content::Time, Content::Attr),
        };
        let mut columns: Vec<Column> = DEFAULT.iter().map(column).collect();
        columns.push(Column { title: "RESOURCE", width: 0, content: Content::Resource });
        Self { columns }
    }
}

impl Table {
    /// A table of these attributes.
    pub fn new(columns: &[&'static Attr]) -> Self {
        let column = |attr: &&'static Attr| {
            let room = match attr.value_type {
                crate::attr::Type::Bool => 5,
                crate::attr::Type::Int | crate::attr::Type::IntList => 19,
                _ => 24,
            };
            Column { title: attr.name, width: room.max(attr.name.len()), content: Content::Attr(attr) }
        };
        Self { columns: columns.iter().map(column).collect() }
    }

    /// The line of titles.
    pub fn header(&self) -> String {
        self.line(|column| column.title.to_owned())
    }

    /// The line of a record. Whatever the monitored host called its files, it is one line of plain characters.
    pub fn row(&self, r: &Joined<'_>) -> String {
        self.line(|column| match column.content {
            Content::Time => {
                r.record.ts().map(|ts| Rfc3339(ts / 1000 * 1000).to_string()).unwrap_or_default()
            }
            Content::Resource => resource(r),
            Content::Attr(attr) => attr.value(r).to_string(),
        })
    }

    fn line(&self, text: impl Fn(&Column) -> String) -> String {
        let mut line = String::new();
        let last = self.columns.len().saturating_sub(1);
        for (i, column) in self.columns.iter().enumerate() {
            let text = text(column);
            let text = printable(&text);
            if i == last {
                line.push_str(&text);
            } else {
                fit(&text, column.width, &mut line);
                line.push(' ');
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Appends `text` with exactly `width` characters.
fn fit(text: &str, width: usize, line: &mut String) {
    let length = text.chars().count();
    if length <= width {
        line.push_str(text);
        line.extend(std::iter::repeat_n(' ', width - length));
    } else {
        line.extend(text.chars().take(width - 1));
        line.push('…');
    }
}

fn resource(r: &Joined<'_>) -> String {
    let text = |name| find(name).map_or(Value::Absent, |attr| attr.value(r)).to_string();
    match r.record {
        Record::NetworkFlow(_) | Record::NetworkEvent(_) => {
            let [sip, sport, dip, dport] =
                ["sf.net.sip", "sf.net.sport", "sf.net.dip", "sf.net.dport"].map(text);
            format!("{}:{sport} → {}:{dport}", bracketed(sip), bracketed(dip))
        }
        Record::FileFlow(_) => text("sf.file.path"),
        Record::FileEvent(event) => {
            let path = match event.new_file_oid {
                Some(_) => format!("{} → {}", text("sf.file.path"), text("sf.file.newpath")),
                None => text("sf.file.path"),
            };
            let details = [event.arg.clone(), failure(event.ret)];
            details
                .into_iter()
                .filter(|detail| !detail.is_empty())
                .fold(path, |all, detail| format!("{all} {detail}"))
        }
        Record::ProcessEvent(event) => {
            let failed = failure(event.ret);
            [event.args.join(" "), failed].join(" ").trim().to_owned()
        }
        Record::K8sEvent(_) => format!("{} {}", text("sf.ke.kind"), text("sf.ke.action")),
        _ => String::new(),
    }
}

fn bracketed(ip: String) -> String {
    if ip.contains(':') { format!("[{ip}]") } else { ip }
}

fn failure(ret: i32) -> String {
    if ret < 0 { format!("({ret})") } else { String::new() }
}
