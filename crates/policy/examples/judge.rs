//! Judges traces: `cargo run -p sysflow-policy --example judge -- RULES.yaml TRACE.sf…` prints a line a match.

use std::process::ExitCode;

use sysflow::{Entities, Reader};
use sysflow_policy::{RuleSet, Scratch, Source};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(rules) = args.next() else {
        eprintln!("usage: judge RULES.yaml TRACE.sf...");
        return ExitCode::from(2);
    };
    match judge(&rules, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn judge(rules: &str, traces: impl Iterator<Item = String>) -> Result<(), Box<dyn std::error::Error>> {
    let source = Source::from_bytes(rules, std::fs::read(rules)?)?;
    let (set, warnings) = RuleSet::load(&[source])?;
    for warning in warnings {
        eprintln!("{warning}");
    }
    let (mut scratch, mut matches) = (Scratch::default(), Vec::new());
    for trace in traces {
        let mut entities = Entities::default();
        for record in Reader::open(&trace)? {
            let record = record?;
            entities.apply(&record);
            let joined = entities.join(&record);
            set.matches_with(&joined, &mut scratch, &mut matches);
            for id in matches.drain(..) {
                let rule = set.rule(id);
                println!(
                    "{}\t{}\t{}\t{}",
                    rule.priority,
                    record.kind().as_str(),
                    rule.name,
                    rule.output.format(&joined)
                );
            }
        }
    }
    Ok(())
}
