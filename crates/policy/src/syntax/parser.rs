//! Condition text in, tree out. `and` binds tighter than `or`, `not` binds to what follows it.

use std::ops::Range;

use super::{
    lexer::{Cursor, Unclosed},
    tree::{Call, Combine, Comparison, Expr, FieldName, Function, Modifier, Operand, Operator, Word},
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

/// Parses the field, or function of fields, at the start of `text`, and says where it ends.
pub(crate) fn parse_field(
    text: &str,
    span: &dyn Fn(Range<usize>) -> Span,
) -> Result<(FieldName, usize), Box<ParseError>> {
    let mut parser = Parser { cursor: Cursor { text, at: 0 }, span, depth: 0 };
    let field = parser.term()?;
    Ok((field, parser.cursor.at))
}

/// An operator as exceptions name it: `in`, `startswith`, `startswith anyof`.
pub(crate) fn parse_operator(text: &str) -> Option<(Operator, Option<Modifier>)> {
    let mut words = text.split_whitespace();
    let (first, second) = (words.next()?, words.next());
    let all = Operator::WORDS.into_iter().chain(Operator::SIGNS);
    let operator = all.into_iter().find(|(word, _)| *word == first)?.1;
    let modifier = match second {
        None => None,
        Some(word) => Some(Modifier::WORDS.into_iter().find(|(known, _)| *known == word)?.1),
    };
    let fits = modifier.is_none() || operator.takes_modifier();
    (fits && words.next().is_none()).then_some((operator, modifier))
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
            let field = self.function(range)?;
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
        let argument = self.argument()?;
        Ok(FieldName::plain(name, argument, (self.span)(range.start..self.cursor.at)))
    }

    fn argument(&mut self) -> Parsed<Option<String>> {
        match self.cursor.argument() {
            Ok(argument) => Ok(argument),
            Err(unclosed) => self.unclosed(&unclosed, "`[`"),
        }
    }

    /// A field, or a function of fields and values.
    fn term(&mut self) -> Parsed<FieldName> {
        let Some(range) = self.cursor.name() else {
            let (range, found) = self.next();
            return self.error(range, format!("expected a field, found {found}"));
        };
        if self.cursor.rest().starts_with('(') { self.function(range) } else { self.field(range) }
    }

    /// `f(…)`; `val` changes nothing, it only says that a field is meant.
    fn function(&mut self, name: Range<usize>) -> Parsed<FieldName> {
        let text = &self.cursor.text[name.clone()];
        let function = Function::NAMES.iter().find(|(known, _)| *known == text).map(|(_, f)| *f);
        let combine = Combine::NAMES.iter().find(|(known, _)| *known == text).map(|(_, c)| c.clone());
        if function.is_none() && combine.is_none() && text != "val" {
            let names =
                || Function::NAMES.iter().map(|(n, _)| *n).chain(Combine::NAMES.iter().map(|(n, _)| *n));
            let help = did_you_mean(text, names().chain(["val"]))
                .unwrap_or_else(|| format!("one of {}, val", names().collect::<Vec<_>>().join(", ")));
            return self.error_help(name.clone(), format!("there is no function `{text}`"), Some(help));
        }
        let open = self.cursor.at;
        if self.depth >= MAX_DEPTH {
            return self.error(open..open + 1, format!("nested deeper than {MAX_DEPTH} parentheses"));
        }
        self.depth += 1;
        self.cursor.sign('(');
        let mut arguments = Vec::new();
        if text == "val" {
            arguments.push(self.term()?);
            if !self.cursor.sign(')') {
                return self.error(open..open + 1, "this `(` is not closed");
            }
        } else {
            self.arguments(open, &mut arguments)?;
        }
        self.depth -= 1;
        if let Some(combine) = combine {
            let wanted = match combine {
                Combine::Concat if arguments.len() < 2 => Some("two values or more"),
                Combine::Join if arguments.len() != 2 => Some("a separator and a list"),
                Combine::GetOpt if arguments.len() != 2 => {
                    Some("a list of arguments and the letters of the options")
                }
                _ => None,
            };
            if let Some(wanted) = wanted {
                return self.error(name.clone(), format!("`{text}` takes {wanted}"));
            }
            let argument = if combine == Combine::GetOpt { self.argument()? } else { None };
            if argument.as_ref().is_some_and(|letter| letter.chars().count() != 1) {
                return self.error(name.clone(), "`getopt(…)[…]` takes the letter of one option");
            }
            let call = Some(Box::new(Call { combine, arguments }));
            let span = (self.span)(name.start..self.cursor.at);
            return Ok(FieldName { name: text.to_owned(), argument, call, functions: Vec::new(), span });
        }
        let count = arguments.len();
        let (Some(mut field), 1) = (arguments.pop(), count) else {
            return self.error(name.clone(), format!("`{text}` takes one value"));
        };
        field.functions.extend(function);
        Ok(field)
    }

    /// `a, b)` of a function or list, whose `(` stood at `open`.
    fn arguments(&mut self, open: usize, arguments: &mut Vec<FieldName>) -> Parsed<()> {
        if self.cursor.sign(')') {
            return Ok(());
        }
        loop {
            arguments.push(self.value_or_term()?);
            if self.cursor.sign(')') {
                return Ok(());
            }
            if !self.cursor.sign(',') {
                if self.cursor.at_end() {
                    return self.error(open..open + 1, "this `(` is not closed");
                }
                let (range, found) = self.next();
                return self.error(range, format!("expected `,` or `)`, found {found}"));
            }
        }
    }

    /// An argument of a function: a field or function, a quoted text, a number, or a list of these.
    fn value_or_term(&mut self) -> Parsed<FieldName> {
        self.cursor.skip_blanks();
        let start = self.cursor.at;
        let is_value = |c: char| matches!(c, '"' | '\'' | '+' | '-' | '0'..='9');
        let (name, call) = if self.cursor.sign('(') {
            if self.depth >= MAX_DEPTH {
                return self.error(start..start + 1, format!("nested deeper than {MAX_DEPTH} parentheses"));
            }
            self.depth += 1;
            let mut arguments = Vec::new();
            self.arguments(start, &mut arguments)?;
            self.depth -= 1;
            (String::new(), Call { combine: Combine::List, arguments })
        } else if self.cursor.rest().starts_with(is_value)
            && let Some(word) = self.word()?
        {
            (word.text.clone(), Call { combine: Combine::Text(word.text), arguments: Vec::new() })
        } else {
            return self.term();
        };
        let span = (self.span)(start..self.cursor.at);
        Ok(FieldName { name, argument: None, call: Some(Box::new(call)), functions: Vec::new(), span })
    }

    fn comparison(&mut self, field: FieldName, operator: Operator, at: Range<usize>) -> Parsed<Expr> {
        let operand = self.operand(operator, &at)?;
        let operator_span = (self.span)(at);
        Ok(Expr::Compare(Box::new(Comparison { field, operator, operator_span, operand })))
    }

    fn operand(&mut self, operator: Operator, at: &Range<usize>) -> Parsed<Operand> {
        self.cursor.skip_blanks();
        let start = self.cursor.at;
        if let Some(name) = self.cursor.name()
            && self.cursor.rest().starts_with('(')
            && !Modifier::WORDS.iter().any(|(word, _)| *word == &self.cursor.text[name.clone()])
        {
            return Ok(Operand::Field(self.function(name)?));
        }
        self.cursor.at = start;
        if operator.takes_modifier()
            && let Some(modifier) = self.modifier()
        {
            let open = self.cursor.at;
            let words =
                if self.cursor.sign('(') { self.list(open)? } else { self.word()?.into_iter().collect() };
            return Ok(Operand::Each(modifier, words));
        }
        if operator.takes_list() && self.cursor.sign('(') {
            return Ok(Operand::Many(self.list(start)?));
        }
        if self.cursor.rest().starts_with('(') {
            let message = format!("`{}` takes one value, not a list", operator.as_str());
            let help = match operator {
                Operator::Equal => Some("use `in`".to_owned()),
                _ if operator.takes_modifier() => {
                    Some(format!("`{} anyof`, `oneof` and `allof` do", operator.as_str()))
                }
                _ => None,
            };
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

    /// Takes `oneof`, `anyof` or `allof` when a list or the name of one follows; else it is a value like any other.
    fn modifier(&mut self) -> Option<Modifier> {
        let start = self.cursor.at;
        let found = Modifier::WORDS.into_iter().find(|(word, _)| self.cursor.keyword(word));
        if let Some((_, modifier)) = found {
            self.cursor.skip_blanks();
            let at = self.cursor.at;
            let list = self.cursor.rest().starts_with('(')
                || self
                    .cursor
                    .name()
                    .is_some_and(|name| !["and", "or", "not"].contains(&&self.cursor.text[name]));
            if list {
                self.cursor.at = at;
                return Some(modifier);
            }
        }
        self.cursor.at = start;
        None
    }

    /// The rest of `(a, b, "c d")`; a comma before `)` is allowed.
    fn list(&mut self, start: usize) -> Parsed<Vec<Word>> {
        let mut words = Vec::new();
        loop {
            if self.cursor.sign(')') {
                return Ok(words);
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
