//! Values and modifiers of Sigma's searches.

use crate::syntax::Operator;

/// What a field is asked, before its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Modifiers {
    pub(super) place: Place,
    pub(super) encoding: Encoding,
    /// Two bytes a character before the encoding.
    pub(super) wide: bool,
    /// All values must pass, not any.
    pub(super) all: bool,
    /// Letters' case counts.
    pub(super) cased: bool,
    pub(super) negated: bool,
    /// Flags of `re`.
    pub(super) flags: Flags,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    #[default]
    Whole,
    Contains,
    StartsWith,
    EndsWith,
    Regex,
    Cidr,
    Exists,
    /// The value names another field.
    Field,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    None,
    Base64,
    /// At each of the three places that it can have in a longer text.
    Base64Offset,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    ignore_case: bool,
    multi_line: bool,
}

/// Longest value in bytes: encoding one makes it longer.
const MAX_VALUE: usize = 1 << 16;

impl Modifiers {
    /// `contains|all` and the like; the error names the modifier that is not known.
    pub(super) fn parse<'t>(words: impl Iterator<Item = &'t str>) -> Result<Self, &'t str> {
        let mut all = Self::default();
        for word in words {
            match word {
                "contains" => all.place = Place::Contains,
                "startswith" => all.place = Place::StartsWith,
                "endswith" => all.place = Place::EndsWith,
                "re" => all.place = Place::Regex,
                "cidr" => all.place = Place::Cidr,
                "exists" => all.place = Place::Exists,
                "fieldref" => all.place = Place::Field,
                "lt" => all.place = Place::Less,
                "lte" => all.place = Place::LessEqual,
                "gt" => all.place = Place::Greater,
                "gte" => all.place = Place::GreaterEqual,
                "base64" => all.encoding = Encoding::Base64,
                "base64offset" => all.encoding = Encoding::Base64Offset,
                "wide" | "utf16le" => all.wide = true,
                "all" => all.all = true,
                "cased" => all.cased = true,
                "neq" => all.negated = true,
                "i" if all.place == Place::Regex => all.flags.ignore_case = true,
                "m" if all.place == Place::Regex => all.flags.multi_line = true,
                // A dot stands for any character here, as Falco has it.
                "s" if all.place == Place::Regex => {}
                other => return Err(other),
            }
        }
        Ok(all)
    }

    /// The texts that one value stands for.
    pub(super) fn encoded(self, value: &str) -> Result<Vec<String>, String> {
        if value.len() > MAX_VALUE {
            return Err(format!("a value is longer than {MAX_VALUE} bytes"));
        }
        let bytes: Vec<u8> = if self.wide {
            value.encode_utf16().flat_map(u16::to_le_bytes).collect()
        } else {
            value.as_bytes().to_vec()
        };
        match self.encoding {
            Encoding::None if self.wide => Err("`wide` needs `base64` or `base64offset`".to_owned()),
            Encoding::None => Ok(vec![value.to_owned()]),
            Encoding::Base64 => Ok(vec![base64(&bytes)]),
            Encoding::Base64Offset => Ok((0..3)
                .map(|before| {
                    let padded: Vec<u8> =
                        std::iter::repeat_n(b' ', before).chain(bytes.iter().copied()).collect();
                    let text = base64(&padded);
                    let text = text.trim_end_matches('=');
                    // Characters that also hold bits of what stands before and behind are left out.
                    let start = [0, 2, 3][before];
                    let end = text.len() - usize::from(!padded.len().is_multiple_of(3));
                    text.get(start..end).unwrap_or_default().to_owned()
                })
                .collect()),
        }
    }

    /// Operator and operand for one text. In Sigma's texts `*` and `?` are wildcards, and case does not count.
    pub(super) fn comparison(self, text: &str) -> (Operator, String) {
        let (before, after) = match self.place {
            Place::Contains => ("*", "*"),
            Place::StartsWith => ("", "*"),
            Place::EndsWith => ("*", ""),
            Place::Regex => {
                let flags = match (self.flags.ignore_case, self.flags.multi_line) {
                    (true, true) => "(?im)",
                    (true, false) => "(?i)",
                    (false, true) => "(?m)",
                    (false, false) => "",
                };
                // Found anywhere; Falco's expressions are anchored.
                return (Operator::Regex, format!("(?s:.*){flags}(?:{text})(?s:.*)"));
            }
            _ => ("", ""),
        };
        let cased = self.cased || self.encoding != Encoding::None;
        match literal(text) {
            // What an encoding made holds no wildcards.
            Some(plain) if cased || self.place == Place::Contains => {
                let operator = match (self.place, cased) {
                    (Place::Contains, true) => Operator::Contains,
                    (Place::Contains, false) => Operator::IContains,
                    (Place::StartsWith, _) => Operator::StartsWith,
                    (Place::EndsWith, _) => Operator::EndsWith,
                    _ => Operator::Equal,
                };
                (operator, plain)
            }
            _ => {
                let operator = if cased { Operator::Glob } else { Operator::IGlob };
                (operator, format!("{before}{}{after}", glob(text)))
            }
        }
    }
}

