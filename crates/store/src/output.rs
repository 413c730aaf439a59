//! Answers as text: JSON lines, CSV, a table for people, and Arrow's stream for programs.
//!
//! Every text in a row comes from a monitored host: JSON and CSV escape it as they do, the table shows control
//! characters as `\u{…}`.

use std::io::Write;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::query::Answer;

/// Longest text of one cell of a table.
const MAX_CELL: usize = 60;

/// Columns of a table when a condition is asked.
const SHOWN: &[&str] = &[
    "sf.ts",
    "sf.type",
    "sf.opflags",
    "sf.proc.pid",
    "sf.proc.cmdline",
    "sf.file.path",
    "sf.net.dip",
    "sf.net.dport",
    "sf.container.name",
    "sf.rules",
    "sf.graphid",
];

/// One JSON object a row and line; what a row has no value for is left out.
pub fn json_lines(answer: &Answer, out: &mut dyn Write) -> std::io::Result<()> {
    for batch in &answer.rows {
        for at in 0..batch.num_rows() {
            let schema = batch.schema_ref();
            let cells = schema.fields().iter().zip(batch.columns()).filter(|(_, column)| column.is_valid(at));
            let row: Map<String, Value> =
                cells.map(|(field, column)| (field.name().clone(), value(column, at))).collect();
            serde_json::to_writer(&mut *out, &row)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// CSV with a line of names first (RFC 4180); lists have commas between their elements.
pub fn csv(answer: &Answer, out: &mut dyn Write) -> std::io::Result<()> {
    let names: Vec<_> = answer.schema.fields().iter().map(|field| quoted(field.name())).collect();
    writeln!(out, "{}", names.join(","))?;
    for batch in &answer.rows {
        for at in 0..batch.num_rows() {
            let cells: Vec<_> = batch.columns().iter().map(|column| quoted(&text(column, at))).collect();
            writeln!(out, "{}", cells.join(","))?;
        }
    }
    Ok(())
}

/// For people. `of_condition`: with the columns that tell most instead of all.
pub fn table(answer: &Answer, of_condition: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let at: Vec<usize> = if of_condition {
        SHOWN.iter().filter_map(|name| answer.schema.index_of(name).ok()).collect()
    } else {
        (0..answer.schema.fields().len()).collect()
    };
    let names: Vec<String> =
        at.iter().map(|at| shown(answer.schema.field(*at).name().trim_start_matches("sf."))).collect();
    let mut rows = vec![names];
    for batch in &answer.rows {
        for row in 0..batch.num_rows() {
            rows.push(
                at.iter()
                    .map(|at| cell(&answer.schema.field(*at).name()[..], batch.column(*at), row))
                    .collect(),
            );
        }
    }
    let mut widths = vec![0; at.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// The format of Arrow's IPC stream.
pub fn arrow_stream(answer: &Answer, out: &mut dyn Write) -> Result<()> {
    let mut writer = StreamWriter::try_new(out, &answer.schema)?;
    for batch in &answer.rows {
        writer.write(batch)?;
    }
    Ok(writer.finish()?)
}

impl Answer {
    /// Names and types of the columns, and the rows as lists of values, for JSON.
    pub fn values(&self) -> (Vec<(String, String)>, Vec<Vec<Value>>) {
        let columns = self
            .schema
            .fields()
            .iter()
            .map(|field| (field.name().clone(), type_name(field.data_type()).to_owned()))
            .collect();
        let rows = self.rows.iter().flat_map(|batch| {
            (0..batch.num_rows())
                .map(move |at| batch.columns().iter().map(|column| value(column, at)).collect::<Vec<_>>())
        });
        (columns, rows.collect())
    }

    /// Texts of one column, in the order of the rows; rows without one are left out.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for batch in &self.rows {
            let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
            let column = column.ok_or_else(|| Error::Question(format!("{name} is no text of the answer")))?;
            texts.extend(column.iter().flatten().map(str::to_owned));
        }
        Ok(texts)
    }
}

fn type_name(of: &DataType) -> &'static str {
    match of {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::List(_) | DataType::LargeList(_) => "list",
        DataType::Boolean => "boolean",
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "number",
        other if other.is_integer() => "number",
        DataType::Timestamp(..) => "time",
        _ => "other",
    }
}

/// A value as JSON. Numbers beyond what JavaScript holds are texts, as in all other answers of this program.
fn value(column: &ArrayRef, at: usize) -> Value {
    const EXACT: i64 = 1 << 53;
    if column.is_null(at) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int64 => {
            let number = column.as_primitive::<Int64Type>().value(at);
            if number.unsigned_abs() > EXACT as u64 {
                Value::from(number.to_string())
            } else {
                Value::from(number)
            }
        }
        DataType::Boolean => Value::from(column.as_boolean().value(at)),
        DataType::Float64 => {
            Value::from(column.as_primitive::<datafusion::arrow::datatypes::Float64Type>().value(at))
        }
        DataType::Utf8 => Value::from(column.as_string::<i32>().value(at)),
        DataType::List(_) => {
            let list = column.as_list::<i32>().value(at);
            (0..list.len()).map(|at| value(&list, at)).collect()
        }
        _ => {
            let shown = text(column, at);
            shown
                .parse::<i64>()
                .ok()
                .filter(|n| n.unsigned_abs() <= EXACT as u64)
                .map_or(Value::from(shown), Value::from)
        }
    }
}

fn text(column: &ArrayRef, at: usize) -> String {
    if column.is_null(at) {
        return String::new();
    }
    if let Some(lists) = column.as_list_opt::<i32>() {
        let list = lists.value(at);
        return (0..list.len()).map(|at| text(&list, at)).collect::<Vec<_>>().join(",");
    }
    let options = FormatOptions::default();
    ArrayFormatter::try_new(column.as_ref(), &options)
        .map(|cells| cells.value(at).to_string())
        .unwrap_or_default()
}

fn quoted(text: &str) -> String {
    // A spreadsheet takes what begins so for a formula.
    let text = match text.as_bytes().first() {
        Some(b'=' | b'+' | b'@' | b'\t' | b'\r') => format!("'{text}"),
        _ => text.to_owned(),
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn cell(name: &str, column: &ArrayRef, at: usize) -> String {
    if name == "sf.ts"
        && column.is_valid(at)
        && let Some(ts) = column.as_primitive_opt::<Int64Type>()
    {
        return sysflow::time::Rfc3339(ts.value(at)).to_string();
    }
    shown(&text(column, at))
}

fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count >= MAX_CELL {
            out.push('…');
            break;
        }
        if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}
