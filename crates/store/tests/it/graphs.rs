//! A graph drawn from rows is the graph that was live.

use sysflow::{Entities, GraphId};
use sysflow_graph::{AlertMark, Graphs, Priority, Query};
use sysflow_policy::NoContext;
use sysflow_store::{Judged, Limits, RowsBuilder};

use crate::data::{Place, STREAM, trace, wait};

const TRACES: [&str; 4] = [
    "traces/mon.1531776712.sf",
    "pairs/mpm-preforked_full_capture.sf",
    "pairs/client-server_tcp-client-server.sf",
    "pairs/setuid_setuid.sf",
];

#[test]
fn a_graph_from_the_store_equals_the_live_one() {
    for name in TRACES {
        let Some(records) = trace(name) else { continue };
        let mut builder = RowsBuilder::new(STREAM, "n");
        let (mut entities, mut graphs) = (Entities::default(), Graphs::new(sysflow_graph::Limits::default()));
        let mut ids: Vec<GraphId> = Vec::new();
        for (number, record) in (0..).zip(&records) {
            entities.apply(record);
            let joined = entities.join(record);
            let mut alerts = String::new();
            if let Some(id) = graphs.apply(&joined) {
                ids.push(id);
                // Some records raise an alert.
                if number % 97 == 0 {
                    let mark = AlertMark {
                        id: format!("alert-{number}"),
                        ts: record.ts().expect("a time"),
                        priority: Priority::Warning,
                        rule: "Rule".into(),
                        tags: vec!["T1059".into()],
                    };
                    graphs.mark(&joined, &mark);
                    alerts = serde_json::json!([{
                        "id": mark.id, "ts": mark.ts, "priority": "WARNING", "rule": "Rule", "tags": ["T1059"],
                        "alert": {"uuid": mark.id},
                    }])
                    .to_string();
                }
            }
            builder.append(
                number,
                &joined,
                &Judged { rules: &[], tags: &[], alerts: &alerts, seen: &NoContext },
            );
        }
        ids.sort_unstable();
        ids.dedup();
        assert!(!ids.is_empty(), "{name} has graphs");
        wait(async {
            let place = Place::with(&builder).await;
            let history = place.history();
            let limits = Limits { rows: 1_000_000, ..Limits::default() };
            for id in ids {
                let live = graphs.document(id, &Query::default()).expect("live");
                let found = history.graph(id, None, None, &limits).await.expect("found");
                let mut stored = found.document(id, &Query::default()).expect("stored");
                assert_eq!(stored.alerts.len(), found.alerts.len(), "{name} {id}");
                let marked: usize = live.alert_ids().len();
                assert_eq!(stored.alerts.len(), marked, "{name} {id}");
                stored.alerts.clear();
                let text = |document| serde_json::to_string_pretty(document).expect("JSON");
                assert!(
                    text(&stored) == text(&live),
                    "{name} {id} differs:\n{}\n{}",
                    text(&stored),
                    text(&live)
                );
            }
        });
    }
}

#[test]
fn an_unknown_graph_is_none() {
    let Some(records) = trace("pairs/setuid_setuid.sf") else { return };
    wait(async {
        let place = Place::with(&crate::data::builder(&records)).await;
        let id = GraphId::parse(&"0".repeat(32)).expect("an id");
        let found = place.history().graph(id, None, None, &Limits::default()).await.expect("an answer");
        assert_eq!(found.rows, 0);
        assert!(found.document(id, &Query::default()).is_none());
    });
}