/// One character of a Sigma text.
enum Part {
    Char(char),
    Wildcard(char),
}

/// `\*` and `\?` are no wildcards, `\\` before one is a backslash, any other backslash is itself.
fn parts(text: &str) -> impl Iterator<Item = Part> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || match chars.next()? {
        c @ ('*' | '?') => Some(Part::Wildcard(c)),
        '\\' => Some(Part::Char(chars.next_if(|c| matches!(c, '*' | '?' | '\\')).unwrap_or('\\'))),
        c => Some(Part::Char(c)),
    })
}

/// The text without escapes, when there is no wildcard in it.
pub(super) fn literal(text: &str) -> Option<String> {
    parts(text)
        .map(|part| match part {
            Part::Char(c) => Some(c),
            Part::Wildcard(_) => None,
        })
        .collect()
}

fn glob(text: &str) -> String {
    let mut glob = String::with_capacity(text.len() + 8);
    for part in parts(text) {
        match part {
            Part::Wildcard(c) => glob.push(c),
            Part::Char(c) => {
                if matches!(c, '*' | '?' | '[' | '\\' | '(') {
                    glob.push('\\');
                }
                glob.push(c);
            }
        }
    }
    glob
}

/// Base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len() / 3 * 4 + 4);
    for chunk in bytes.chunks(3) {
        let group =
            (0..3).fold(0u32, |group, at| group << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            if at <= chunk.len() {
                text.push(char::from(DIGITS[(group >> (18 - 6 * at)) as usize & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_encoded_at_each_place() {
        let modifiers = Modifiers::parse(["base64offset", "contains"].into_iter()).unwrap();
        let found = modifiers.encoded("/bin/bash").unwrap();
        // `x/bin/bash`, `xx/bin/bash` and `/bin/bash` with anything around them.
        assert_eq!(found, ["L2Jpbi9iYXNo", "9iaW4vYmFza", "vYmluL2Jhc2"]);
        for (text, at) in [(" /bin/bash", 1), ("  /bin/bash!", 2), ("abc/bin/bash;", 0)] {
            assert!(base64(text.as_bytes()).contains(&found[at]), "{text}");
        }
        assert_eq!(base64(b"ab"), "YWI=");
        assert_eq!(base64(b""), "");
    }

    #[test]
    fn wildcards_and_escapes() {
        assert_eq!(literal(r"a\*b"), Some("a*b".to_owned()));
        assert_eq!(literal(r"a\b"), Some(r"a\b".to_owned()));
        assert_eq!(literal("a*b"), None);
        assert_eq!(glob(r"*[x](\?)\\*"), r"*\[x]\(\?)\\*");
    }
}
