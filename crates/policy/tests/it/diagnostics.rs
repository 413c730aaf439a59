//! What people see when a text is wrong: the words, the place, the advice.

use sysflow_policy::{Condition, RuleSet, Source};

#[track_caller]
fn condition(text: &str, expected: &str) {
    let error = Condition::parse(text).expect_err("this condition is wrong");
    assert_eq!(error.to_string().trim_end(), expected.trim_matches('\n'), "\n{error}");
}

#[track_caller]
fn rules(text: &str, expected: &str) {
    let shown = match RuleSet::load(&[Source::new("r.yaml", text)]) {
        Err(error) => error.to_string(),
        Ok((_, warnings)) => warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    };
    assert_eq!(shown.trim_end(), expected.trim_matches('\n'), "\n{shown}");
}

#[test]
fn a_misspelt_field() {
    condition(
        "sf.type = PE and sf.proc.exx = /bin/sh",
        "
error: there is no field `sf.proc.exx`
 --> condition:1:18
  |
1 | sf.type = PE and sf.proc.exx = /bin/sh
  |                  ^^^^^^^^^^^ did you mean `sf.proc.exe`?",
    );
    condition(
        "proc.nmae = sh",
        "
error: there is no field `proc.nmae`
 --> condition:1:1
  |
1 | proc.nmae = sh
  | ^^^^^^^^^ did you mean `proc.name`?",
    );
}

#[test]
fn a_field_that_no_record_answers() {
    condition(
        "fd.sip.name = example.com",
        "
error: no record can answer `fd.sip.name`
 --> condition:1:1
  |
1 | fd.sip.name = example.com
  | ^^^^^^^^^^^
  = addresses are not looked up",
    );
}

#[test]
fn grammar() {
    condition(
        "sf.proc.name = sh adn sf.type = PE",
        "
error: expected `and` or `or`, found `adn`
 --> condition:1:19
  |
1 | sf.proc.name = sh adn sf.type = PE
  |                   ^^^ did you mean `and`?",
    );
    condition(
        "(sf.type = PE and (sf.ret = 0)",
        "
error: this `(` is not closed
 --> condition:1:1
  |
1 | (sf.type = PE and (sf.ret = 0)
  | ^",
    );
    condition(
        "sf.type = PE)",
        "
error: this `)` closes nothing
 --> condition:1:13
  |
1 | sf.type = PE)
  |             ^",
    );
    condition(
        "sf.proc.name = \"sh",
        "
error: this quote is not closed
 --> condition:1:16
  |
1 | sf.proc.name = \"sh
  |                ^",
    );
    condition(
        "sf.proc.name startwith s",
        "
error: expected an operator after `sf.proc.name`, found `startwith`
 --> condition:1:14
  |
1 | sf.proc.name startwith s
  |              ^^^^^^^^^ did you mean `startswith`?",
    );
    condition(
        "sf.proc.name = (a, b)",
        "
error: `=` takes one value, not a list
 --> condition:1:14
  |
1 | sf.proc.name = (a, b)
  |              ^ use `in`",
    );
    condition(
        "sf.proc.name in (a b)",
        "
error: expected `,` or `)`, found `b`
 --> condition:1:20
  |
1 | sf.proc.name in (a b)
  |                    ^",
    );
    condition(
        "",
        "
error: this condition is empty
 --> condition:1:1
  |
1 |
  | ^",
    );
    condition(
        "sf.type = PE and",
        "
error: expected a field, a macro, `not` or `(`, found the end
 --> condition:1:16
  |
1 | sf.type = PE and
  |                ^",
    );
}

#[test]
fn types() {
    condition(
        "sf.proc.uid = root",
        "
error: `sf.proc.uid` is a number, and `root` is not
 --> condition:1:15
  |
1 | sf.proc.uid = root
  |               ^^^^",
    );
    condition(
        "sf.proc.uid contains 1",
        "
error: `contains` compares texts, and `sf.proc.uid` is a number
 --> condition:1:13
  |
1 | sf.proc.uid contains 1
  |             ^^^^^^^^",
    );
    condition(
        "sf.proc.name > 1",
        "
error: `>` compares numbers, and `sf.proc.name` is text
 --> condition:1:14
  |
1 | sf.proc.name > 1
  |              ^",
    );
    condition(
        "fd.snet in (10.0.0.0/33)",
        "
error: `fd.snet` is an IP address, and `10.0.0.0/33` is not
 --> condition:1:13
  |
1 | fd.snet in (10.0.0.0/33)
  |             ^^^^^^^^^^^",
    );
    condition(
        "sf.opflags = exec",
        "
error: there is no operation `exec`
 --> condition:1:14
  |
1 | sf.opflags = exec
  |              ^^^^ did you mean `EXEC`?",
    );
    condition(
        "sf.type = XX",
        "
error: `XX` is no kind of event or flow
 --> condition:1:11
  |
1 | sf.type = XX
  |           ^^ one of PE, NF, FF, FE, NE, PF, KE",
    );
    condition(
        "sf.proc.name regex 'a('",
        "
error: this is no regular expression: unclosed group
 --> condition:1:20
  |
1 | sf.proc.name regex 'a('
  |                    ^^^^",
    );
}

