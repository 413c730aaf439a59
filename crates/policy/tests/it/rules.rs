//! The rules that ship: each fires on what it is for, and not on what merely looks alike.

use std::collections::BTreeSet;

use serde::Deserialize;
use sysflow::record::{op, open_flags};
use sysflow_policy::{Memory, Priority, RuleSet, Scratch, Source};

use crate::{repository, scene::Scene};

/// The file whose cases belong to no rule.
const ORDINARY: &str = "ordinary.yaml";

/// Cases of one rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    rule: String,
    fires: Vec<Case>,
    quiet: Vec<Case>,
}

/// Who did what, in a few words.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Case {
    /// Process tree, ancestors first: `java -jar a.jar > sh -c id`.
    by: String,
    /// Name of the container; without it the process is one of the host.
    container: Option<String>,
    tty: bool,
    uid: Option<i32>,
    /// The parent is the first process of its container.
    entry: bool,
    /// `upper` or `memfd`.
    exe: Option<String>,
    // One of:
    exec: bool,
    read: Option<String>,
    refused: Option<String>,
    write: Option<String>,
    append: Option<String>,
    socket: Option<String>,
    unlink: Option<String>,
    /// `PATH MODE`
    chmod: Option<String>,
    /// `OLD -> NEW`
    rename: Option<String>,
    /// `TARGET -> LINK`
    symlink: Option<String>,
    mount: Option<String>,
    setns: Option<String>,
    connect: Option<String>,
    accept: Option<String>,
    ptrace: Option<String>,
    kernel: Option<String>,
    // With connect and accept:
    sent: i64,
    received: i64,
    // With connect, for rules that count; `{n}` is then the number of the time:
    times: u32,
    /// Seconds from one time to the next.
    every: i64,
    /// What the same process had done before.
    after: Option<Box<Case>>,
}

impl Case {
    /// The operation for the time `n`.
    fn scene(&self, n: u32) -> Scene {
        let mut scene = Scene::new(&self.by);
        if let Some(name) = &self.container {
            scene = scene.container(name);
        }
        if self.tty {
            scene = scene.tty();
        }
        if let Some(uid) = self.uid {
            scene = scene.with(|process| process.uid = uid);
        }
        if self.entry {
            scene = scene.parent(|parent| parent.entry = true);
        }
        scene = match self.exe.as_deref() {
            Some("upper") => scene.upper_layer(),
            Some("memfd") => scene.memfd(),
            Some(other) => panic!("exe: {other}"),
            None => scene,
        };
        let pair = |text: &str, sign: &str| {
            let (a, b) = text.split_once(sign).unwrap_or_else(|| panic!("no `{sign}` in {text}"));
            (a.trim().to_owned(), b.trim().to_owned())
        };
        if self.exec {
            scene.exec()
        } else if let Some(path) = &self.read {
            scene.read(path)
        } else if let Some(path) = &self.refused {
            scene.refused(path)
        } else if let Some(path) = &self.write {
            scene.write(path)
        } else if let Some(path) = &self.append {
            scene.append(path)
        } else if let Some(path) = &self.socket {
            scene.file(path, b'u', 0, (0, 100))
        } else if let Some(path) = &self.unlink {
            scene.file_event(op::UNLINK, path, None, 0, "")
        } else if let Some(text) = &self.chmod {
            let (path, mode) = pair(text, " ");
            scene.file_event(op::CHMOD, &path, None, 0, &mode)
        } else if let Some(text) = &self.rename {
            let (old, new) = pair(text, "->");
            scene.file_event(op::RENAME, &old, Some(&new), 0, "")
        } else if let Some(text) = &self.symlink {
            let (target, link) = pair(text, "->");
            scene.file_event(op::SYMLINK, &target, Some(&link), 0, "")
        } else if let Some(path) = &self.mount {
            scene.file_event(op::MOUNT, path, None, 0, "/dev/sda1 ext4 0x0")
        } else if let Some(path) = &self.setns {
            let scene = scene.file(path, b'f', open_flags::RDONLY, (0, 0));
            scene.add_ops(op::SETNS)
        } else if let Some(server) = &self.connect {
            let server = server.replace("{n}", &n.to_string());
            let client = if server.starts_with('[') { "[2001:db8::5]" } else { "10.0.0.5" };
            // Each connection has a port of its own.
            let client = format!("{client}:{}", 40_000 + n);
            let scene = scene.net(op::CONNECT, &client, &server, self.received, self.sent);
            scene.at(i64::from(n) * self.every * 1_000_000_000)
        } else if let Some(client) = &self.accept {
            scene.net(op::ACCEPT, client, "10.0.0.5:8080", self.received, self.sent)
        } else if let Some(request) = &self.ptrace {
            scene.event(op::PTRACE, 0, &[request, "7"])
        } else if let Some(call) = &self.kernel {
            scene.event(op::KERNEL, 0, &[call, "x"])
        } else {
            panic!("a case without an operation: {self:?}")
        }
    }

