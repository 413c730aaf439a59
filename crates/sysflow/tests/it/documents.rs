//! The documents say what the code says.

use std::fs;
use std::path::Path;

#[test]
fn documents_list_the_attributes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fields.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once("<!-- attributes:").unwrap();
    let (mark, rest) = rest.split_once('\n').unwrap();
    let (_, tail) = rest.split_once("<!-- end -->").unwrap();
    let want = format!("{head}<!-- attributes:{mark}\n{}<!-- end -->{tail}", sysflow::docs::fields_table());
    if std::env::var_os("SYSFLOW_UPDATE_DOCS").is_some() {
        fs::write(&path, want).unwrap();
        return;
    }
    assert!(
        text == want,
        "docs/fields.md is not current: SYSFLOW_UPDATE_DOCS=1 cargo test -p sysflow documents"
    );
}
