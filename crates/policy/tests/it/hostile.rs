//! Texts from strangers: bounded time and memory, never a panic.

use std::{fmt::Write as _, time::Duration};

use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use sysflow_policy::{Condition, RuleSet, Source};

use crate::{repository, scene::Scene};

#[path = "../../fuzz/body.rs"]
mod body;

/// Runs `load` and asserts that it takes no longer than a patient user.
#[track_caller]
fn bounded<T>(load: impl FnOnce() -> T) -> T {
    // Its own, however busy the machine is.
    let clock = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let start = clock();
    let result = load();
    let took = clock().saturating_sub(start);
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    result
}

fn load(text: impl Into<String>) -> Result<(), String> {
    match RuleSet::load(&[Source::new("t.yaml", text.into())]) {
        Ok(_) => Ok(()),
        Err(error) => {
            // Every message can be shown, and has a place.
            assert!(error.iter().all(|d| d.line > 0 && d.column > 0 && d.width > 0));
            Err(error.to_string())
        }
    }
}

#[test]
fn deep_nesting_of_conditions() {
    for text in [
        "(".repeat(1 << 20),
        "not ".repeat(1 << 18),
        "not(".repeat(1 << 18),
        "a and (".repeat(1 << 17),
        "tolower(".repeat(1 << 17),
    ] {
        let error = bounded(|| Condition::parse(&text)).unwrap_err();
        assert_eq!(error.len(), 1);
    }
    let nested = |depth: usize| format!("{}sf.ret = 0{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Condition::parse(&nested(100)).is_ok());
    assert!(Condition::parse(&nested(101)).unwrap_err().to_string().contains("nested deeper than 100"));
    let not = format!("{}sf.ret = 0", "not ".repeat(200_001));
    assert!(Condition::parse(&not).is_ok());
}

#[test]
fn deep_nesting_of_yaml() {
    for text in ["[".repeat(1 << 20), "- ".repeat(1 << 18), "{a: ".repeat(1 << 18), "? ".repeat(1 << 16)] {
        assert!(bounded(|| load(text)).is_err());
    }
}

#[test]
fn aliases_cannot_explode() {
    let mut text = String::from("- &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        writeln!(text, "- &a{level} [{}]", vec![format!("*a{}", level - 1); 10].join(", "))
            .expect("a String takes all");
    }
    let error = bounded(|| load(text)).unwrap_err();
    assert!(error.contains("aliases stand for more than"), "{error}");
}

#[test]
fn macros_and_lists_cannot_explode() {
    let rule = |condition: &str| {
        format!("- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: info\n")
    };
    // 2^60 atoms when written out; one graph when shared.
    let mut text = String::from("- macro: m0\n  condition: sf.ret = 0\n");
    for level in 1..60 {
        write!(text, "- macro: m{level}\n  condition: m{0} and (sf.ret = {level} or not m{0})\n", level - 1)
            .expect("a String takes all");
    }
    text += &rule("m59");
    assert_eq!(bounded(|| load(text)), Ok(()));
    let mut text = String::from("- list: l0\n  items: [a, b]\n");
    for level in 1..60 {
        write!(text, "- list: l{level}\n  items: [l{0}, l{0}, x{level}]\n", level - 1)
            .expect("a String takes all");
    }
    text += &rule("sf.proc.name in (l59)");
    assert_eq!(bounded(|| load(text)), Ok(()));
    // A chain of macros, each inside the next.
    let mut text = String::from("- macro: m0\n  condition: sf.ret = 0\n");
    for level in 1..5_000 {
        write!(text, "- macro: m{level}\n  condition: not (m{} and sf.ret = {level})\n", level - 1)
            .expect("a String takes all");
    }
    let error = bounded(|| load(text.clone() + &rule("m4999"))).unwrap_err();
    assert!(error.contains("nested deeper than"), "{error}");
    let mut text = String::new();
    for level in 0..5_000 {
        write!(text, "- list: l{level}\n  items: [l{}]\n", level + 1).expect("a String takes all");
    }
    let error = bounded(|| load(text + &rule("sf.proc.name in (l0)"))).unwrap_err();
    assert!(error.contains("nested deeper than"), "{error}");
}

#[test]
fn ten_megabytes_of_yaml() {
    let rule = |n: usize| {
        format!(
            "- rule: rule {n}\n  desc: d\n  condition: sf.type = PE and sf.proc.name in (a{n}, b{n}) and not sf.proc.args contains c{n}\n  output: o %proc.name\n  priority: info\n"
        )
    };
    let mut text = String::new();
    let mut n = 0;
    while text.len() < 10 << 20 {
        text += &rule(n);
        n += 1;
    }
    assert_eq!(bounded(|| load(text)), Ok(()));
}

#[test]
fn wrong_all_over() {
    let text = "- rule: x\n".repeat(50_000);
    let error = bounded(|| load(text)).unwrap_err();
    assert!(error.ends_with("... and 49800 more"), "{}", &error[error.len() - 100..]);
}

#[test]
fn regular_expressions_are_bounded() {
    let error = Condition::parse("sf.proc.args regex '((a{1000}){1000}){1000}'").unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    // What takes exponential time elsewhere.
    let condition = Condition::parse("sf.proc.args regex '(a*)*(a*)*b'").unwrap();
    let scene = Scene::new("x").with(|p| p.exe_args = "a".repeat(100_000)).exec();
    assert!(!bounded(|| scene.joined(|record| condition.matches(record))));
}

/// Words of the language, so that random texts get past the first character.
fn word() -> impl Strategy<Value = String> {
    let words = [
        "and",
        "or",
        "not",
        "in",
        "(",
        ")",
        ",",
        "=",
        "!=",
        "<",
        ">=",
        "contains",
        "exists",
        "sf.type",
        "PE",
        "sf.proc.name",
        "sf.proc.uid",
        "proc.aname",
        "[2]",
        "fd.snet",
        "10.0.0.0/8",
        "sf.opflags",
        "EXEC",
        "val(",
        "\"",
        "'",
        "\\",
        "glob",
        "regex",
        "pmatch",
        "'a b'",
        "1",
        "-1",
        "sf.nope",
        "macro",
        "[",
        "]",
        "evt.type",
        "\u{e9}",
        "\n",
        "\t",
        "%",
        "#",
        ": ",
        "- rule: r\n",
        "  condition: ",
        "- list: a\n  items: ",
        "- macro: macro\n  condition: ",
        "  output: %proc.name[",
        "  priority: info\n",
        "  desc: >\n",
        "&a ",
        "*a",
        "|",
        ">",
        "{",
        "}",
        "exceptions",
        "override:",
        "append: true",
    ];
    proptest::sample::select(words.to_vec()).prop_map(str::to_owned)
}

fn words() -> impl Strategy<Value = String> {
    (proptest::collection::vec(word(), 0..40), "[ ]?").prop_map(|(words, space)| words.join(&space))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_condition_or_an_error(text in prop_oneof![words(), ".{0,60}"]) {
        match Condition::parse(&text) {
            Ok(condition) => {
                Scene::new("java > sh -c id").exec().joined(|record| condition.matches(record));
                Scene::new("sh").connect("203.0.113.9:443", 1, 2).joined(|record| condition.matches(record));
            }
            Err(error) => {
                prop_assert!(error.iter().all(|d| d.line > 0 && d.column > 0 && d.width > 0));
                let _ = error.to_string();
            }
        }
    }

    #[test]
    fn any_text_is_a_rules_file_or_an_error(text in prop_oneof![words(), "(?s).{0,80}"]) {
        let _ = load(text);
    }
}

/// What the fuzz targets do, for a moment: texts that load, cut, doubled and damaged.
#[test]
fn damaged_texts() {
    let rules = std::fs::read(repository("rules/sysflow_rules.yaml")).expect("the rules can be read");
    let sigma = b"title: t\nlevel: low\nlogsource: {product: linux, category: file_event}\ndetection:\n  a:\n    TargetFilename|contains|all: ['/x', \"y*\"]\n    Image|re: 'a.*'\n  condition: not 1 of a* or (all of them)\n";
    let conditions: [&[u8]; 5] = [
        b"sf.type = PE and not (proc.name in (sh, \"a b\") or proc.aname[2] startswith anyof ('/x', y))",
        b"join('-', (proc.name, tolower(fd.name))) regex oneof ('a.*', \"\\x41[b-z]+\") and fd.snet != 10.0.0.0/8",
        b"getopt(proc.args, 'ab:c')[b] exists or len(proc.aname) >= 0x2 and b64(concat('a', proc.args)) glob */[!a]?",
        b"evt.type in (open, openat) and evt.rawres<0 and proc.env[PATH] bcontains 0a0b and val(proc.name) = val(proc.pname)",
        b"((((not not macro)))) and evt.arg.mode pmatch (/a, /b/*) intersects",
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as usize % below.max(1)
    };
    let mut damage = |text: &[u8]| {
        let mut text = text.to_vec();
        for _ in 0..=next(4) {
            let (at, to) = (next(text.len()), next(text.len()));
            let (low, high) = (at.min(to), at.max(to).min(at.min(to) + 200));
            match next(4) {
                0 if !text.is_empty() => text[at] = b" ()[]{}'\"\\,:-=|*&%#\n\t\x00\xff0az"[next(26)],
                1 => drop(text.drain(low..high)),
                2 => {
                    let part = text[low..high].to_vec();
                    text.splice(at..at, part);
                }
                _ => text.truncate(text.len() - next(text.len() / 8)),
            }
        }
        text
    };
    for round in 0..4_000 {
        body::condition(&damage(conditions[round % conditions.len()]));
        body::rules(&damage(sigma));
        if round % 40 == 0 {
            let start = (round * 997) % (rules.len() - 6_000);
            let lines = rules[start..].iter().position(|byte| *byte == b'\n').unwrap_or_default() + 1;
            body::rules(&damage(&rules[start + lines..start + 5_000]));
        }
    }
}
