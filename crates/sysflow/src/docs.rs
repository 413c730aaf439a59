//! Reference documentation, made from the tables that the programs run on.

use std::fmt::Write as _;

use crate::attr::ATTRS;
use crate::record::Kind;

/// All attributes as a table in Markdown.
pub fn fields_table() -> String {
    let mut table = String::from("| field | type | records | meaning |\n|---|---|---|---|\n");
    for attr in ATTRS {
        let kinds: Vec<_> = if attr.kinds.len() == Kind::ALL.len() {
            vec!["all"]
        } else {
            attr.kinds.iter().map(|kind| kind.as_str()).collect()
        };
        let (name, value_type, doc) = (attr.name, attr.value_type.as_str(), attr.doc.replace('|', "\\|"));
        writeln!(table, "| `{name}` | {value_type} | {} | {doc} |", kinds.join(" "))
            .expect("writing to a String cannot fail");
    }
    table
}
