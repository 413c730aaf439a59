//! Definitions in, compiled rules out.

use std::collections::BTreeSet;

use crate::{
    compile::{Builder, Compiled, NodeId, Scope},
    diagnostic::{Diagnostics, Severity},
    field::FieldError,
    file::{Exception, Library, Problems, RuleDef},
    output::Output,
    rule::{Rule, RuleReport, Status},
    suggest::did_you_mean,
    syntax::{self, Comparison, Expr, Modifier, Operand, Operator, Word},
};

/// Rules on their way from definitions to a set.
pub(crate) struct Loader<'a> {
    pub(crate) builder: Builder,
    scope: Scope<'a>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) roots: Vec<NodeId>,
    pub(crate) reports: Vec<RuleReport>,
}

/// Compiles all rules of `library`; what is wrong goes to `problems`.
pub(crate) fn load<'a>(library: &'a Library, problems: &mut Problems<'_>) -> Loader<'a> {
    let mut loader = Loader {
        builder: Builder::default(),
        scope: Scope::new(library),
        rules: Vec::new(),
        roots: Vec::new(),
        reports: Vec::new(),
    };
    for rule in &library.rules {
        loader.rule(rule, problems);
    }
    check_unused_macros(&mut loader, library, problems);
    loader
}

impl Loader<'_> {
    fn rule(&mut self, rule: &RuleDef, problems: &mut Problems<'_>) {
        if !matches!(rule.source.as_str(), "syscall" | "sysflow") {
            let reason = format!("source `{}`: only `syscall` and `sysflow` are judged here", rule.source);
            let message = format!("rule `{}` is skipped: its source is `{}`", rule.name, rule.source);
            problems.warning_help(rule.name_span, message, None);
            self.report(rule, Status::OtherSource, vec![reason], problems);
            return;
        }
        if let Some((span, reason)) = rule.sigma.as_ref().and_then(|sigma| sigma.refused.as_ref()) {
            let message = format!("rule `{}` cannot run: {reason}", rule.name);
            problems.warning_help(*span, message, None);
            self.report(rule, Status::Cannot, vec![reason.clone()], problems);
            return;
        }
        // What is wrong with a rule that asks to be skipped then is no problem of the file.
        if rule.skip_if_unknown {
            let mut trial = Problems { sources: problems.sources, found: Diagnostics::default() };
            let compiled = self.condition(rule, &mut trial);
            let (output, notes) = output(rule, &mut trial);
            match compiled {
                Some(compiled) if !trial.found.has_errors() => {
                    self.finish(rule, compiled, output, notes, problems);
                }
                _ => {
                    let reasons = trial.found.iter().map(|diagnostic| diagnostic.message.clone()).collect();
                    self.report(rule, Status::Cannot, reasons, problems);
                }
            }
            return;
        }
        let compiled = self.condition(rule, problems);
        let (output, notes) = output(rule, problems);
        if let Some(compiled) = compiled {
            self.finish(rule, compiled, output, notes, problems);
        }
    }

    fn finish(
        &mut self,
        rule: &RuleDef,
        mut compiled: Compiled,
        output: Output,
        notes: Vec<String>,
        problems: &mut Problems<'_>,
    ) {
        compiled.notes.extend(notes);
        let kinds = self.builder.kinds(compiled.node);
        if let Some(first) = compiled.cannot.first() {
            let message = format!("rule `{}` cannot run: no record can answer `{}`", rule.name, first.field);
            let reasons: BTreeSet<_> =
                compiled.cannot.iter().map(|cannot| format!("{}: {}", cannot.field, cannot.reason)).collect();
            problems.push(Severity::Warning, first.span, message, |warning| warning.notes(reasons.iter()));
            self.report(rule, Status::Cannot, reasons.into_iter().collect(), problems);
            return;
        }
        let unrecorded: Vec<_> =
            compiled.notes.iter().filter(|n| n.ends_with("not recorded")).cloned().collect();
        if kinds.is_empty() && !unrecorded.is_empty() {
            let message = format!("rule `{}` cannot run: no record can satisfy its condition", rule.name);
            problems
                .push(Severity::Warning, rule.name_span, message, |warning| warning.notes(unrecorded.iter()));
            self.report(rule, Status::Cannot, unrecorded, problems);
            return;
        }
        // A rule written for SysFlow records means what they hold.
        let same = compiled.notes.is_empty() || rule.source == "sysflow";
        let status = match (rule.enabled, same) {
            (false, _) => Status::Disabled,
            (true, true) => Status::Runs,
            (true, false) => Status::Differs,
        };
        let reasons = if same { Vec::new() } else { grouped(&compiled.notes) };
        self.report(rule, status, reasons, problems);
        if rule.enabled {
            self.roots.push(compiled.node);
            self.rules.push(Rule {
                name: rule.name.clone(),
                desc: rule.desc.clone(),
                priority: rule.priority,
                tags: rule.tags.clone(),
                source: rule.source.clone(),
                output,
                kinds,
                actions: rule.actions.clone(),
            });
        }
    }

    fn report(&mut self, rule: &RuleDef, status: Status, reasons: Vec<String>, problems: &Problems<'_>) {
        self.reports.push(RuleReport {
            rule: rule.name.clone(),
            status,
            reasons,
            priority: rule.priority,
            tags: rule.tags.clone(),
            source: rule.source.clone(),
            file: problems.sources[rule.name_span.source as usize].name.clone(),
            id: None,
        });
    }

    fn condition(&mut self, rule: &RuleDef, problems: &mut Problems<'_>) -> Option<Compiled> {
        let text = &rule.condition;
        let compiled = match &rule.sigma {
            Some(sigma) => self.builder.condition(&sigma.tree, &mut self.scope, problems),
            None => match syntax::parse(&text.text, &|range| text.span(range)) {
                Ok(expr) => self.builder.condition(&expr, &mut self.scope, problems),
                Err(error) => {
                    problems.error_help(error.span, error.message, error.help);
                    None
                }
            },
        };
        let exceptions: Vec<_> =
            rule.exceptions.iter().filter_map(|exception| exception_expr(exception, problems)).collect();
        let exceptions: Vec<_> =
            exceptions.iter().map(|expr| self.builder.condition(expr, &mut self.scope, problems)).collect();
        let mut compiled = compiled?;
        for exception in exceptions {
            let exception = exception?;
            compiled.node = self.builder.and_not(compiled.node, exception.node);
            compiled.cannot.extend(exception.cannot);
            compiled.notes.extend(exception.notes);
        }
        Some(compiled)
    }
}

