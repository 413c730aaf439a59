//! Definitions of sf-processor's policy files.

use std::ops::Range;

use super::lexer::{self, RULE_KEYS, Sign, Token, TokenKind, is_key};
use crate::{
    file::Problems,
    source::{Source, Span},
    suggest::did_you_mean,
    syntax::Operator,
};

/// Parentheses and `not` inside each other; keeps recursion within a small stack.
const MAX_DEPTH: usize = 200;

/// What one or several files define, before names are looked up.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    pub(super) lists: Vec<List>,
    pub(super) macros: Vec<Macro>,
    pub(super) filters: Vec<Filter>,
    pub(super) rules: Vec<Rule>,
}

#[derive(Debug)]
pub(super) struct List {
    pub(super) name: Atom,
    pub(super) items: Vec<Atom>,
}

#[derive(Debug)]
pub(super) struct Macro {
    pub(super) name: Atom,
    pub(super) condition: Term,
}

/// `drop` or `filter`: records that it holds for are judged by no rule.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) condition: Term,
    pub(super) enabled: bool,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: Atom,
    pub(super) desc: String,
    pub(super) condition: Term,
    pub(super) output: Option<(String, u32)>,
    pub(super) priority: Option<Atom>,
    pub(super) tags: Vec<Atom>,
    pub(super) actions: Vec<Atom>,
    pub(super) prefilter: Vec<Atom>,
    pub(super) enabled: bool,
}

/// A condition with names and values as they are written.
#[derive(Clone, Debug)]
pub(super) enum Term {
    And(Vec<Term>),
    Or(Vec<Term>),
    Not(Box<Term>),
    Macro(Atom),
    Exists(Atom),
    Compare(Atom, Operator, Atom),
    /// `in` or `pmatch`.
    AnyOf(Atom, Operator, Vec<Atom>),
}

/// A name or value, with its quotes.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub(super) text: String,
    pub(super) span: Span,
}

/// `None`: what is wrong was reported.
type Parsed<T> = Option<T>;

/// Reads a file; definitions that are wrong are reported and left out.
pub(super) fn parse(number: u32, source: &Source, all: &mut Definitions, problems: &mut Problems<'_>) {
    let tokens = lexer::tokens(&source.text);
    let mut parser = Parser { number, text: &source.text, tokens: &tokens, at: 0, depth: 0, problems };
    while parser.at < tokens.len() {
        if parser.definition(all).is_none() {
            parser.skip_to_definition();
        }
    }
}

struct Parser<'a, 'p, 's> {
    number: u32,
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    problems: &'p mut Problems<'s>,
}

impl<'a> Parser<'a, '_, '_> {
    fn definition(&mut self, all: &mut Definitions) -> Parsed<()> {
        if !self.take(TokenKind::Dash) {
            return self.expected("a definition, such as `- rule: NAME`");
        }
        let Some(key) = self.take_key() else {
            let found = self.peek_text().unwrap_or_default().to_owned();
            let kinds = ["rule", "macro", "list", "drop", "filter"];
            let help = did_you_mean(&found, kinds);
            let range = self.next_range();
            return self.error_help(range, format!("expected one of {}", kinds.join(", ")), help);
        };
        match key {
            "rule" => all.rules.push(self.rule()?),
            "macro" => {
                let name = self.atom("the macro's name")?;
                let condition = self.condition_of(&name)?;
                if self.take_this_key("append") {
                    let range = self.next_range();
                    if self.truth()? {
                        let message = "`append` does nothing in files of this kind: the last definition wins";
                        self.warning(range, message);
                    }
                }
                all.macros.push(Macro { name, condition });
            }
            "list" => {
                let name = self.atom("the list's name")?;
                if !self.take_this_key("items") {
                    return self.expected("`items:`");
                }
                let items = self.items()?;
                all.lists.push(List { name, items });
            }
            "drop" | "filter" => {
                let name = self.atom("the filter's name")?;
                let condition = self.condition_of(&name)?;
                let enabled = !self.take_this_key("enabled") || self.truth()?;
                all.filters.push(Filter { condition, enabled });
            }
            // Versions of Falco's engine say nothing about this one.
            "required_engine_version" => drop(self.atom("a version")?),
            other => {
                let range = self.tokens[self.at - 2].range.clone();
                let message = format!("`{other}` belongs into a definition, and begins none");
                return self.error_help(range, message, None);
            }
        }
        if self.at < self.tokens.len() && !self.is_definition() {
            return self.expected("the next definition or a key");
        }
        Some(())
    }

