//! Sigma's condition language: names of searches, `1 of selection*`, `all of them`, `and`, `or`, `not`.

use crate::{suggest::did_you_mean, syntax::Expr};

/// Parentheses and `not`s inside each other.
const MAX_DEPTH: usize = 100;
/// Words of one condition.
const MAX_WORDS: usize = 10_000;

/// Values that searches may stand for in one condition, so that naming a large one often stays cheap.
const MAX_VALUES: usize = 1 << 18;

/// A part of the detection that the condition names.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pub(super) name: &'a str,
    pub(super) expr: Expr,
    /// Values in it.
    pub(super) size: usize,
}

/// Why a text is no condition: what is wrong, and what may help.
pub(super) type Wrong = (String, Option<String>);

/// The condition that `text` makes of the searches.
pub(super) fn parse(text: &str, searches: &[Search<'_>]) -> Result<Expr, Wrong> {
    if let Some((_, aggregate)) = text.split_once('|') {
        return Err((format!("counting (`|{aggregate}`) is not a condition of one record"), None));
    }
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    if words.len() > MAX_WORDS {
        return Err((format!("this condition is longer than {MAX_WORDS} words"), None));
    }
    let mut parser = Parser { words: &words, searches, depth: 0, values: 0 };
    let expr = parser.or()?;
    match parser.words.first() {
        None => Ok(expr),
        Some(word) => Err((format!("expected `and` or `or`, found `{word}`"), None)),
    }
}

struct Parser<'p> {
    words: &'p [&'p str],
    searches: &'p [Search<'p>],
    depth: usize,
    values: usize,
}

impl<'p> Parser<'p> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.first().is_some_and(|next| next.eq_ignore_ascii_case(word));
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn next(&mut self) -> Result<&'p str, Wrong> {
        let (first, rest) =
            self.words.split_first().ok_or_else(|| ("the condition ends too early".to_owned(), None))?;
        self.words = rest;
        Ok(first)
    }

    fn or(&mut self) -> Result<Expr, Wrong> {
        let mut parts = vec![self.and()?];
        while self.take("or") {
            parts.push(self.and()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    fn and(&mut self) -> Result<Expr, Wrong> {
        let mut parts = vec![self.not()?];
        while self.take("and") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }

    fn not(&mut self) -> Result<Expr, Wrong> {
        let mut negated = false;
        while self.take("not") {
            negated = !negated;
        }
        let expr = self.primary()?;
        Ok(if negated { Expr::Not(Box::new(expr)) } else { expr })
    }

    fn primary(&mut self) -> Result<Expr, Wrong> {
        let word = self.next()?;
        if word == "(" {
            if self.depth >= MAX_DEPTH {
                return Err((format!("nested deeper than {MAX_DEPTH} parentheses"), None));
            }
            self.depth += 1;
            let expr = self.or()?;
            self.depth -= 1;
            let closed = self.take(")");
            return if closed { Ok(expr) } else { Err(("a `(` is not closed".to_owned(), None)) };
        }
        if let Some(all) = quantifier(word)
            && self.take("of")
        {
            let pattern = self.next()?;
            let searches = self.searches.iter().filter(|search| matches(pattern, search.name));
            let found: Vec<_> = searches.map(|search| self.search(search)).collect::<Result<_, _>>()?;
            if found.is_empty() {
                return Err((format!("no search is named `{pattern}`"), None));
            }
            return Ok(if all { Expr::And(found) } else { Expr::Or(found) });
        }
        if let Some(search) = self.searches.iter().find(|search| search.name == word) {
            return self.search(search);
        }
        let help = did_you_mean(word, self.searches.iter().map(|search| search.name));
        Err((format!("there is no search `{word}`"), help))
    }
}

impl Parser<'_> {
    fn search(&mut self, search: &Search<'_>) -> Result<Expr, Wrong> {
        self.values += search.size;
        if self.values > MAX_VALUES {
            return Err((format!("this condition stands for more than {MAX_VALUES} values"), None));
        }
        Ok(search.expr.clone())
    }
}

/// Whether all are meant, and not any.
fn quantifier(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "all" => Some(true),
        "1" | "any" => Some(false),
        _ => None,
    }
}

/// `them` leaves out searches whose name begins with `_`.
fn matches(pattern: &str, name: &str) -> bool {
    if pattern.eq_ignore_ascii_case("them") {
        return !name.starts_with('_');
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
