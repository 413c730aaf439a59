//! `sysflow rules test` and `sysflow rules explain`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sysflow::Writer;
use sysflow::file::Options;

use crate::records::{self, RULES};

/// The first and the second of the story's matches in sf-processor's language.
const POLICY: &str = "
- list: shells
  items: [bash, sh]
- rule: Shell
  desc: a shell: one
   condition: sf.opflags = EXEC and sf.proc.name in (shells)
  priority: medium
  tags: [mitre:T1059]
- rule: Nothing
  desc: nothing
  condition: sf.opflags = EXEC and sf.proc.name = zsh and not sf.proc.tty = true
  prefilter: [PE]
";

struct Files {
    dir: tempfile::TempDir,
    trace: String,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("story.sf");
        let mut writer = Writer::create(&path, &Options::default()).unwrap();
        for record in records::story() {
            writer.write(&record).unwrap();
        }
        writer.finish().unwrap();
        Self { trace: path.display().to_string(), dir }
    }

    fn rules(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn run(arguments: &[&str], stdin: Option<&Path>) -> Output {
    let stdin = stdin.map_or(Stdio::null(), |path| std::fs::File::open(path).unwrap().into());
    let mut command = Command::new(env!("CARGO_BIN_EXE_sysflow"));
    command.env_remove("SYSFLOW_LOG").env_remove("SYSFLOW_CONFIG").args(arguments).stdin(stdin);
    command.output().unwrap()
}

#[track_caller]
fn lines(output: &Output) -> Vec<Value> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let stdout = std::str::from_utf8(&output.stdout).unwrap();
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_match_is_a_line() {
    let files = Files::new();
    let falco = files.rules("falco.yaml", RULES);
    let found = lines(&run(&["rules", "test", &falco, &files.trace, "-o", "json"], None));
    let names: Vec<_> = found.iter().map(|line| (line["i"].clone(), line["rule"].clone())).collect();
    assert_eq!(
        names,
        [
            (json!(0), json!("Shell of a server")),
            (json!(1), json!("Secret read")),
            (json!(2), json!("Call home"))
        ]
    );
    assert_eq!(found[0]["ts"], json!(records::START + 1));
    assert_eq!(found[0]["type"], "PE");
    assert_eq!(found[0]["priority"], "Warning");
    assert_eq!(found[0]["tags"], json!(["T1059.004", "mitre_execution"]));
    assert_eq!(found[0].as_object().map(serde_json::Map::len), Some(6));

    // Both languages, and the trace on standard input.
    let sf = files.rules("sf.yml", POLICY);
    let trace = Path::new(&files.trace);
    let both = lines(&run(&["rules", "test", "-o", "json", &falco, &sf, "-"], Some(trace)));
    assert_eq!(both.len(), 4);
    let shell = json!({ "i": 0, "ts": records::START + 1, "type": "PE", "rule": "Shell", "priority": "Warning",
        "tags": ["mitre:T1059"] });
    assert_eq!(both[1], shell);

    // Two traces are counted and named each on its own.
    let twice = lines(&run(&["rules", "test", "-o", "json", &sf, &files.trace, &files.trace], None));
    assert_eq!(
        twice,
        [0, 1].map(|_| {
            let mut line = shell.clone();
            line["trace"] = files.trace.as_str().into();
            line
        })
    );

    let table = run(&["rules", "test", &sf, &files.trace], None);
    let table = String::from_utf8(table.stdout).unwrap();
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["I", "TYPE", "PRIORITY", "RULE", "TAGS", "PROCESS"]);
    assert_eq!(rows[1][..5], ["0", "PE", "Warning", "Shell", "mitre:T1059"]);
    assert_eq!(rows.len(), 2);
}

#[test]
fn wrong_input_has_its_status() {
    let files = Files::new();
    let good = files.rules("good.yaml", POLICY);
    let broken = files.rules("broken.yaml", "- drop: a\n  condition: (sf.type = PE\n");
    let torn = files.rules("torn.sf", "Obj\u{1}");
    for (arguments, status, says) in [
        (vec!["rules", "test", &good], 2, "no trace"),
        (vec!["rules", "test", &files.trace], 2, "no rules"),
        (vec!["rules", "test", &broken, &files.trace], 1, "broken.yaml:2"),
        (vec!["rules", "test", &good, &torn], 1, "torn.sf"),
        (vec!["rules", "test", &good, "nothing.sf"], 1, "nothing.sf"),
        (vec!["rules", "test", "--language", "falco", &good, &files.trace], 1, "good.yaml"),
        (vec!["rules", "explain", "-r", &good, "Shel", &files.trace], 2, "did you mean \"Shell\""),
        (vec!["rules", "explain", "-r", &good, "Shell", &files.trace, "--at", "3"], 2, "has 3 events"),
    ] {
        let output = run(&arguments, None);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{stderr}");
        assert!(stderr.contains(says) && !stderr.contains("panicked"), "{arguments:?}\n{stderr}");
    }
}

#[test]
fn a_match_is_explained() {
    let files = Files::new();
    let rules = files.rules("sf.yaml", POLICY);
    let told = lines(&run(&["rules", "explain", "-r", &rules, "Shell", &files.trace, "-o", "json"], None));
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0]["condition"],
        json!({ "holds": true, "all": [
            { "question": "sf.opflags = EXEC", "value": "EXEC", "holds": true },
            { "question": "sf.proc.name in (bash, sh)", "value": "sh", "holds": true },
        ]})
    );
    let text = run(&["rules", "explain", "-r", &rules, "Shell", &files.trace], None);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("matches 1 of 3 events and flows"), "{text}");
    assert!(text.contains("    + sf.proc.name in (bash, sh)   is sh\n"), "{text}");
}

#[test]
fn a_miss_is_explained() {
    let files = Files::new();
    let rules = files.rules("sf.yaml", POLICY);
    let text = run(&["rules", "explain", "-r", &rules, "Nothing", &files.trace], None);
    let text = String::from_utf8(text.stdout).unwrap();
    for part in [
        "matches 0 of 3 events and flows\n",
        "         1 are of its kinds (PE)\n",
        "         1 of these: sf.opflags = EXEC\n",
        "         0 of these: sf.proc.name = zsh\n",
        "closest comes event or flow 0\n",
        "  - all of\n",
        "    - sf.proc.name = zsh   is sh\n",
        "    + not\n      - sf.proc.tty = true   is false\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let other = lines(&run(
        &["rules", "explain", "-r", &rules, "Nothing", &files.trace, "--at", "2", "-o", "json"],
        None,
    ));
    assert_eq!((&other[0]["wrong_kind"], &other[0]["matches"]), (&json!(true), &json!(false)));
}
