//! Stateful attributes: sequences of records, each judged by what came before it.

use std::fmt::Write as _;

use sysflow::record::op;
use sysflow_policy::{Limits, Memory, RuleSet, Scratch, Source};

use crate::scene::Scene;

const SECOND: i64 = 1_000_000_000;

/// A stream of records: judged, then remembered.
struct Stream {
    rules: RuleSet,
    memory: Memory,
    scratch: Scratch,
}

impl Stream {
    /// Rules as `name: condition`, the name being the tag too.
    fn new(rules: &[(&str, &str)]) -> Self {
        Self::limited(rules, Limits::default())
    }

    fn limited(rules: &[(&str, &str)], limits: Limits) -> Self {
        let mut text = String::new();
        for (name, condition) in rules {
            write!(
                text,
                "- rule: {name}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: info\n  tags: [{name}]\n"
            )
            .expect("a String takes all");
        }
        let (rules, warnings) =
            RuleSet::load(&[Source::new("t.yaml", text)]).unwrap_or_else(|e| panic!("{e}"));
        assert!(warnings.is_empty(), "{warnings:?}");
        Self { rules, memory: Memory::new(limits), scratch: Scratch::default() }
    }

    /// Names of the rules that the next record matches.
    fn next(&mut self, scene: Scene) -> Vec<String> {
        scene.joined(|record| {
            let mut ids = Vec::new();
            self.rules.matches_in(record, &self.memory, &mut self.scratch, &mut ids);
            let rules: Vec<_> = ids.into_iter().map(|id| self.rules.rule(id)).collect();
            self.memory.observe(record, rules.iter().copied());
            rules.into_iter().map(|rule| rule.name.clone()).collect()
        })
    }
}

fn connect(tree: &str, port: i32, server: &str) -> Scene {
    Scene::new(tree).net(op::CONNECT, &format!("10.0.0.5:{port}"), server, 6, 26)
}

#[test]
fn a_graph_remembers_what_was_found_in_it() {
    let mut stream = Stream::new(&[
        ("download", "sf.proc.name = curl and evt.is_open_write = true"),
        ("then_run", "sf.opflags = EXEC and sf.graph.tags = download and sf.graph.alerts >= 1"),
    ]);
    assert!(stream.next(Scene::new("java > sh").exec()).is_empty());
    assert_eq!(stream.next(Scene::new("java > curl").write("/tmp/x")), ["download"]);
    assert_eq!(stream.next(Scene::new("java > sh > python3").exec()), ["then_run"]);
    let other = Scene::new("java > sh").with(|p| p.graph_id = "00000000000000000000000000000002".into());
    assert!(stream.next(other.exec()).is_empty());
}

#[test]
fn a_record_is_judged_by_the_state_before_it() {
    let mut stream = Stream::new(&[("first", "sf.opflags = EXEC and not sf.graph.tags = first")]);
    assert_eq!(stream.next(Scene::new("sh").exec()), ["first"]);
    assert!(stream.next(Scene::new("sh").exec()).is_empty());
}

#[test]
fn tags_are_inherited_from_ancestors_only() {
    let mut stream = Stream::new(&[
        ("shell", "sf.opflags = EXEC and sf.proc.name = sh"),
        ("below", "sf.opflags = EXEC and sf.proc.tags = shell and sf.proc.name != sh"),
    ]);
    assert_eq!(stream.next(Scene::new("java > sh").exec()), ["shell"]);
    assert_eq!(stream.next(Scene::new("java > sh > python3 > id").exec()), ["below"]);
    // The parent of the shell is no descendant of it.
    assert!(stream.next(Scene::new("java").exec()).is_empty());
}

#[test]
fn bytes_of_a_graph_add_up() {
    let mut stream = Stream::new(&[(
        "much",
        "sf.type = NF and sf.graph.egress.bytes > 2500 and sf.graph.ingress.bytes = 30",
    )]);
    for at in 0..3 {
        assert!(stream.next(Scene::new("sh").connect("203.0.113.9:443", 10, 1_000).at(at)).is_empty());
    }
    assert_eq!(stream.next(Scene::new("sh").connect("203.0.113.9:443", 10, 1).at(4)), ["much"]);
}

#[test]
fn age_of_a_graph_counts_from_its_first_record() {
    let mut stream = Stream::new(&[("old", "sf.graph.age >= 60000000000")]);
    assert!(stream.next(Scene::new("sh").exec()).is_empty());
    assert!(stream.next(Scene::new("sh").exec().at(59 * SECOND)).is_empty());
    assert_eq!(stream.next(Scene::new("sh").exec().at(60 * SECOND)), ["old"]);
}

