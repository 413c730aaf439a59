//! Rules that are replaced while records stream.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use serde_json::json;
use sysflow_processor::alert::Alert;
use sysflow_processor::config::{self, Config, Input};
use sysflow_processor::engine::{Batch, Engine, Judge, Stream};
use sysflow_processor::rules::{Reload, Rules, Watcher};
use sysflow_processor::service::{Parts, Service};
use sysflow_processor::stop::Stop;
use sysflow_processor::world::World;

use crate::api::get;
use crate::engine::Judged;
use crate::plugin::Plugin;
use crate::records::{self, RULES, SECOND, START, STATEFUL};

/// A rule for each call, under this name.
fn calls(name: &str) -> String {
    format!(
        "- rule: {name}\n  desc: a call\n  condition: sf.type = NF\n  output: a call\n  priority: NOTICE\n  source: sysflow\n"
    )
}

fn rules_of(judged: &Judged) -> &Arc<Rules> {
    judged.engine.rules()
}

fn told(alerts: &[Arc<Alert>]) -> Vec<(String, u64)> {
    alerts.iter().map(|alert| (alert.with_id(), alert.count)).collect()
}

/// The story, more calls, and what only those find who remember.
fn long_story() -> Vec<sysflow::Record> {
    let mut records = records::story();
    records.extend((1..4).map(|n| records::call(START + n * SECOND)));
    records.extend((0..8).map(|n| records::call_from(41_000 + n, START + (64 + i64::from(n) * 5) * SECOND)));
    records.extend([records::call(START + 104 * SECOND), records::exec(START + 130 * SECOND)]);
    records
}

/// Windows, counts, ids of alerts and memory belong to no set of rules.
#[test]
fn the_same_rules_loaded_anew_anywhere_change_nothing() {
    let text = format!("{RULES}{STATEFUL}");
    let mut whole = Judged::by(&Config::default(), &text);
    let expected = [whole.take(long_story()), whole.finish()].concat();
    for rule in ["Call after a secret", "Old graph", "Rhythm"] {
        assert!(expected.iter().any(|alert| alert.rule == rule), "{rule}: {:?}", told(&expected));
    }
    assert!(expected.iter().any(|alert| alert.count > 1), "a window that is open for longer");
    for at in 0..=long_story().len() {
        let mut judged = Judged::by(&Config::default(), &text);
        let mut alerts = judged.take(long_story()[..at].to_vec());
        // Other text, other numbers of rules, the same rules: sets are compiled anew.
        let before = calls("Never told").replace("sf.type = NF", "sf.type = NF and sf.net.dport = 1");
        std::fs::write(judged.rules_file(), format!("{before}{text}")).unwrap();
        assert_eq!(rules_of(&judged).reload(false), Reload::Replaced);
        alerts.extend(judged.take(long_story()[at..].to_vec()));
        alerts.extend(judged.finish());
        assert_eq!(told(&alerts), told(&expected), "reloaded before record {at}");
    }
}

#[test]
fn a_window_of_a_rule_that_is_gone_tells_its_count() {
    let mut judged = Judged::by(&Config::default(), &calls("Old"));
    judged.take(records::beginning());
    let first = judged.take(vec![records::call(START), records::call(START + SECOND)]);
    assert_eq!(first.len(), 1);
    std::fs::write(judged.rules_file(), calls("New")).unwrap();
    assert_eq!(rules_of(&judged).reload(false), Reload::Replaced);
    let later = judged.take(vec![records::call(START + 2 * SECOND), records::call(START + 70 * SECOND)]);
    let later: Vec<_> = later.iter().map(|alert| (alert.rule.as_str(), alert.count)).collect();
    assert_eq!(later, [("New", 1), ("Old", 2), ("New", 1)]);
}

#[test]
fn rules_that_do_not_load_leave_the_old_ones_in_force_and_are_told_once() {
    let mut judged = Judged::by(&Config::default(), &calls("Good"));
    judged.take(records::beginning());
    let file = judged.rules_file().to_owned();
    let rules = Arc::clone(rules_of(&judged));
    let text = |rules: &Rules| {
        let mut text = String::new();
        rules.metrics(&mut text);
        text
    };
    std::fs::write(&file, calls("Bad").replace("sf.type", "sf.tipe")).unwrap();
    assert_eq!(rules.reload(false), Reload::Failed);
    assert_eq!(rules.reload(false), Reload::StillFailed);
    let failed = rules.failed().unwrap();
    let [problem] = &failed.failure.problems[..] else { panic!("{failed:?}") };
    assert_eq!((problem.line, problem.file.as_str()), (3, file.to_str().unwrap()));
    assert!(problem.help.as_deref().unwrap().contains("sf.type"), "{problem:?}");
    assert!(
        text(&rules).contains("\nsysflow_rules_failed 1\n")
            && text(&rules).contains("\nsysflow_rules_refused_total 1\n")
    );
    assert_eq!(judged.take(vec![records::call(START)])[0].rule, "Good");

    // Bytes that are no text, and no file at all.
    std::fs::write(&file, b"- list: \xff\n").unwrap();
    assert_eq!(rules.reload(false), Reload::Failed);
    assert_eq!(rules.reload(false), Reload::StillFailed);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(rules.reload(false), Reload::Failed);
    assert_eq!(rules.reload(false), Reload::StillFailed);
    assert!(rules.failed().unwrap().failure.message.contains("cannot read the rules file"));
    assert_eq!(rules.reload(true), Reload::Failed, "asked for: told again");
    assert_eq!(judged.take(vec![records::call(START + 100 * SECOND)])[0].rule, "Good");

    // The old text is back: nothing is to be loaded, and nothing is wrong any more.
    std::fs::write(&file, calls("Good")).unwrap();
    assert_eq!(rules.reload(false), Reload::Same);
    assert!(rules.failed().is_none() && text(&rules).contains("\nsysflow_rules_failed 0\n"));
    assert_eq!(rules.reload(true), Reload::Replaced);
}

