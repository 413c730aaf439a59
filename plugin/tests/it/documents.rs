//! The documents say what the plugin says of itself.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sysflow_replay::host::Plugin;

use crate::support::library;

#[test]
fn documents_list_the_fields() {
    let plugin = Plugin::load(&library()).unwrap();
    let mut table = String::from("| field | type | meaning |\n|---|---|---|\n");
    for field in plugin.fields() {
        let suggested =
            if field.add_output { " Falco adds it to every alert of a syscall rule." } else { "" };
        let list = if field.is_list { "list of " } else { "" };
        writeln!(table, "| `{}` | {list}{} | {}{suggested} |", field.name, field.kind, field.description)
            .unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/fields.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once("<!-- plugin fields:").unwrap();
    let (mark, rest) = rest.split_once('\n').unwrap();
    let (_, tail) = rest.split_once("<!-- end -->").unwrap();
    let want = format!("{head}<!-- plugin fields:{mark}\n{table}<!-- end -->{tail}");
    if std::env::var_os("SYSFLOW_UPDATE_DOCS").is_some() {
        fs::write(&path, want).unwrap();
        return;
    }
    assert!(
        text == want,
        "docs/fields.md is not current: SYSFLOW_UPDATE_DOCS=1 cargo test -p sysflow-plugin documents"
    );
}
