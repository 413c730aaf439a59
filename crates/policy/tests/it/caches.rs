//! Answers that are kept between records change no verdict: entities change, go and are of several streams.

use std::{fmt::Write, sync::LazyLock};

use proptest::{collection::vec, prelude::*};
use sysflow::{Entities, attr, record::Record};
use sysflow_policy::{Condition, Language, RuleSet, Scratch, Source, falco_fields};

use crate::plain::record;

/// Rules that ask every field of a language in several ways, each way in a rule of its own.
fn rules(language: Language) -> RuleSet {
    let names = attr::ATTRS.iter().map(|attr| attr.name).chain(falco_fields().map(|field| field.name));
    let ways =
        ["exists", "contains a", "startswith /", "endswith b", "= /bin/a", "!= a", "> 1", "= 2", "= true"];
    let mut text = String::new();
    for name in names {
        for way in ways {
            let condition = format!("{name} {way}");
            if language == Language::Falco && Condition::parse(&condition).is_err() {
                continue;
            }
            write!(text, "- rule: {condition}\n  desc: d\n  condition: {condition}\n").unwrap();
            if language == Language::Falco {
                text.push_str("  output: o\n  priority: INFO\n  source: sysflow\n");
            }
        }
    }
    let source = Source { language: Some(language), ..Source::new("fields", text) };
    RuleSet::load(&[source]).unwrap_or_else(|problems| panic!("{problems}")).0
}

static FALCO: LazyLock<RuleSet> = LazyLock::new(|| rules(Language::Falco));
static SF_PROCESSOR: LazyLock<RuleSet> = LazyLock::new(|| rules(Language::SfProcessor));

fn compare(set: &RuleSet, records: &[(bool, Record)]) -> Result<(), TestCaseError> {
    // Few fit in, so that some go while others still name them.
    let mut streams = [Entities::with_bound(6), Entities::default()];
    let mut kept = Scratch::default();
    let (mut got, mut wanted) = (Vec::new(), Vec::new());
    for (at, (second, record)) in records.iter().enumerate() {
        let entities = &mut streams[usize::from(*second)];
        entities.apply(record);
        let joined = entities.join(record);
        set.matches_with(&joined, &mut kept, &mut got);
        set.matches_with(&joined, &mut Scratch::default(), &mut wanted);
        let name = |id: &sysflow_policy::RuleId| set.rule(*id).name.clone();
        let differ: Vec<_> = got
            .iter()
            .filter(|id| !wanted.contains(id))
            .chain(wanted.iter().filter(|id| !got.contains(id)))
            .collect();
        prop_assert!(
            differ.is_empty(),
            "record {} of {:?}: {:?}",
            at,
            record,
            differ.into_iter().map(name).collect::<Vec<_>>()
        );
        got.clear();
        wanted.clear();
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_field_is_read_anew_when_it_may_have_changed(records in vec((any::<bool>(), record()), 1..80)) {
        compare(&FALCO, &records)?;
        compare(&SF_PROCESSOR, &records)?;
    }
}