    /// Rules that match at the last time.
    fn matches(&self, set: &RuleSet) -> Vec<String> {
        self.matches_after(set, &mut Memory::default())
    }

    fn matches_after(&self, set: &RuleSet, memory: &mut Memory) -> Vec<String> {
        if let Some(before) = &self.after {
            before.matches_after(set, memory);
        }
        let mut names = Vec::new();
        for n in 0..self.times.max(1) {
            names = self.scene(n).joined(|record| {
                let mut ids = Vec::new();
                set.matches_in(record, memory, &mut Scratch::default(), &mut ids);
                let rules: Vec<_> = ids.into_iter().map(|id| set.rule(id)).collect();
                for rule in &rules {
                    let text = rule.output.format_in(record, memory);
                    assert!(text.is_ascii() && !text.is_empty(), "{}: {text}", rule.name);
                }
                memory.observe(record, rules.iter().copied());
                rules.into_iter().map(|rule| rule.name.clone()).collect()
            });
        }
        names
    }
}

pub(crate) fn shipped() -> RuleSet {
    let path = repository("rules/sysflow_rules.yaml");
    let source =
        Source::from_bytes("sysflow_rules.yaml", std::fs::read(path).expect("the rules can be read"));
    let (set, warnings) =
        RuleSet::load(&[source.expect("the rules are UTF-8")]).unwrap_or_else(|error| panic!("{error}"));
    assert!(warnings.is_empty(), "{}", warnings[0]);
    set
}

fn cases() -> Vec<Cases> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(repository("rules/tests")).expect("the cases are here") {
        let path = entry.expect("a directory entry").path();
        if path.ends_with(ORDINARY) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the cases can be read");
        let cases: Vec<Cases> =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        all.extend(cases);
    }
    all
}

#[test]
fn every_rule_fires_and_stays_quiet() {
    let set = shipped();
    let mut wrong = Vec::new();
    let mut tested = BTreeSet::new();
    for cases in cases() {
        assert!(set.find(&cases.rule).is_some(), "there is no rule `{}`", cases.rule);
        assert!(
            !cases.fires.is_empty() && !cases.quiet.is_empty(),
            "{}: both kinds of cases are needed",
            cases.rule
        );
        assert!(tested.insert(cases.rule.clone()), "{} has two entries", cases.rule);
        for (expected, list) in [(true, &cases.fires), (false, &cases.quiet)] {
            for case in list {
                let matches = case.matches(&set);
                if matches.contains(&cases.rule) != expected {
                    let what = if expected { "does not fire" } else { "fires" };
                    wrong.push(format!("{} {what} on {case:?}", cases.rule));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let untested: Vec<_> =
        set.rules().filter(|(_, rule)| !tested.contains(&rule.name)).map(|(_, r)| &r.name).collect();
    assert!(untested.is_empty(), "without cases: {untested:?}");
}

#[test]
fn every_rule_is_complete() {
    let set = shipped();
    assert!(set.rules().len() >= 35);
    let mut names = BTreeSet::new();
    for (_, rule) in set.rules() {
        let name = &rule.name;
        assert!(names.insert(name.to_lowercase()), "{name} twice");
        // Falcosidekick's UI filters by rule names and breaks on anything else.
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == ' '), "{name}");
        assert!(rule.desc.len() > 40 && rule.desc.is_ascii(), "{name}: {}", rule.desc);
        assert_eq!(rule.source, "sysflow", "{name}");
        let has = |test: fn(&str) -> bool| rule.tags.iter().any(|tag| test(tag));
        assert!(has(|tag| tag.starts_with("mitre_")), "{name} names no tactic");
        assert!(has(|tag| tag == "host" || tag == "container"), "{name} names no place");
        let techniques: Vec<_> = rule.tags.iter().filter(|tag| tag.starts_with('T')).collect();
        assert!(!techniques.is_empty(), "{name} names no technique");
        for technique in techniques {
            let (parent, sub) =
                technique.split_once('.').map_or((technique.as_str(), None), |(p, s)| (p, Some(s)));
            assert!(
                parent.len() == 5 && parent[1..].bytes().all(|b| b.is_ascii_digit()),
                "{name}: {technique}"
            );
            if let Some(sub) = sub {
                assert!(sub.len() == 3 && sub.bytes().all(|b| b.is_ascii_digit()), "{name}: {technique}");
                assert!(rule.tags.iter().any(|tag| tag == parent), "{name} lacks {parent}");
            }
        }
    }
}

/// Nothing here deserves more than a notice.
#[test]
fn ordinary_work_raises_no_warning() {
    let set = shipped();
    let text = std::fs::read_to_string(repository("rules/tests").join(ORDINARY)).expect("the cases are here");
    let cases: Vec<Case> = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    assert!(cases.len() > 40);
    let mut wrong = Vec::new();
    for case in &cases {
        for name in case.matches(&set) {
            let rule = set.rule(set.find(&name).expect("it just matched"));
            if rule.priority >= Priority::Warning {
                wrong.push(format!("{name} fires on {case:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
