//! A row brings its record back.

use std::fmt::Write as _;

use sysflow::{Entities, Record};
use sysflow_policy::{Condition, Context, Memory, RuleSet, Source, Stateful};
use sysflow_store::{Asked, Restorer, What};

use crate::data::{self, Place, builder, trace, wait};

const TRACES: [&str; 6] = [
    "traces/mon.1531776712.sf",
    "traces/k8s_small.sf",
    "pairs/files_files.sf",
    "pairs/client-server_tcp-client-server.sf",
    "pairs/setuid_setuid.sf",
    "pairs/namespaces_setns.sf",
];

/// What a record and its entities say, in full.
fn told(joined: &sysflow::Joined<'_>) -> String {
    let mut text = format!("{:?}", joined.record);
    for process in joined.ancestors() {
        _ = write!(text, "\n{process:?} {:?}", joined.graph_of(process));
    }
    _ = write!(text, "\n{:?} {:?} {:?}", joined.container, joined.pod, joined.header);
    // State and time of a file say why its entity was written, which is not of the record.
    for file in [joined.file, joined.new_file].into_iter().flatten() {
        _ = write!(text, "\n{:?} {} {:?} {:?}", file.oid, file.restype, file.path, file.container_id);
    }
    text
}

fn is_row(record: &Record) -> bool {
    record.proc_oid().is_some() || matches!(record, Record::K8sEvent(_))
}

#[test]
fn a_row_is_the_record_with_all_that_was_known_of_it() {
    for name in TRACES {
        let Some(records) = trace(name) else { continue };
        let rows = builder(&records).rows().expect("rows");
        let mut restored = std::collections::BTreeMap::new();
        let mut restorer = Restorer::default();
        restorer
            .each(&rows.batch, |number, row| {
                restored.insert(number, told(&row.joined()));
                Ok(())
            })
            .expect("rows are whole");
        let mut entities = Entities::default();
        let mut expected = 0;
        for (number, record) in (0..).zip(&records) {
            entities.apply(record);
            if !is_row(record) {
                continue;
            }
            expected += 1;
            assert_eq!(restored.get(&number), Some(&told(&entities.join(record))), "{name}: record {number}");
        }
        assert_eq!(restored.len(), expected, "{name}");
        assert!(expected > 0, "{name} has records");
    }
}

#[test]
fn what_was_seen_before_a_record_is_stored_as_it_was_judged() {
    let Some(records) = trace("traces/mon.1531776712.sf") else { return };
    let rules = RuleSet::load(&[Source::new(
        "r.yaml",
        "- rule: Shell\n  desc: d\n  condition: sf.opflags = EXEC and proc.name = sh\n  output: o\n  priority: NOTICE\n  tags: [T1059]\n",
    )])
    .expect("rules")
    .0;
    let rows = data::judged(&records, &rules).rows().expect("rows");
    let mut seen = std::collections::BTreeMap::new();
    Restorer::default()
        .each(&rows.batch, |number, row| {
            let joined = row.joined();
            let all: Vec<_> =
                Stateful::ALL.iter().map(|(_, attribute)| row.value(*attribute, &joined)).collect();
            seen.insert(number, all);
            Ok(())
        })
        .expect("rows are whole");
    let (mut entities, mut memory) = (Entities::default(), Memory::default());
    let (mut scratch, mut ids) = (sysflow_policy::Scratch::default(), Vec::new());
    let mut matches = 0;
    for (number, record) in (0..).zip(&records) {
        entities.apply(record);
        let joined = entities.join(record);
        rules.matches_in(&joined, &memory, &mut scratch, &mut ids);
        let matched: Vec<_> = ids.drain(..).map(|id| rules.rule(id)).collect();
        matches += matched.len();
        if is_row(record) {
            let all: Vec<_> =
                Stateful::ALL.iter().map(|(_, attribute)| memory.value(*attribute, &joined)).collect();
            assert_eq!(seen.get(&number), Some(&all), "record {number}");
        }
        memory.observe(&joined, matched);
    }
    assert!(matches > 0, "the rule matches");

    // And a condition asks for it.
    wait(async {
        let place = Place::with(&data::judged(&records, &rules)).await;
        let found = place.history().ask(&Asked::condition("sf.rules in (Shell)")).await;
        assert!(found.is_err(), "columns of verdicts are for SQL: conditions do not know them");
        let sql = "SELECT count(*) FROM records WHERE array_has(\"sf.rules\", 'Shell')";
        let answer = place.history().ask(&Asked::sql(sql)).await.expect("answer");
        let (_, values) = answer.values();
        assert_eq!(values[0][0], matches);
    });
}

#[test]
fn a_loss_is_a_row() {
    use sysflow::record::{Header, Loss};
    let lost = Loss { events: 7, records: 2, from: 1_000, to: 2_000, cause: "buffer".into() };
    let header = |lost| {
        Record::Header(Header {
            version: 5,
            exporter: "n".into(),
            ip: String::new(),
            filename: String::new(),
            lost,
        })
    };
    let rows = builder(&[header(Loss::default()), header(lost.clone())]).rows().expect("rows");
    assert_eq!((rows.batch.num_rows(), rows.first, rows.from, rows.to), (1, 1, 1_000, 2_000));
    Restorer::default()
        .each(&rows.batch, |_, row| {
            assert_eq!(row.header.map(|header| &header.lost), Some(&lost));
            Ok(())
        })
        .expect("whole");
}

#[test]
fn hostile_times_and_names_go_through() {
    use sysflow::record::{Header, Loss, ProcessEvent};
    let event = |ts| {
        Record::ProcessEvent(ProcessEvent {
            proc_oid: sysflow::Oid { create_ts: i64::MIN, hpid: i64::MAX },
            ts,
            tid: i64::MIN,
            op_flags: -1,
            args: vec!["\0\u{202e}".into()],
            ret: i32::MIN,
        })
    };
    let header = Record::Header(Header {
        version: i64::MAX,
        exporter: "../../etc\0".into(),
        ip: String::new(),
        filename: String::new(),
        lost: Loss::default(),
    });
    let records = vec![header, event(i64::MIN), event(i64::MAX), event(0)];
    wait(async {
        let mut builder = sysflow_store::RowsBuilder::new(data::STREAM, "../../etc\0");
        data::append(&mut builder, &records, 0, &mut Entities::default());
        let place = Place::with(&builder).await;
        let segments = place.data.segments().await.expect("listed");
        assert_eq!(segments.len(), 1);
        assert!(
            segments[0].key().starts_with("node=_._.._etc_-") || segments[0].key().starts_with("node=_"),
            "{}",
            segments[0].key()
        );
        let history = place.history();
        for (since, until) in [(None, None), (Some(i64::MIN), Some(i64::MAX))] {
            let asked = Asked { since, until, ..Asked::condition("sf.type = PE") };
            assert_eq!(history.ask(&asked).await.expect("answer").len(), 3);
        }
        let old = Asked { until: Some(-1), ..Asked::condition("sf.type = PE") };
        assert_eq!(history.ask(&old).await.expect("answer").len(), 1);
        let What::Condition(_) = old.what else { panic!("a condition") };
        assert!(Condition::parse("sf.type = PE").is_ok());
    });
}