/// Two rules match each call. While others replace them without end, each batch has both of one set, and each record both.
#[test]
fn a_batch_is_judged_by_one_set_and_no_record_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules.yaml");
    let sets =
        ["A", "B"].map(|set| format!("{}{}", calls(&format!("{set} one")), calls(&format!("{set} two"))));
    std::fs::write(&file, &sets[0]).unwrap();
    let judge = Judge::load(&config::Rules { files: vec![file.clone()], min_priority: None }).unwrap();
    let world = Arc::new(World::new(sysflow_graph::Limits::default(), 10));
    let (tell, alerts) = sync_channel(1 << 20);
    let mut config = Config::default();
    config.alerts.max_distinct = 1_000_000;
    let engine = Engine::new(judge, &config, "http://x", world, Arc::default(), tell);
    let stream = Arc::new(Stream::new([7; 16], records::NODE));
    let mut next = 0;
    let mut take = |records: Vec<sysflow::Record>| {
        let batch = Batch { stream: Arc::clone(&stream), first: next, records };
        next += batch.records.len() as u64;
        engine.take(&batch, false);
        alerts.try_iter().map(|told| (told.number, told.alert.rule.clone())).collect::<Vec<_>>()
    };
    take(records::beginning());
    let (end, mut seen) = (AtomicBool::new(false), [0, 0]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for set in sets.iter().rev().cycle() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                std::fs::write(&file, set).unwrap();
                assert_eq!(engine.rules().reload(false), Reload::Replaced);
            }
        });
        let mut batches = 0;
        while (batches < 300 || seen.contains(&0)) && batches < 100_000 {
            // Each call goes to a server of its own: nothing is suppressed.
            let server = |n: i32| {
                let sysflow::Record::NetworkFlow(flow) = records::call(START) else { unreachable!() };
                sysflow::Record::NetworkFlow(sysflow::record::NetworkFlow { dip: batches * 20 + n, ..flow })
            };
            let told = take((0..20).map(server).collect());
            let set = usize::from(told[0].1.starts_with('B'));
            seen[set] += 1;
            let name = ["A", "B"][set];
            let expected: Vec<_> = (0..20)
                .map(|n| told[0].0 + n)
                .flat_map(|n| [(n, format!("{name} one")), (n, format!("{name} two"))])
                .collect();
            assert_eq!(told, expected, "batch {batches}");
            batches += 1;
        }
        end.store(true, Ordering::Relaxed);
    });
    assert!(!seen.contains(&0), "{seen:?}");
}

/// How long `change` takes to be in force, at best of three: a machine may be busy with other things.
fn in_force_after(rules: &Rules, mut change: impl FnMut(u32)) -> Duration {
    let times = (0..3).map(|n| {
        let before = rules.current().digest();
        let began = Instant::now();
        change(n);
        while rules.current().digest() == before && began.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(5));
        }
        began.elapsed()
    });
    times.min().unwrap()
}

fn watched(files: Vec<PathBuf>) -> (Arc<Rules>, Watcher) {
    let judge = Judge::load(&config::Rules { files, min_priority: None }).unwrap();
    let rules = Arc::new(Rules::new(judge));
    let watcher = Watcher::start(Arc::clone(&rules)).unwrap();
    (rules, watcher)
}

fn names(rules: &Rules) -> Vec<String> {
    rules.current().rules().rules().map(|(_, rule)| rule.name.clone()).collect()
}

#[test]
fn an_edit_is_in_force_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules.yaml");
    std::fs::write(&file, calls("First")).unwrap();
    let (rules, _watcher) = watched(vec![file.clone()]);
    let written = in_force_after(&rules, |n| std::fs::write(&file, calls(&format!("Written {n}"))).unwrap());
    assert!(written <= Duration::from_secs(1), "{written:?}");
    assert_eq!(names(&rules), ["Written 2"]);
    // As most editors save.
    let renamed = in_force_after(&rules, |n| {
        let new = dir.path().join(".rules.yaml.new");
        std::fs::write(&new, calls(&format!("Renamed {n}"))).unwrap();
        std::fs::rename(new, &file).unwrap();
    });
    assert!(renamed <= Duration::from_secs(1), "{renamed:?}");
    assert_eq!(names(&rules), ["Renamed 2"]);
}

