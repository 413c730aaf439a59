//! Condition text in, tree out. `and` binds tighter than `or`, `not` binds to what follows it.

use std::ops::Range;

use super::{
    lexer::{Cursor, Unclosed},
    tree::{Comparison, Expr, FieldName, Function, Operand, Operator, Word},
};
use crate::{source::Span, suggest::did_you_mean};

/// Parentheses and `not`s inside each other; Falco's own limit is 100.
const MAX_DEPTH: usize = 100;
/// Longest condition in bytes.
const MAX_TEXT: usize = 1 << 20;

/// Why a text is no condition.
#[derive(Debug)]
pub(crate) struct ParseError {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Parses `text`; `span` says where bytes of it stand in their source.
pub(crate) fn parse(text: &str, span: &dyn Fn(Range<usize>) -> Span) -> Result<Expr, Box<ParseError>> {
    let mut parser = Parser { cursor: Cursor { text, at: 0 }, span, depth: 0 };
    if text.len() > MAX_TEXT {
        return parser.error(0..1, format!("this condition is longer than {MAX_TEXT} bytes"));
    }
    if parser.cursor.at_end() {
        return parser.error(0..text.len().max(1), "this condition is empty");
    }
    let expr = parser.or()?;
    if parser.cursor.at_end() { Ok(expr) } else { parser.unexpected() }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    span: &'a dyn Fn(Range<usize>) -> Span,
    depth: usize,
}

type Parsed<T> = Result<T, Box<ParseError>>;

impl Parser<'_> {
    fn error<T>(&self, range: Range<usize>, message: impl Into<String>) -> Parsed<T> {
        self.error_help(range, message, None)
    }

