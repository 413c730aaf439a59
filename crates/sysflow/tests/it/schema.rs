//! The schemas are those that SysFlow's collector writes and that its readers bear.

use serde_json::Value;
use sysflow::Schema;

use crate::shared::shared;

#[test]
fn v5_is_what_the_collector_writes() {
    let Some(path) = shared("data/golden/header-schema-v5.json") else { return };
    let golden = std::fs::read_to_string(path).unwrap();
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parse(&Schema::V5.json()), parse(&golden));
    assert_eq!(Schema::V5.json(), golden.trim_end(), "even to the byte");
}

#[test]
fn extended_only_appends_fields_with_defaults() {
    let v5: Value = serde_json::from_str(&Schema::V5.json()).unwrap();
    let extended: Value = serde_json::from_str(&Schema::Extended.json()).unwrap();
    let branches = |schema: &Value| schema["fields"][0]["type"].as_array().unwrap().clone();
    assert_eq!(branches(&v5).len(), branches(&extended).len(), "no branch more");
    let mut appended = Vec::new();
    for (old, new) in branches(&v5).iter().zip(&branches(&extended)) {
        assert_eq!(old["name"], new["name"]);
        let (old, new) = (old["fields"].as_array().unwrap(), new["fields"].as_array().unwrap());
        assert_eq!(old[..], new[..old.len()], "what v5 has is as it was");
        appended.extend(
            new[old.len()..].iter().map(|f| format!("{} {}", f["name"].as_str().unwrap(), f["default"])),
        );
    }
    assert_eq!(
        appended,
        [
            "lostEvents 0",
            "lostRecords 0",
            "lostFrom 0",
            "lostTo 0",
            r#"lostCause """#,
            r#"graphId """#,
            r#"parentGraphId """#,
            "sid -1",
            "vpid -1",
            "loginuid -1",
            "ttyNr 0",
            "capEffective 0",
            "exeFlags 0",
            "exeIno 0",
            "exeCtime 0",
            "sip6 null",
            "dip6 null",
            "numOpens 1",
            r#"arg """#,
        ]
    );
}

#[test]
fn names_in_configuration() {
    assert_eq!("v5".parse::<Schema>().unwrap(), Schema::V5);
    assert_eq!("extended".parse::<Schema>().unwrap(), Schema::Extended);
    let error = "v4".parse::<Schema>().unwrap_err().to_string();
    assert_eq!(error, "unusable writer schema: 'v4' is not a schema that can be written; use v5 or extended");
}
