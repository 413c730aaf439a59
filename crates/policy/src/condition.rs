//! A condition on its own, as command lines and queries have it.

use sysflow::Joined;

use crate::{
    compile::{Builder, NodeId, Program, Scope, Scratch},
    context::{Context, NoContext},
    diagnostic::{Diagnostics, Severity},
    file::{Library, Passage, Problems},
    kinds::KindSet,
    source::Source,
    syntax,
};

/// A compiled condition.
///
/// ```
/// let condition = sysflow_policy::Condition::parse("sf.opflags = EXEC and sf.proc.name in (sh, bash)")?;
/// assert!(condition.kinds().contains(sysflow::record::Kind::ProcessEvent));
/// # Ok::<(), sysflow_policy::Diagnostics>(())
/// ```
#[derive(Debug)]
pub struct Condition {
    program: Program,
    root: NodeId,
    kinds: KindSet,
}

impl Condition {
    /// Compiles a condition without macros and lists. A field that records cannot answer is an error here.
    pub fn parse(text: &str) -> Result<Self, Diagnostics> {
        let sources = [Source::new("condition", text)];
        let mut problems = Problems { sources: &sources, found: Diagnostics::default() };
        let offsets = (0..text.len() as u32).collect();
        let text = Passage::new(text, 0, offsets);
        let library = Library::default();
        let mut builder = Builder::default();
        let compiled = match syntax::parse(&text.text, &|range| text.span(range)) {
            Ok(expr) => builder.condition(&expr, &mut Scope::new(&library), &mut problems),
            Err(error) => {
                problems.error_help(error.span, error.message, error.help);
                None
            }
        };
        let Some(compiled) = compiled else { return Err(problems.found) };
        for cannot in &compiled.cannot {
            let message = format!("no record can answer `{}`", cannot.field);
            problems.push(Severity::Error, cannot.span, message, |error| error.notes([&cannot.reason]));
        }
        if problems.found.has_errors() {
            return Err(problems.found);
        }
        let kinds = builder.kinds(compiled.node);
        Ok(Self { program: builder.program, root: compiled.node, kinds })
    }

    pub(crate) fn program(&self) -> (&Program, NodeId) {
        (&self.program, self.root)
    }

    /// Record kinds on which it can hold.
    pub fn kinds(&self) -> KindSet {
        self.kinds
    }

    /// Whether `record` satisfies it.
    pub fn matches(&self, record: &Joined<'_>) -> bool {
        self.matches_with(record, &mut Scratch::default())
    }

    /// The same with working memory that is kept between records.
    pub fn matches_with(&self, record: &Joined<'_>, scratch: &mut Scratch) -> bool {
        self.matches_in(record, &NoContext, scratch)
    }

    /// The same with what was seen before `record`, for stateful attributes.
    pub fn matches_in(&self, record: &Joined<'_>, context: &dyn Context, scratch: &mut Scratch) -> bool {
        self.kinds.contains(record.record.kind())
            && self.program.judge_alone(record, context, scratch).holds(self.root)
    }
}