    fn error_help<T>(
        &self,
        range: Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Parsed<T> {
        Err(Box::new(ParseError { span: (self.span)(range), message: message.into(), help }))
    }

    fn unclosed<T>(&self, unclosed: &Unclosed, what: &str) -> Parsed<T> {
        self.error(unclosed.range.clone(), format!("this {what} is not closed"))
    }

    /// Where the next thing is, for messages.
    fn next(&mut self) -> (Range<usize>, String) {
        self.cursor.skip_blanks();
        let rest = self.cursor.rest();
        let at = self.cursor.at;
        if rest.is_empty() {
            let last = self.cursor.text.trim_end().len();
            return (last.saturating_sub(1)..last, "the end".to_owned());
        }
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let word = rest.find(|c: char| !(c.is_alphanumeric() || "_.-/".contains(c))).unwrap_or(rest.len());
        let end = at + word.max(first);
        let shown: String = self.cursor.text[at..end].chars().take(40).collect();
        (at..end, format!("`{shown}`"))
    }

    fn unexpected<T>(&mut self) -> Parsed<T> {
        let (range, found) = self.next();
        if found == "`)`" {
            return self.error(range, "this `)` closes nothing");
        }
        let help = did_you_mean(found.trim_matches('`'), ["and", "or"]);
        self.error_help(range, format!("expected `and` or `or`, found {found}"), help)
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut terms = vec![self.and()?];
        while self.cursor.keyword("or") {
            terms.push(self.and()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Expr::Or(terms) })
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut terms = vec![self.not()?];
        while self.cursor.keyword("and") {
            terms.push(self.not()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Expr::And(terms) })
    }

    fn not(&mut self) -> Parsed<Expr> {
        let mut negated = false;
        while self.cursor.keyword("not") {
            negated = !negated;
        }
        let expr = self.primary()?;
        Ok(if negated { Expr::Not(Box::new(expr)) } else { expr })
    }

    fn primary(&mut self) -> Parsed<Expr> {
        self.cursor.skip_blanks();
        let start = self.cursor.at;
        if self.cursor.sign('(') {
            if self.depth >= MAX_DEPTH {
                return self.error(start..start + 1, format!("nested deeper than {MAX_DEPTH} parentheses"));
            }
            self.depth += 1;
            let expr = self.or()?;
            self.depth -= 1;
            if self.cursor.sign(')') {
                return Ok(expr);
            }
            if self.cursor.at_end() {
                return self.error(start..start + 1, "this `(` is not closed");
            }
            return self.unexpected();
        }
        let Some(range) = self.cursor.name() else {
            let (range, found) = self.next();
            return self.error(range, format!("expected a field, a macro, `not` or `(`, found {found}"));
        };
        self.named(range)
    }

    /// A field with its comparison, or a macro.
    fn named(&mut self, range: Range<usize>) -> Parsed<Expr> {
        let name = self.cursor.text[range.clone()].to_owned();
        if self.cursor.rest().starts_with('(') {
            self.cursor.at = range.start;
            let field = self.function_of_field()?;
            return self.check(field, &name);
        }
        if let Some(word) = ["and", "or", "exists"].into_iter().find(|word| *word == name) {
            return self.error(range, format!("`{word}` has nothing on its left side"));
        }
        let field = self.field(range.clone())?;
        if !name.contains('.') && field.argument.is_none() {
            let at = self.cursor.at;
            let is_field = self.cursor.keyword("exists") || self.cursor.operator().is_some();
            self.cursor.at = at;
            if !is_field {
                return Ok(Expr::Macro(Word { text: name, quoted: false, span: (self.span)(range) }));
            }
        }
        self.check(field, &name)
    }

    /// What stands behind a field: `exists`, or an operator and values.
    fn check(&mut self, field: FieldName, name: &str) -> Parsed<Expr> {
        if self.cursor.keyword("exists") {
            return Ok(Expr::Exists(field));
        }
        if let Some((operator, at)) = self.cursor.operator() {
            return self.comparison(field, operator, at);
        }
        let (range, found) = self.next();
        let words = Operator::WORDS.iter().map(|(word, _)| *word).chain(["exists"]);
        let help = did_you_mean(found.trim_matches('`'), words);
        self.error_help(range, format!("expected an operator after `{name}`, found {found}"), help)
    }

    fn field(&mut self, range: Range<usize>) -> Parsed<FieldName> {
        let name = self.cursor.text[range.clone()].to_owned();
        match self.cursor.argument() {
            Ok(argument) => {
                let span = (self.span)(range.start..self.cursor.at);
                Ok(FieldName { name, argument, functions: Vec::new(), span })
            }
            Err(unclosed) => self.unclosed(&unclosed, "`[`"),
        }
    }

    /// `f(g(field))`; `val` changes nothing, it only says that a field is meant.
    fn function_of_field(&mut self) -> Parsed<FieldName> {
        let mut functions = Vec::new();
        let mut open = Vec::new();
        loop {
            let Some(range) = self.cursor.name() else {
                let (range, found) = self.next();
                return self.error(range, format!("expected a field, found {found}"));
            };
            if !self.cursor.rest().starts_with('(') {
                let mut field = self.field(range)?;
                for range in open.into_iter().rev() {
                    if !self.cursor.sign(')') {
                        return self.error(range, "this `(` is not closed");
                    }
                }
                functions.reverse();
                field.functions = functions;
                return Ok(field);
            }
            let name = &self.cursor.text[range.clone()];
            match Function::NAMES.iter().find(|(known, _)| *known == name) {
                Some((_, function)) => functions.push(*function),
                None if name == "val" => {}
                None => {
                    let names = Function::NAMES.map(|(name, _)| name);
                    let help = did_you_mean(name, names)
                        .unwrap_or_else(|| format!("one of {}, val", names.join(", ")));
                    return self.error_help(
                        range.clone(),
                        format!("there is no function `{name}`"),
                        Some(help),
                    );
                }
            }
            open.push(self.cursor.at..self.cursor.at + 1);
            self.cursor.sign('(');
        }
    }

    fn comparison(&mut self, field: FieldName, operator: Operator, at: Range<usize>) -> Parsed<Expr> {
        let operand = self.operand(operator, &at)?;
        let operator_span = (self.span)(at);
        Ok(Expr::Compare(Box::new(Comparison { field, operator, operator_span, operand })))
    }

    fn operand(&mut self, operator: Operator, at: &Range<usize>) -> Parsed<Operand> {
        self.cursor.skip_blanks();
        let start = self.cursor.at;
        if self.cursor.name().is_some() && self.cursor.rest().starts_with('(') {
            self.cursor.at = start;
            return Ok(Operand::Field(self.function_of_field()?));
        }
        self.cursor.at = start;
        if operator.takes_list() && self.cursor.sign('(') {
            return self.list(start);
        }
        if self.cursor.rest().starts_with('(') {
            let message = format!("`{}` takes one value, not a list", operator.as_str());
            let help = matches!(operator, Operator::Equal).then(|| "use `in`".to_owned());
            return self.error_help(at.clone(), message, help);
        }
        match self.word()? {
            // Without parentheses it is the name of a list, or a list of one value.
            Some(word) if operator.takes_list() => Ok(Operand::Many(vec![word])),
            Some(word) => Ok(Operand::One(word)),
            None => {
                let (range, found) = self.next();
                self.error(range, format!("expected a value after `{}`, found {found}", operator.as_str()))
            }
        }
    }

    /// The rest of `(a, b, "c d")`; a comma before `)` is allowed.
    fn list(&mut self, start: usize) -> Parsed<Operand> {
        let mut words = Vec::new();
        loop {
            if self.cursor.sign(')') {
                return Ok(Operand::Many(words));
            }
            let Some(word) = self.word()? else {
                if self.cursor.at_end() {
                    return self.error(start..start + 1, "this `(` is not closed");
                }
                let (range, found) = self.next();
                return self.error(range, format!("expected a value, found {found}"));
            };
            words.push(word);
            if !self.cursor.sign(',') && !self.cursor.rest().starts_with(')') {
                if self.cursor.at_end() {
                    return self.error(start..start + 1, "this `(` is not closed");
                }
                let (range, found) = self.next();
                return self.error(range, format!("expected `,` or `)`, found {found}"));
            }
        }
    }

    fn word(&mut self) -> Parsed<Option<Word>> {
        match self.cursor.value() {
            Ok(value) => Ok(value.map(|value| Word {
                text: value.text,
                quoted: value.quoted,
                span: (self.span)(value.range),
            })),
            Err(unclosed) => self.unclosed(&unclosed, "quote"),
        }
    }
}