    fn rule(&mut self) -> Parsed<Rule> {
        let Some((name, _)) = self.text() else { return self.expected("the rule's name") };
        let mut desc = None;
        let mut condition = None;
        let mut rule = Rule {
            name,
            desc: String::new(),
            condition: Term::Or(Vec::new()),
            output: None,
            priority: None,
            tags: Vec::new(),
            actions: Vec::new(),
            prefilter: Vec::new(),
            enabled: true,
        };
        while let Some(key) = self.take_key() {
            match key {
                "desc" => desc = self.text().map(|(text, _)| text.text),
                "condition" => condition = Some(self.condition()?),
                "output" => rule.output = self.text().map(|(text, start)| (text.text, start)),
                "priority" => rule.priority = Some(self.atom("a priority")?),
                "tags" => rule.tags = self.items()?,
                "actions" => rule.actions = self.items()?,
                "prefilter" => rule.prefilter = self.items()?,
                "enabled" => rule.enabled = self.truth()?,
                "warn_evttypes" | "skip-if-unknown-filter" | "append" => drop(self.atom("a value")?),
                other => {
                    let range = self.tokens[self.at - 2].range.clone();
                    return self.error_help(range, format!("a rule has no `{other}`"), None);
                }
            }
        }
        let Some(condition) = condition else {
            self.problems.error(rule.name.span, format!("rule `{}` has no `condition`", rule.name.text));
            return None;
        };
        rule.desc = desc.unwrap_or_default();
        rule.condition = condition;
        Some(rule)
    }

    fn condition_of(&mut self, name: &Atom) -> Parsed<Term> {
        if !self.take_this_key("condition") {
            self.problems.error(name.span, format!("`{}` has no `condition`", name.text));
            return None;
        }
        self.condition()
    }

    // === conditions ===

    fn condition(&mut self) -> Parsed<Term> {
        let condition = self.or()?;
        if self.at < self.tokens.len() && self.peek_key().is_none() && !self.is_definition() {
            let help = did_you_mean(self.peek_text().unwrap_or_default(), ["and", "or"]);
            let range = self.next_range();
            let found = self.found();
            return self.error_help(range, format!("expected `and` or `or`, found {found}"), help);
        }
        Some(condition)
    }

    fn or(&mut self) -> Parsed<Term> {
        let mut terms = vec![self.and()?];
        while self.take_word("or") {
            terms.push(self.and()?);
        }
        Some(if terms.len() == 1 { terms.remove(0) } else { Term::Or(terms) })
    }

    fn and(&mut self) -> Parsed<Term> {
        let mut terms = vec![self.term()?];
        while self.take_word("and") {
            terms.push(self.term()?);
        }
        Some(if terms.len() == 1 { terms.remove(0) } else { Term::And(terms) })
    }