/// Notes of the form `field: note`, those that say the same in one.
fn grouped(notes: &BTreeSet<String>) -> Vec<String> {
    let mut groups: Vec<(&str, String)> = Vec::new();
    for note in notes {
        let (field, text) = note.split_once(": ").unwrap_or(("", note));
        match groups.iter_mut().find(|(known, _)| *known == text) {
            Some((_, fields)) => {
                fields.push_str(", ");
                fields.push_str(field.strip_prefix(UNSHOWN).unwrap_or(field));
            }
            None => groups.push((text, field.to_owned())),
        }
    }
    groups.into_iter().map(|(text, fields)| format!("{fields}: {text}")).collect()
}

/// Before the name of a field of an output that records cannot answer.
const UNSHOWN: &str = "output shows <NA> for ";

fn output(rule: &RuleDef, problems: &mut Problems<'_>) -> (Output, Vec<String>) {
    let (output, wrong) = Output::parse(rule.output.text.trim_end());
    let mut notes = Vec::new();
    for problem in wrong {
        let span = rule.output.span(problem.range);
        match problem.error {
            FieldError::CannotAnswer(reason) => {
                notes.push(format!("{UNSHOWN}{}: {reason}", problem.name));
            }
            FieldError::Unknown { suggestion } => {
                let help = suggestion.map(|found| format!("did you mean `{found}`?"));
                let message =
                    format!("the output of rule `{}` names no field: `%{}`", rule.name, problem.name);
                problems.error_help(span, message, help);
            }
            FieldError::Argument(message) => problems.error(span, message),
        }
    }
    (output, notes)
}

/// Macros that no rule uses are read too: a mistake in one must not wait for the first use.
fn check_unused_macros(loader: &mut Loader<'_>, library: &Library, problems: &mut Problems<'_>) {
    let mut unused: Vec<_> =
        library.macros.iter().filter(|(name, _)| !loader.scope.macros.contains_key(name.as_str())).collect();
    unused.sort_by_key(|(_, definition)| (definition.name_span.source, definition.name_span.start));
    for (name, definition) in unused {
        let word = Word { text: name.clone(), quoted: false, span: definition.name_span };
        loader.builder.condition(&Expr::Macro(word), &mut loader.scope, problems);
    }
}

/// `values` of an exception as a condition; `None` when it has none, or is wrong.
fn exception_expr(exception: &Exception, problems: &mut Problems<'_>) -> Option<Expr> {
    if exception.rows.is_empty() {
        return None;
    }
    if exception.fields.is_empty() {
        problems.error(exception.span, format!("exception `{}` has values, but no `fields`", exception.name));
        return None;
    }
    let mut fields = Vec::with_capacity(exception.fields.len());
    for field in &exception.fields {
        match syntax::parse_field(&field.text, &|_| field.span) {
            Ok((name, end)) if end == field.text.len() => fields.push(name),
            Ok(_) => problems.error(field.span, format!("`{}` is no field", field.text)),
            Err(error) => problems.error_help(error.span, error.message, error.help),
        }
    }
    if fields.len() != exception.fields.len() {
        return None;
    }
    let mut rows = Vec::with_capacity(exception.rows.len());
    for row in &exception.rows {
        let mut parts = Vec::with_capacity(row.len());
        for (at, (field, cell)) in fields.iter().zip(row).enumerate() {
            let comp = exception.comps.get(at);
            let (operator, modifier) = match comp {
                None if cell.is_list => (Operator::In, None),
                None => (Operator::Equal, None),
                Some(comp) => operator(comp, problems)?,
            };
            let span = comp.map_or(exception.span, |comp| comp.span);
            if exception.single && !operator.takes_list() && modifier.is_none() {
                let message = format!(
                    "with one field, `values` is a list, and `{}` takes one value",
                    operator.as_str()
                );
                let help = format!("`in`, `pmatch`, or `{} anyof`", operator.as_str());
                problems.error_help(span, message, Some(help));
                return None;
            }
            let operand = match (modifier, cell.words.as_slice()) {
                (Some(modifier), words) => Operand::Each(modifier, words.to_vec()),
                (None, [only]) if !operator.takes_list() => Operand::One(only.clone()),
                (None, words) => Operand::Many(words.to_vec()),
            };
            let field = field.clone();
            parts.push(Expr::Compare(Box::new(Comparison { field, operator, operator_span: span, operand })));
        }
        rows.push(Expr::And(parts));
    }
    Some(Expr::Or(rows))
}

fn operator(comp: &Word, problems: &mut Problems<'_>) -> Option<(Operator, Option<Modifier>)> {
    let found = syntax::parse_operator(&comp.text);
    if found.is_none() {
        let all = Operator::WORDS.into_iter().chain(Operator::SIGNS);
        let help = did_you_mean(&comp.text, all.map(|(word, _)| word));
        problems.error_help(comp.span, format!("`{}` is no operator", comp.text), help);
    }
    found
}