#[test]
fn a_scan_is_many_ports_of_one_server_in_a_minute() {
    let mut stream = Stream::new(&[("scan", "sf.proc.ports >= 10"), ("sweep", "sf.proc.endpoints >= 15")]);
    for port in 0..10 {
        let found = stream
            .next(connect("python3", 40_000 + port, &format!("10.88.0.3:{}", 20 + port)).at(i64::from(port)));
        assert!(found.is_empty(), "{port}: {found:?}");
    }
    assert_eq!(stream.next(connect("python3", 41_000, "10.88.0.3:99").at(20)), ["scan"]);
    assert!(stream.next(connect("python3", 41_001, "10.88.0.4:99").at(21)).is_empty());
    for host in 5..8 {
        assert!(
            stream.next(connect("python3", 41_000 + host, &format!("10.88.0.{host}:99")).at(22)).is_empty()
        );
    }
    assert_eq!(stream.next(connect("python3", 41_009, "10.88.0.9:99").at(23)), ["sweep"]);
    // A minute later they are forgotten.
    assert!(stream.next(connect("python3", 42_000, "10.88.0.3:100").at(90 * SECOND)).is_empty());
}

#[test]
fn a_beacon_is_a_rhythm() {
    let mut stream = Stream::new(&[(
        "beacon",
        "sf.flow.beacon >= 60 and sf.flow.beacon.period > 1500000000 and sf.flow.beacon.jitter <= 15",
    )]);
    let jitter = [0, 90, -70, 120, -150, 30, 60, -20, 100, -90, 0, 50, -120, 80, 10];
    let mut first = None;
    for (n, jitter) in jitter.iter().enumerate() {
        let at = n as i64 * 2 * SECOND + jitter * 1_000_000;
        // Another process of the same program each time, as a loop of a shell would be.
        let scene = Scene::new("sh > curl").with(|p| p.oid.hpid = 500 + n as i64).net(
            op::CONNECT,
            &format!("10.0.0.5:{}", 40_000 + n),
            "198.51.100.77:8443",
            6,
            26,
        );
        if !stream.next(scene.at(at)).is_empty() {
            first.get_or_insert(n);
        }
    }
    assert!(matches!(first, Some(5..9)), "{first:?}");
    let mut stream = Stream::new(&[("beacon", "sf.flow.beacon >= 60")]);
    for (n, at) in [0, 1, 2, 9, 30, 31, 33, 70, 71, 120, 121, 122].into_iter().enumerate() {
        assert!(stream.next(connect("node", 40_000 + n as i32, "10.88.0.3:5432").at(at * SECOND)).is_empty());
    }
}

#[test]
fn what_is_new_for_an_image() {
    let mut stream = Stream::new(&[
        ("exe", "sf.new.exe = true"),
        ("server", "sf.new.endpoint = true and sf.new.port = false"),
        ("port", "sf.new.port = true"),
    ]);
    let shop = |tree: &str| Scene::new(tree).container("shop");
    // Nothing is known of the image: nothing is new.
    assert!(stream.next(shop("node").exec()).is_empty());
    assert!(stream.next(shop("node").exec()).is_empty());
    assert_eq!(stream.next(shop("node > sh").exec()), ["exe"]);
    assert!(stream.next(shop("node > sh").exec()).is_empty());
    assert_eq!(stream.next(shop("node").connect("10.0.0.9:5432", 1, 1)), ["port"]);
    assert!(stream.next(shop("node").connect("10.0.0.9:5432", 1, 1)).is_empty());
    assert_eq!(stream.next(shop("node").connect("10.0.0.8:5432", 1, 1)), ["server"]);
    // Another image learns for itself.
    assert!(stream.next(Scene::new("node > sh").container("api").exec()).is_empty());
    assert_eq!(stream.next(Scene::new("node > id").container("api").exec()), ["exe"]);
    // What failed did not run.
    assert!(stream.next(shop("node > nmap").event(op::EXEC, -2, &[])).is_empty());
    assert_eq!(stream.next(shop("node > nmap").exec()), ["exe"]);
}

#[test]
fn memory_is_bounded() {
    let limits = Limits { graphs: 10, processes: 10, rhythms: 10, known: 10 };
    let mut stream = Stream::limited(&[("again", "sf.graph.alerts > 0"), ("any", "sf.type = NF")], limits);
    for n in 0..2_000 {
        let scene = Scene::new("sh").with(|p| {
            p.graph_id = format!("{n:032x}");
            p.oid.hpid = i64::from(n);
        });
        let server = format!("10.0.{}.{}:{}", n / 250, n % 250, 1 + n);
        let scene = scene.net(op::CONNECT, &format!("10.0.0.5:{n}"), &server, 1, 1);
        assert_eq!(stream.next(scene), ["any"]);
    }
    let debug = format!("{:?}", stream.memory);
    assert!(!debug.contains("len: 11"), "{debug}");
}

#[test]
fn a_record_on_its_own_knows_its_times_only() {
    let condition = |text: &str| sysflow_policy::Condition::parse(text).unwrap_or_else(|e| panic!("{e}"));
    let flow = || Scene::new("curl").connect("203.0.113.9:443", 4_000, 6_000);
    for (text, expected) in [
        ("sf.flow.duration = 2000000000", true),
        ("sf.flow.rate = 5000", true),
        ("sf.graph.tags exists", false),
        ("sf.flow.beacon >= 0", false),
        ("sf.new.exe = false", false),
    ] {
        assert_eq!(flow().joined(|record| condition(text).matches(record)), expected, "{text}");
    }
    let error = sysflow_policy::Condition::parse("sf.graph.tag = x").unwrap_err().to_string();
    assert!(error.contains("did you mean `sf.graph.tags`?"), "{error}");
}

