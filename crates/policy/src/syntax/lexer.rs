//! Words, values and signs of a condition. What a character means depends on what is expected, as in Falco's own
//! grammar, so the parser asks for one thing at a time.

use std::ops::Range;

use super::tree::Operator;

/// A place in the text of a condition.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// A string that has no closing quote.
#[derive(Debug)]
pub(super) struct Unclosed {
    pub(super) range: Range<usize>,
}

/// A value as written: unescaped text, whether it was quoted, and where it stood.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) quoted: bool,
    pub(super) range: Range<usize>,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl<'a> Cursor<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest().is_empty()
    }

    /// Takes `sign` if it comes next.
    pub(super) fn sign(&mut self, sign: char) -> bool {
        self.skip_blanks();
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len_utf8();
        }
        found
    }

    /// Takes the keyword `word` if it comes next and ends there.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let found = self
            .rest()
            .strip_prefix(word)
            .is_some_and(|after| !after.starts_with(|c: char| is_word(c) || c == '.'));
        if found {
            self.at += word.len();
        }
        found
    }

    /// Takes `letters.digits_and.dots`, the name of a field or macro.
    pub(super) fn name(&mut self) -> Option<Range<usize>> {
        self.skip_blanks();
        let rest = self.rest();
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return None;
        }
        let len = rest.find(|c: char| !is_word(c) && c != '.').unwrap_or(rest.len());
        let start = self.at;
        self.at += len;
        Some(start..self.at)
    }

    /// Takes `[argument]` when it follows without a blank; quotes around the argument are dropped.
    pub(super) fn argument(&mut self) -> Result<Option<String>, Unclosed> {
        let start = self.at;
        if !self.rest().starts_with('[') {
            return Ok(None);
        }
        let Some(end) = self.rest().find(']') else {
            return Err(Unclosed { range: start..start + 1 });
        };
        let inner = &self.rest()[1..end];
        self.at += end + 1;
        let quoted = inner
            .strip_prefix('"')
            .and_then(|i| i.strip_suffix('"'))
            .or_else(|| inner.strip_prefix('\'').and_then(|i| i.strip_suffix('\'')));
        Ok(Some(quoted.unwrap_or(inner).trim().to_owned()))
    }

    pub(super) fn operator(&mut self) -> Option<(Operator, Range<usize>)> {
        self.skip_blanks();
        let start = self.at;
        for (sign, operator) in Operator::SIGNS {
            if self.rest().starts_with(sign) {
                self.at += sign.len();
                return Some((operator, start..self.at));
            }
        }
        for (word, operator) in Operator::WORDS {
            if self.keyword(word) {
                return Some((operator, start..self.at));
            }
        }
        None
    }

    /// Takes a quoted or bare value. A bare one ends at a blank, parenthesis, comma, quote or `=`.
    pub(super) fn value(&mut self) -> Result<Option<Value>, Unclosed> {
        self.skip_blanks();
        let start = self.at;
        let rest = self.rest();
        if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            return self.quoted(quote).map(Some);
        }
        let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '"' | '\'' | '=');
        let len = rest.find(ends).unwrap_or(rest.len());
        if len == 0 {
            return Ok(None);
        }
        self.at += len;
        Ok(Some(Value { text: rest[..len].to_owned(), quoted: false, range: start..self.at }))
    }

    fn quoted(&mut self, quote: char) -> Result<Value, Unclosed> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at = start + at + 1;
                    return Ok(Value { text, quoted: true, range: start..self.at });
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('"' | '\'' | '\\' | '/'))) => text.push(c),
                    Some((_, 'b')) => text.push('\u{8}'),
                    Some((_, 'f')) => text.push('\u{c}'),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    // Falco reads an escaped blank as the backslash alone: shipped rules once held it.
                    Some((_, ' ')) => text.push('\\'),
                    Some((at, 'x')) => match ascii(&self.rest()[at + 1..]) {
                        Some(c) => {
                            text.push(c);
                            chars.nth(1);
                        }
                        None => text.push_str("\\x"),
                    },
                    // An escape that strings do not know belongs to the pattern in the string: `\.`, `\d`.
                    Some((_, c)) => text.extend(['\\', c]),
                    None => {}
                },
                c => text.push(c),
            }
        }
        self.at = self.text.len();
        Err(Unclosed { range: start..start + 1 })
    }
}

/// The character of two hexadecimal digits. Above ASCII they would be half a character of UTF-8.
fn ascii(digits: &str) -> Option<char> {
    let digits = digits.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii).map(char::from)
}