#[test]
fn functions() {
    condition(
        "lower(sf.proc.name) = sh",
        "
error: there is no function `lower`
 --> condition:1:1
  |
1 | lower(sf.proc.name) = sh
  | ^^^^^ one of tolower, toupper, basename, len, b64, join, concat, getopt, val",
    );
    condition(
        "toupper(sf.proc.uid) = 1",
        "
error: `toupper` takes text, and `sf.proc.uid` is a number
 --> condition:1:9
  |
1 | toupper(sf.proc.uid) = 1
  |         ^^^^^^^^^^^",
    );
    condition(
        "join('-', proc.name) = x",
        "
error: `join` takes a separator and a list
 --> condition:1:1
  |
1 | join('-', proc.name) = x
  | ^^^^^^^^^^^^^^^^^^^^",
    );
    condition(
        "concat('-') = x",
        "
error: `concat` takes two values or more
 --> condition:1:1
  |
1 | concat('-') = x
  | ^^^^^^",
    );
    condition(
        "getopt(proc.args, 'x')[yy] = x",
        "
error: `getopt(…)[…]` takes the letter of one option
 --> condition:1:1
  |
1 | getopt(proc.args, 'x')[yy] = x
  | ^^^^^^",
    );
    condition(
        "join('-', (proc.nam, 'x')) = x",
        "
error: there is no field `proc.nam`
 --> condition:1:12
  |
1 | join('-', (proc.nam, 'x')) = x
  |            ^^^^^^^^ did you mean `proc.name`?",
    );
    condition(
        "proc.name startswith (a, b)",
        "
error: `startswith` takes one value, not a list
 --> condition:1:11
  |
1 | proc.name startswith (a, b)
  |           ^^^^^^^^^^ `startswith anyof`, `oneof` and `allof` do",
    );
    condition(
        "sf.proc.name = val(sf.pproc.name",
        "
error: this `(` is not closed
 --> condition:1:19
  |
1 | sf.proc.name = val(sf.pproc.name
  |                   ^",
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let error = Condition::parse("sf.a = 1 and (sf.proc.uid = x or sf.b exists) and nothing").unwrap_err();
    let lines: Vec<_> = error.iter().map(|d| (d.line, d.column, d.message.as_str())).collect();
    assert_eq!(
        lines,
        [
            (1, 1, "there is no field `sf.a`"),
            (1, 29, "`sf.proc.uid` is a number, and `x` is not"),
            (1, 34, "there is no field `sf.b`"),
            (1, 51, "there is no macro `nothing`"),
        ]
    );
}

#[test]
fn places_in_folded_quoted_and_plain_yaml() {
    rules(
        "- macro: a\n  condition: >\n    sf.type = PE and\n      sf.proc.exx = sh\n",
        "
error: there is no field `sf.proc.exx`
 --> r.yaml:4:7
  |
4 |       sf.proc.exx = sh
  |       ^^^^^^^^^^^ did you mean `sf.proc.exe`?",
    );
    rules(
        "- macro: a\n  condition: \"sf.proc.name = \\\"a b\\\" and sf.proc.exx = sh\"\n",
        "
error: there is no field `sf.proc.exx`
 --> r.yaml:2:42
  |
2 |   condition: \"sf.proc.name = \\\"a b\\\" and sf.proc.exx = sh\"
  |                                          ^^^^^^^^^^^ did you mean `sf.proc.exe`?",
    );
    rules(
        "# ein Kommentar: über\n- macro: a\n  condition: sf.proc.name = ä\n    and sf.proc.exx = ö\n",
        "
error: there is no field `sf.proc.exx`
 --> r.yaml:4:9
  |
4 |     and sf.proc.exx = ö
  |         ^^^^^^^^^^^ did you mean `sf.proc.exe`?",
    );
    rules(
        "- macro: a\n  condition: |\n    sf.type = PE\n\n    and sf.ret = x\n",
        "
error: `sf.ret` is a number, and `x` is not
 --> r.yaml:5:18
  |
5 |     and sf.ret = x
  |                  ^",
    );
}

#[test]
fn macros_and_lists() {
    rules(
        "- macro: shells\n  condition: sf.proc.name = sh\n- macro: b\n  condition: sf.type = PE and shell\n",
        "
error: there is no macro `shell`
 --> r.yaml:4:31
  |
4 |   condition: sf.type = PE and shell
  |                               ^^^^^ did you mean `shells`?",
    );
    rules(
        "- list: shells\n  items: [sh]\n- macro: b\n  condition: shells\n",
        "
error: there is no macro `shells`
 --> r.yaml:4:14
  |
4 |   condition: shells
  |              ^^^^^^ `shells` is a list: write `field in (shells)`",
    );
    rules(
        "- macro: a\n  condition: b\n- macro: b\n  condition: not a\n",
        "
error: macro `a` contains itself
 --> r.yaml:1:10
  |
1 | - macro: a
  |          ^",
    );
    rules(
        "- list: a\n  items: [b]\n- list: b\n  items: [a]\n- macro: m\n  condition: sf.proc.name in (a)\n",
        "
error: this list contains itself: `a` in `b` in `a`
 --> r.yaml:1:9
  |
1 | - list: a
  |         ^",
    );
}

#[test]
fn files() {
    rules(
        "- rule: r\n  desc: d\n  condtion: sf.type = PE\n  output: o\n  priority: warn\n",
        "
error: `warn` is no priority
 --> r.yaml:5:13
  |
5 |   priority: warn
  |             ^^^^ one of Debug, Informational, Notice, Warning, Error, Critical, Alert, Emergency

warning: a rule has no key `condtion`: it is ignored
 --> r.yaml:3:3
  |
3 |   condtion: sf.type = PE
  |   ^^^^^^^^ did you mean `condition`?

error: rule `r` has no `condition`
 --> r.yaml:1:9
  |
1 | - rule: r
  |         ^",
    );
    rules(
        "- rules: r\n",
        "
error: this entry is no `rule`, `macro` or `list`
 --> r.yaml:1:3
  |
1 | - rules: r
  |   ^^^^^^^^ did you mean `rule`?",
    );
    rules(
        "rule: r\n",
        "
error: a rules file is a list of rules, macros and lists, found a mapping
 --> r.yaml:1:1
  |
1 | rule: r
  | ^^^^^^^",
    );
    rules(
        "- macro: a\n\tcondition: b\n",
        "
error: not valid YAML: while scanning a plain scalar, found a tab
 --> r.yaml:2:1
  |
2 |  condition: b
  | ^",
    );
}

#[test]
fn outputs() {
    rules(
        "- rule: r\n  desc: d\n  condition: sf.type = PE\n  output: x %proc.nam\n  priority: INFO\n",
        "
error: the output of rule `r` names no field: `%proc.nam`
 --> r.yaml:4:13
  |
4 |   output: x %proc.nam
  |             ^^^^^^^^^ did you mean `proc.name`?",
    );
}

#[test]
fn rules_that_cannot_run_are_told_and_left_out() {
    rules(
        "- macro: far\n  condition: fd.sip.name = x\n- rule: r\n  desc: d\n  condition: sf.type = NF and far\n  output: o\n  priority: INFO\n",
        "
warning: rule `r` cannot run: no record can answer `fd.sip.name`
 --> r.yaml:2:14
  |
2 |   condition: fd.sip.name = x
  |              ^^^^^^^^^^^
  = fd.sip.name: addresses are not looked up",
    );
    rules(
        "- rule: r\n  desc: d\n  condition: evt.type = dup\n  output: o\n  priority: INFO\n",
        "
warning: rule `r` cannot run: no record can satisfy its condition
 --> r.yaml:1:9
  |
1 | - rule: r
  |         ^
  = `dup`: system calls that are not recorded",
    );
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let text = format!("sf.proc.name in ({}) and sf.nope = 1", "x,".repeat(500));
    let error = Condition::parse(&text).unwrap_err();
    let shown = error.to_string();
    assert!(shown.lines().all(|line| line.len() < 200), "{shown}");
    let lines: Vec<_> = shown.lines().collect();
    let caret = lines[4].find('^').unwrap();
    assert_eq!(&lines[3][caret..caret + 7], "sf.nope");
}

#[test]
fn terminal_controls_in_a_text_are_shown_as_such() {
    let error = Condition::parse("sf.x = \u{1b}[2J").unwrap_err().to_string();
    assert!(!error.contains('\u{1b}'), "{error}");
    let error = RuleSet::load(&[Source::new("a\u{1b}[0m.yaml", "- macro: \u{7}\n")]).unwrap_err().to_string();
    assert!(!error.contains(['\u{1b}', '\u{7}']), "{error}");
}

#[test]
fn bytes_that_are_no_text_have_a_place() {
    let error = Source::from_bytes("r.yaml", b"- macro: a\n  condition: \xff\n".to_vec()).unwrap_err();
    let first = error.iter().next().unwrap();
    assert_eq!((first.line, first.column), (2, 14));
    assert_eq!(first.message, "the file is not UTF-8 text");
}
