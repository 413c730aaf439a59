//! Words and signs of sf-processor's policy files.
//!
//! The files look like YAML and are not: indentation means nothing, tabs are blanks, a value may hold `: `. As in
//! their own grammar the longest token wins, and what is no token at all is kept as a sign of its own: texts of names
//! and descriptions may hold anything.

use std::ops::Range;

/// Words that begin a definition, or a part of one that is no rule, when a `:` follows.
const DEFINITION_KEYS: [&str; 7] =
    ["rule", "filter", "drop", "macro", "list", "items", "required_engine_version"];

/// Keys of a rule behind its name: they end a text.
pub(super) const RULE_KEYS: [&str; 11] = [
    "desc",
    "condition",
    "output",
    "actions",
    "priority",
    "tags",
    "prefilter",
    "enabled",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "append",
];

/// Whether `word` begins something when a `:` follows.
pub(super) fn is_key(word: &str) -> bool {
    DEFINITION_KEYS.contains(&word) || RULE_KEYS.contains(&word)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// `-` in front of a definition.
    Dash,
    /// `:` behind a key, with the `>` of YAML's folded texts.
    Colon,
    /// Name, path or number, without quotes.
    Word,
    /// Text in quotes.
    Quoted,
    Sign(Sign),
    /// What conditions do not know; texts may hold it.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) range: Range<usize>,
}

/// Cuts a file into tokens; comments and blanks are gone.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    let mut starts_line = true;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            starts_line |= first == '\n';
            at += first.len_utf8();
            continue;
        }
        if first == '#' {
            at += text[at..].find('\n').unwrap_or(text.len() - at);
            continue;
        }
        let is_key_place = starts_line || tokens.last().is_some_and(|last| last.kind == TokenKind::Dash);
        let (kind, len) = token(&text[at..], first, is_key_place);
        tokens.push(Token { kind, range: at..at + len });
        at += len;
        starts_line = false;
    }
    tokens
}

fn token(rest: &str, first: char, is_key_place: bool) -> (TokenKind, usize) {
    let bytes = rest.as_bytes();
    let followed = |byte| bytes.get(1) == Some(&byte);
    let sign = |sign, len| (TokenKind::Sign(sign), len);
    match first {
        '-' => (TokenKind::Dash, 1),
        ':' => {
            let blanks = rest[1..].len() - rest[1..].trim_start_matches(' ').len();
            let folds = rest[1 + blanks..].starts_with('>');
            (TokenKind::Colon, if folds { 2 + blanks } else { 1 })
        }
        '<' if followed(b'=') => sign(Sign::LessEqual, 2),
        '<' => sign(Sign::Less, 1),
        '>' if followed(b'=') => sign(Sign::GreaterEqual, 2),
        '>' => sign(Sign::Greater, 1),
        '=' => sign(Sign::Equal, 1),
        '!' if followed(b'=') => sign(Sign::NotEqual, 2),
        '(' => sign(Sign::Open, 1),
        ')' => sign(Sign::Close, 1),
        '[' => sign(Sign::OpenList, 1),
        ']' => sign(Sign::CloseList, 1),
        ',' => sign(Sign::Comma, 1),
        '"' | '\'' => quoted(rest, first),
        '\\' if followed(b'"') => between(rest, r#"\""#),
        _ => match word(rest, is_key_place) {
            0 => (TokenKind::Other, first.len_utf8()),
            len => (TokenKind::Word, len),
        },
    }
}

/// `"…"`, `'…'` or `''…''`, within the line.
fn quoted(rest: &str, quote: char) -> (TokenKind, usize) {
    if let Some(inner) = rest.strip_prefix("''")
        && inner.starts_with(|c: char| !(c.is_whitespace() || matches!(c, ',' | ')' | ']' | '\'')))
        && let found @ (TokenKind::Quoted, _) = between(rest, "''")
    {
        return found;
    }
    between(rest, if quote == '"' { "\"" } else { "'" })
}

/// A text that ends with the quotes that it begins with; without an end the quotes are a sign like any other.
fn between(rest: &str, quotes: &str) -> (TokenKind, usize) {
    let line = &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())];
    match line[quotes.len()..].find(quotes) {
        Some(end) => (TokenKind::Quoted, end + 2 * quotes.len()),
        None => (TokenKind::Other, 1),
    }
}

