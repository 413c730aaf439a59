//! Paths into attributes that hold JSON: `sf.ke.message[items.0.namespace]`.

use std::borrow::Cow;

/// Steps into arrays and objects; `*` in a key stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath {
    steps: Box<[Box<str>]>,
}

/// JSON at some value; what is no JSON is read as far as it goes.
#[derive(Clone, Copy)]
struct Json<'a>(&'a str);

impl JsonPath {
    pub(crate) fn new(text: &str) -> Self {
        Self { steps: text.split('.').map(Into::into).collect() }
    }

    /// The value at the path as text: strings without quotes, null as nothing, the rest as it stands.
    pub(crate) fn get<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let mut at = Json(text.trim_start());
        for step in &self.steps {
            at = at.step(step)?;
        }
        at.text()
    }
}

impl<'a> Json<'a> {
    fn step(self, step: &str) -> Option<Self> {
        match self.0.bytes().next()? {
            b'{' => self.members().find(|(key, _)| matches(step, key)).map(|(_, value)| value),
            b'[' => self.elements().nth(step.parse().ok()?),
            _ => None,
        }
    }

    fn text(self) -> Option<Cow<'a, str>> {
        let raw = &self.0[..self.len()?];
        match raw.bytes().next()? {
            b'"' => Some(unescaped(&raw[1..raw.len() - 1])),
            b'n' => Some(Cow::Borrowed("")),
            _ => Some(Cow::Borrowed(raw)),
        }
    }

    fn elements(self) -> impl Iterator<Item = Self> {
        let mut rest = Some(self.0[1..].trim_start());
        std::iter::from_fn(move || {
            let value = Json(rest.take().filter(|rest| !rest.starts_with(']'))?);
            let len = value.len()?;
            let after = value.0[len..].trim_start();
            rest = after.strip_prefix(',').map(str::trim_start);
            Some(value)
        })
    }

    fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Self)> {
        let mut rest = Some(self.0[1..].trim_start());
        std::iter::from_fn(move || {
            let key = Json(rest.take().filter(|rest| rest.starts_with('"'))?);
            let len = key.len()?;
            let value = Json(key.0[len..].trim_start().strip_prefix(':')?.trim_start());
            let after = value.0[value.len()?..].trim_start();
            rest = after.strip_prefix(',').map(str::trim_start);
            Some((unescaped(&key.0[1..len - 1]), value))
        })
    }

    /// Bytes of the value, which may hold others to any depth.
    fn len(self) -> Option<usize> {
        let bytes = self.0.as_bytes();
        let mut depth = 0_usize;
        let mut at = 0;
        loop {
            match bytes.get(at)? {
                b'"' => at = string_end(bytes, at)?,
                b'{' | b'[' => {
                    depth += 1;
                    at += 1;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    at += 1;
                }
                byte if depth > 0 && (byte.is_ascii_whitespace() || b",:".contains(byte)) => {
                    at += 1;
                    continue;
                }
                _ => {
                    let scalar = |byte: &&u8| !(byte.is_ascii_whitespace() || b",:]}[{\"".contains(byte));
                    match bytes[at..].iter().take_while(scalar).count() {
                        0 => return None,
                        len => at += len,
                    }
                }
            }
            if depth == 0 {
                return Some(at);
            }
        }
    }
}

/// Behind the closing quote.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn unescaped(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    let mut high = None;
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let unit = u16::from_str_radix(&digits, 16).unwrap_or(0xfffd);
                let units = match high.take() {
                    Some(high) => vec![high, unit],
                    None if (0xd800..0xdc00).contains(&unit) && chars.as_str().starts_with("\\u") => {
                        high = Some(unit);
                        continue;
                    }
                    None => vec![unit],
                };
                text.push_str(&String::from_utf16_lossy(&units));
            }
            Some(other) => text.push(other),
            None => {}
        }
    }
    Cow::Owned(text)
}

fn matches(pattern: &str, key: &str) -> bool {
    if !pattern.contains('*') {
        return pattern == key;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| key.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::JsonPath;

    #[track_caller]
    fn check(json: &str, path: &str, expected: Option<&str>) {
        assert_eq!(JsonPath::new(path).get(json).as_deref(), expected, "{path} of {json}");
    }

    #[test]
    fn values() {
        let json = r#" {"a": 1, "items" : [ {"name":"x\"y", "n": null}, [true, -1.50e3, {}] ], "b.c": 2, "kiwi": "ü\u00fc\ud83d\ude00"}"#;
        check(json, "a", Some("1"));
        check(json, "items.0.name", Some("x\"y"));
        check(json, "items.0.n", Some(""));
        check(json, "items.1.0", Some("true"));
        check(json, "items.1.1", Some("-1.50e3"));
        check(json, "items.1", Some("[true, -1.50e3, {}]"));
        check(json, "items.1.2", Some("{}"));
        check(json, "k*i", Some("üü😀"));
        check(json, "*", Some("1"));
        for absent in ["", "b", "b.c", "items.2", "items.name", "items.1.0.x", "a.0", "items.0.*z"] {
            check(json, absent, None);
        }
    }

    #[test]
    fn what_is_no_json_has_no_values() {
        for json in ["", "x", "{", "[", r#"{"a"#, r#"{"a":"#, r#"{"a":"x"#, r#"{"a" 1}"#, "]", "[}", r#"["\"#]
        {
            check(json, "a", None);
            check(json, "1", None);
        }
        check("[1,2", "1", Some("2"));
        check(&"[".repeat(1_000_000), "0", None);
    }
}
