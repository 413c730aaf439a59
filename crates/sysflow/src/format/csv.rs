//! Comma-separated values, a column an attribute.

use std::fmt::Write as _;

use crate::attr::Attr;
use crate::entities::Joined;

/// The line of column names.
pub fn header(columns: &[&Attr]) -> String {
    line(columns.iter().map(|attr| attr.name.to_owned()))
}

/// One record; what has no value is empty, and the items of a list stand in one field with commas between.
pub fn row(r: &Joined<'_>, columns: &[&Attr]) -> String {
    line(columns.iter().map(|attr| attr.value(r).to_string()))
}

fn line(fields: impl Iterator<Item = String>) -> String {
    let mut line = String::new();
    for (i, field) in fields.enumerate() {
        if i > 0 {
            line.push(',');
        }
        if field.contains(['"', ',', '\n', '\r']) {
            write!(line, "\"{}\"", field.replace('"', "\"\"")).expect("writing to a String cannot fail");
        } else {
            line.push_str(&field);
        }
    }
    line
}