    fn term(&mut self) -> Parsed<Term> {
        let mut negated = false;
        while self.take_word("not") {
            negated = !negated;
        }
        let term = if self.peek_sign() == Some(Sign::Open) {
            let open = self.next_range();
            self.at += 1;
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return self.error_help(open, format!("nested deeper than {MAX_DEPTH} parentheses"), None);
            }
            let inner = self.or()?;
            self.depth -= 1;
            if !self.take(TokenKind::Sign(Sign::Close)) {
                let found = self.found();
                let message = format!("this `(` is not closed: expected `)`, `and` or `or`, found {found}");
                return self.error_help(open, message, None);
            }
            inner
        } else {
            self.question()?
        };
        Some(if negated { Term::Not(Box::new(term)) } else { term })
    }

    fn question(&mut self) -> Parsed<Term> {
        let left = self.operand("a condition")?;
        if self.take_word("exists") {
            return Some(Term::Exists(left));
        }
        for (word, operator) in [("in", Operator::In), ("pmatch", Operator::PathMatch)] {
            if self.take_word(word) {
                return Some(Term::AnyOf(left, operator, self.values()?));
            }
        }
        match self.operator() {
            Some(operator) => Some(Term::Compare(left, operator, self.operand("a value")?)),
            None => Some(Term::Macro(left)),
        }
    }

    fn operator(&mut self) -> Option<Operator> {
        let operator = match self.tokens.get(self.at)?.kind {
            TokenKind::Sign(sign) => match sign {
                Sign::Less => Operator::Less,
                Sign::LessEqual => Operator::LessEqual,
                Sign::Greater => Operator::Greater,
                Sign::GreaterEqual => Operator::GreaterEqual,
                Sign::Equal => Operator::Equal,
                Sign::NotEqual => Operator::NotEqual,
                _ => return None,
            },
            TokenKind::Word if self.peek_key().is_none() => match self.peek_text()? {
                "contains" => Operator::Contains,
                "icontains" => Operator::IContains,
                "startswith" => Operator::StartsWith,
                "endswith" => Operator::EndsWith,
                _ => return None,
            },
            _ => return None,
        };
        self.at += 1;
        Some(operator)
    }

    /// `(a, b)`; lists in brackets among the values are read and ignored, as sf-processor does.
    fn values(&mut self) -> Parsed<Vec<Atom>> {
        if !self.take(TokenKind::Sign(Sign::Open)) {
            return self.expected("`(` and values");
        }
        let mut values = Vec::new();
        loop {
            if self.peek_sign() == Some(Sign::OpenList) {
                let range = self.next_range();
                self.items()?;
                self.warning(range, "a list in brackets within parentheses is ignored");
            } else {
                values.push(self.operand("a value")?);
            }
            let more = self.take(TokenKind::Sign(Sign::Comma));
            if self.take(TokenKind::Sign(Sign::Close)) {
                return Some(values);
            }
            if !more {
                return self.expected("`,` or `)`");
            }
        }
    }

    /// A word or quoted text that is no key and no operator.
    fn operand(&mut self, what: &str) -> Parsed<Atom> {
        let is_operator = |text: &str| matches!(text, "and" | "or" | "not");
        if self.peek_key().is_some() || self.peek_text().is_some_and(is_operator) {
            return self.expected(what);
        }
        if matches!(self.peek_sign(), Some(Sign::Less | Sign::Greater)) {
            self.at += 1;
            return Some(self.atom_at(self.at - 1));
        }
        self.atom(what)
    }

    // === parts of definitions ===

    /// `[a, b, ]`
    fn items(&mut self) -> Parsed<Vec<Atom>> {
        if !self.take(TokenKind::Sign(Sign::OpenList)) {
            return self.expected("`[`");
        }
        let mut items = Vec::new();
        while !self.take(TokenKind::Sign(Sign::CloseList)) {
            let item = self.atom("an item or `]`")?;
            // Commas in quotes divide as well.
            for part in item.text.split(',') {
                items.push(Atom { text: unquoted(part).to_owned(), span: item.span });
            }
            if !self.take(TokenKind::Sign(Sign::Comma)) && self.peek_sign() != Some(Sign::CloseList) {
                return self.expected("`,` or `]`");
            }
        }
        Some(items)
    }

    /// Go's spelling of truth values; what is none counts as true.
    fn truth(&mut self) -> Parsed<bool> {
        let range = self.next_range();
        let atom = self.atom("true or false")?;
        Some(match unquoted(&atom.text) {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
            other => {
                self.warning(range, format!("`{other}` is neither true nor false, and counts as true"));
                true
            }
        })
    }

    /// Everything up to the next key or definition, as it stands in the file, and where it starts.
    fn text(&mut self) -> Option<(Atom, u32)> {
        let start = self.at;
        let ends = |key: Option<&str>| key.is_some_and(|key| RULE_KEYS.contains(&key));
        while self.at < self.tokens.len() && !ends(self.peek_key()) && !self.is_definition() {
            self.at += 1;
        }
        let range = self.tokens.get(start)?.range.start..self.tokens[start..self.at].last()?.range.end;
        let text = self.text[range.clone()].to_owned();
        Some((Atom { text, span: self.span(&range) }, range.start as u32))
    }

    fn atom(&mut self, what: &str) -> Parsed<Atom> {
        match self.tokens.get(self.at).map(|token| token.kind) {
            Some(TokenKind::Word | TokenKind::Quoted) => {
                self.at += 1;
                Some(self.atom_at(self.at - 1))
            }
            _ => self.expected(what),
        }
    }

    fn atom_at(&self, at: usize) -> Atom {
        let range = &self.tokens[at].range;
        Atom { text: self.text[range.clone()].to_owned(), span: self.span(range) }
    }

    // === tokens ===

    /// A key and its colon.
    fn peek_key(&self) -> Option<&'a str> {
        let [word, colon, ..] = self.tokens.get(self.at..)? else { return None };
        let text = &self.text[word.range.clone()];
        (word.kind == TokenKind::Word && colon.kind == TokenKind::Colon && is_key(text)).then_some(text)
    }

    fn take_key(&mut self) -> Option<&'a str> {
        let key = self.peek_key()?;
        self.at += 2;
        Some(key)
    }

    fn take_this_key(&mut self, key: &str) -> bool {
        let is_it = self.peek_key() == Some(key);
        if is_it {
            self.at += 2;
        }
        is_it
    }

    /// `-` and a key that begins a definition.
    fn is_definition(&self) -> bool {
        let [dash, word, colon, ..] = &self.tokens[self.at.min(self.tokens.len())..] else { return false };
        dash.kind == TokenKind::Dash
            && colon.kind == TokenKind::Colon
            && matches!(
                &self.text[word.range.clone()],
                "rule" | "macro" | "list" | "drop" | "filter" | "required_engine_version"
            )
    }

    fn skip_to_definition(&mut self) {
        self.depth = 0;
        while self.at < self.tokens.len() && !self.is_definition() {
            self.at += 1;
        }
    }

    fn peek_text(&self) -> Option<&'a str> {
        let token = self.tokens.get(self.at)?;
        (token.kind == TokenKind::Word).then(|| &self.text[token.range.clone()])
    }

    fn peek_sign(&self) -> Option<Sign> {
        match self.tokens.get(self.at)?.kind {
            TokenKind::Sign(sign) => Some(sign),
            _ => None,
        }
    }

    fn take(&mut self, kind: TokenKind) -> bool {
        let is_it = self.tokens.get(self.at).is_some_and(|token| token.kind == kind);
        self.at += usize::from(is_it);
        is_it
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_it = self.peek_text() == Some(word);
        self.at += usize::from(is_it);
        is_it
    }

    // === problems ===

    fn next_range(&self) -> Range<usize> {
        let last = self.text.trim_end().len();
        self.tokens.get(self.at).map_or(last.saturating_sub(1)..last, |token| token.range.clone())
    }

    fn found(&self) -> String {
        match self.tokens.get(self.at) {
            Some(token) => {
                format!("`{}`", self.text[token.range.clone()].chars().take(40).collect::<String>())
            }
            None => "the end".to_owned(),
        }
    }

    fn span(&self, range: &Range<usize>) -> Span {
        Span { source: self.number, start: range.start as u32, end: range.end as u32 }
    }

    fn expected<T>(&mut self, what: &str) -> Parsed<T> {
        let (range, found) = (self.next_range(), self.found());
        self.error_help(range, format!("expected {what}, found {found}"), None)
    }

    fn error_help<T>(&mut self, range: Range<usize>, message: String, help: Option<String>) -> Parsed<T> {
        let span = self.span(&range);
        self.problems.error_help(span, message, help);
        None
    }

    fn warning(&mut self, range: Range<usize>, message: impl Into<String>) {
        let span = self.span(&range);
        self.problems.warning_help(span, message, None);
    }
}

/// The text without one quote at each end.
pub(super) fn unquoted(text: &str) -> &str {
    let text = text.strip_prefix(['"', '\'']).unwrap_or(text);
    text.strip_suffix(['"', '\'']).unwrap_or(text)
}