/// A story for which every table has something to remember.
fn story() -> Vec<Scene> {
    let mut scenes = vec![Scene::new("java > sh").exec()];
    for port in 0..12 {
        let server = format!("10.88.0.3:{}", 20 + port);
        scenes.push(connect("java > sh > python3", 40_000 + port, &server).at(i64::from(port)));
    }
    for n in 0..10 {
        let at = i64::from(n) * 5 * SECOND;
        scenes.push(connect("java > sh > python3", 50_000 + n, "198.51.100.77:8443").at(at));
    }
    scenes
}

fn remembering() -> Stream {
    Stream::new(&[
        ("new", "sf.opflags = EXEC and not sf.new.exe = false"),
        ("scan", "sf.proc.ports >= 10"),
        ("after", "sf.proc.tags = scan and sf.graph.alerts >= 1 and sf.graph.age < 4000000000"),
        ("beacon", "sf.flow.beacon >= 60 and sf.new.port = false"),
    ])
}

#[test]
fn a_memory_that_was_kept_goes_on_where_it_was() {
    let mut whole = remembering();
    let expected: Vec<_> = story().into_iter().map(|scene| whole.next(scene)).collect();
    let all: Vec<_> = expected.iter().flatten().map(String::as_str).collect();
    assert!(["new", "scan", "after", "beacon"].iter().all(|name| all.contains(name)), "{expected:?}");
    for cut in 0..expected.len() {
        let mut stream = remembering();
        let mut found = Vec::new();
        for (at, scene) in story().into_iter().enumerate() {
            if at == cut {
                let bytes = postcard::to_stdvec(&stream.memory).unwrap();
                stream.memory = postcard::from_bytes(&bytes).unwrap();
            }
            found.push(stream.next(scene));
        }
        assert_eq!(found, expected, "cut before record {cut}");
    }
}

#[test]
fn a_memory_larger_than_any_is_refused() {
    let mut stream = Stream::limited(&[], Limits { graphs: 1_000_000, ..Limits::default() });
    for n in 0..=Limits::default().graphs {
        stream.next(Scene::new("sh").with(|p| p.graph_id = format!("{n:032x}")).exec());
    }
    let bytes = postcard::to_stdvec(&stream.memory).unwrap();
    let error = postcard::from_bytes::<Memory>(&bytes).unwrap_err();
    assert_eq!(error, postcard::Error::SerdeDeCustom);
}

#[test]
fn connections_of_many_scanners_stay_within_bounds_and_the_last_one_is_found() {
    let mut stream = Stream::new(&[("scan", "sf.proc.ports >= 400")]);
    let mut last = Vec::new();
    for process in 0..500 {
        for port in 0..401 {
            let scene = Scene::new("python3").with(|p| p.oid.hpid = 1_000 + process);
            let client = format!("10.0.0.5:{}", 1_024 + port);
            last = stream.next(scene.net(op::CONNECT, &client, &format!("10.88.0.3:{port}"), 6, 26));
        }
    }
    assert_eq!(last, ["scan"]);
    // Some 200,500 connections were made, and at most 200,000 may be held at once: half of them went.
    let debug = format!("{:?}", stream.memory);
    let held: usize = debug.rsplit_once("endpoints: ").unwrap().1.trim_end_matches(" }").parse().unwrap();
    assert!((50_000..=110_000).contains(&held), "{held}");
}

#[test]
fn times_at_the_ends_of_time_are_no_reason_to_panic() {
    let mut stream = Stream::new(&[
        ("age", "sf.graph.age > 0"),
        ("ports", "sf.proc.ports > 1 and sf.proc.endpoints > 1"),
        ("beacon", "sf.flow.beacon > 1 and sf.flow.beacon.jitter > 1"),
    ]);
    for n in 0..40 {
        let at = if n % 2 == 0 { i64::MIN / 2 } else { i64::MAX / 2 };
        stream.next(connect("sh", 1_000 + n, &format!("10.0.0.1:{}", n % 3)).at(at));
    }
}

#[test]
fn a_rule_without_tags_counts_as_an_alert_of_its_graph() {
    let yaml = "
- rule: untagged
  desc: d
  condition: sf.proc.name = curl
  output: o
  priority: info
- rule: second
  desc: d
  condition: sf.graph.alerts = 1
  output: alerts=%sf.graph.alerts
  priority: info
";
    let (rules, _) = RuleSet::load(&[Source::new("t.yaml", yaml)]).unwrap();
    let mut stream = Stream { rules, memory: Memory::default(), scratch: Scratch::default() };
    assert_eq!(stream.next(Scene::new("sh > curl").exec()), ["untagged"]);
    let second = stream.rules.find("second").unwrap();
    let shown = Scene::new("sh").exec().joined(|record| {
        assert!(stream.rules.explain_in(second, record, &stream.memory).matches);
        assert!(!stream.rules.explain(second, record).matches);
        stream.rules.rule(second).output.format_in(record, &stream.memory)
    });
    assert_eq!(shown, "alerts=1");
}