/// A ConfigMap's files are links into a directory that is a link; the latter is replaced.
#[test]
fn files_that_are_replaced_all_at_once_are_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mount = dir.path().join("mount");
    let version = |n: u32, names: &[&str]| {
        let data = mount.join(format!("..version{n}"));
        std::fs::create_dir_all(&data).unwrap();
        for name in names {
            std::fs::write(data.join(format!("{name}.yaml")), calls(&format!("{name} {n}"))).unwrap();
        }
        let link = mount.join("..data_tmp");
        std::os::unix::fs::symlink(format!("..version{n}"), &link).unwrap();
        std::fs::rename(link, mount.join("..data")).unwrap();
    };
    let link = |name: &str| {
        let target = Path::new("..data").join(format!("{name}.yaml"));
        std::os::unix::fs::symlink(target, mount.join(format!("{name}.yaml"))).unwrap();
    };
    version(0, &["a", "b"]);
    ["a", "b"].into_iter().for_each(link);
    let (rules, _watcher) = watched(vec![mount.clone()]);
    assert_eq!(names(&rules), ["a 0", "b 0"], "a directory stands for its files, in order");
    let took = in_force_after(&rules, |n| version(n + 1, &["a", "b"]));
    assert!(took <= Duration::from_secs(1), "{took:?}");
    assert_eq!(names(&rules), ["a 3", "b 3"]);
    // One more file.
    in_force_after(&rules, |n| {
        if n == 0 {
            version(9, &["a", "aa", "b"]);
            link("aa");
        } else {
            std::fs::write(mount.join("..data/a.yaml"), calls(&format!("a 9{n}"))).unwrap();
        }
    });
    assert_eq!(names(&rules), ["a 92", "aa 9", "b 9"]);
}

#[test]
fn a_service_follows_its_file_and_says_what_is_wrong_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules.yaml");
    std::fs::write(&file, calls("First")).unwrap();
    let mut config = Config::default();
    config.api.listen = "127.0.0.1:0".parse().unwrap();
    config.rules.files.push(file.clone());
    config.inputs.push(Input { socket: dir.path().join("s.sock"), ..Default::default() });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let stop = Stop::default();
    let mut service = Service::start(&config, Parts::default(), runtime.handle(), &stop).unwrap();
    let address = service.address().unwrap();
    let api = || get(address, "/api/v1/rules").json();
    let until = |what: &str, holds: &dyn Fn(&serde_json::Value) -> bool| {
        let began = Instant::now();
        loop {
            let answer = api();
            if holds(&answer) {
                return answer;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{what}: {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let first = api();
    assert_eq!(first["error"], json!(null));
    assert_eq!(first["files"], json!([file]));
    let rule = &first["rules"][0];
    for (key, value) in [
        ("name", json!("First")),
        ("priority", json!("Notice")),
        ("source", json!("sysflow")),
        ("file", json!(file)),
        ("enabled", json!(true)),
        ("status", json!("runs")),
        ("reason", json!("")),
    ] {
        assert_eq!(rule[key], value, "{key}");
    }
    let (mut plugin, _) = Plugin::welcome(&config.inputs[0].socket, 0);
    plugin.frame(0, &[records::beginning(), vec![records::call(START)]].concat());
    let next = records::beginning().len() as u64 + 1;
    plugin.until_stored(next);

    std::fs::write(&file, format!("{}  tags: [a\n", calls("Broken"))).unwrap();
    let broken = until("the broken file is told", &|answer| answer["error"] != json!(null));
    assert_eq!(broken["rules"][0]["name"], "First", "{broken}");
    assert_eq!(broken["error"]["problems"][0]["file"], json!(file), "{broken}");
    assert!(broken["error"]["message"].as_str().unwrap().contains("rules.yaml"), "{broken}");
    assert!(get(address, "/metrics").body.contains("\nsysflow_rules_failed 1\n"));

    let disabled = calls("Off").replace("  source", "  enabled: false\n  source");
    std::fs::write(&file, format!("{}{disabled}", calls("Second"))).unwrap();
    let second = until("the new rules are in force", &|answer| answer["rules"][0]["name"] == "Second");
    assert_eq!((&second["error"], &second["rules"][1]["enabled"]), (&json!(null), &json!(false)));
    plugin.frame(next, &[records::call(START + SECOND)]);
    plugin.until_stored(next + 1);
    drop(plugin);
    service.drain_inputs();
    let alerts = get(address, "/api/v1/alerts").json();
    let mut told: Vec<_> = alerts["alerts"].as_array().unwrap().iter().map(|a| a["rule"].clone()).collect();
    told.reverse();
    assert_eq!(told, ["First", "Second"]);
    stop.stop();
    service.shut_down(runtime.handle(), Duration::ZERO).unwrap();
}