/// Length of the word at the start of `rest`: a name such as `sf.ke.message[items.0.kind]`, a path or a tag.
fn word(rest: &str, is_key_place: bool) -> usize {
    let bytes = rest.as_bytes();
    let name = name(bytes);
    // A key whose blank behind the colon was forgotten is no tag.
    let is_key = is_key_place && is_key(&rest[..name]);
    let tag = match bytes.get(name) {
        Some(b':') if name > 0 && !is_key => match self::name(&bytes[name + 1..]) {
            0 => 0,
            second => name + 1 + second,
        },
        _ => 0,
    };
    name.max(tag).max(path(bytes))
}

fn name(bytes: &[u8]) -> usize {
    if !bytes.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return 0;
    }
    let mut at = 1;
    loop {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"_-.*".contains(byte) => at += 1,
            _ => match brackets(&bytes[at..]) {
                0 => return at,
                len => at += len,
            },
        }
    }
}

/// Length of `[path]`, `:[path]` or `[path:path]`.
fn brackets(bytes: &[u8]) -> usize {
    let mut at = usize::from(bytes.first() == Some(&b':'));
    if bytes.get(at) != Some(&b'[') {
        return 0;
    }
    loop {
        at += 1;
        let path = path(&bytes[at..]);
        if path == 0 {
            return 0;
        }
        at += path;
        match bytes.get(at) {
            Some(b']') => return at + 1,
            Some(b':') => {}
            _ => return 0,
        }
    }
}

fn path(bytes: &[u8]) -> usize {
    if !bytes.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"/.".contains(byte)) {
        return 0;
    }
    bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-./*".contains(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::{TokenKind, tokens};

    /// The tokens with a blank between, those of no kind in braces.
    fn cut(text: &str) -> String {
        let shown = tokens(text).into_iter().map(|token| match token.kind {
            TokenKind::Other => format!("{{{}}}", &text[token.range]),
            _ => text[token.range].to_owned(),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_longest_token_wins() {
        assert_eq!(cut("sf.net.ip!=127.0.0.1"), "sf.net.ip != 127.0.0.1");
        assert_eq!(cut("//sys /usr/bin/a-b * a*"), "//sys /usr/bin/a-b {*} a*");
        assert_eq!(cut("[mitre:T1059.004, x]"), "[ mitre:T1059.004 , x ]");
        assert_eq!(cut("sf.ke.message[items.0.a] sf.x[0:b/c]"), "sf.ke.message[items.0.a] sf.x[0:b/c]");
        assert_eq!(cut("a[ b[] c[x"), "a [ b [ ] c [ x");
    }

    #[test]
    fn quotes_end_on_their_line() {
        assert_eq!(cut(r#"'"(systemd)"' "a b""#), r#"'"(systemd)"' "a b""#);
        assert_eq!(cut("''a b'' '' x"), "''a b'' '' x");
        assert_eq!(cut(r#"\"a b\" c"#), r#"\"a b\" c"#);
        assert_eq!(cut("don't\nuse 'x'"), "don {'} t use 'x'");
    }

    #[test]
    fn keys_have_colons_and_comments_are_gone() {
        assert_eq!(cut("- rule: A # b\n  desc: >\n x"), "- rule : A desc : > x");
        assert_eq!(cut("- macro:x\n  condition:sf.type=PE"), "- macro : x condition : sf.type = PE");
        assert_eq!(cut("ä - \u{0}"), "{ä} - {\u{0}}");
    }
}
