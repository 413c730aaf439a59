//! A writer of compact JSON whose keys keep their order.

use std::fmt::{Display, Write as _};

/// JSON under construction. `<`, `>` and `&` are escaped, so that the text can stand inside HTML, as are the line
/// separators that JavaScript does not bear in strings; control characters are escaped as JSON demands.
#[derive(Debug, Default)]
pub(crate) struct Json {
    text: String,
    /// A comma is due before the next key or item.
    comma: bool,
}

impl Json {
    pub(crate) fn into_string(self) -> String {
        self.text
    }

    pub(crate) fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        self.nest('{', '}', fields);
    }

    pub(crate) fn array(&mut self, items: impl FnOnce(&mut Self)) {
        self.nest('[', ']', items);
    }

    fn nest(&mut self, open: char, close: char, content: impl FnOnce(&mut Self)) {
        self.separate();
        self.text.push(open);
        self.comma = false;
        content(self);
        self.text.push(close);
        self.comma = true;
    }

    fn separate(&mut self) {
        if self.comma {
            self.text.push(',');
        }
        self.comma = true;
    }

    /// A key, whose value must follow.
    pub(crate) fn key(&mut self, key: &str) -> &mut Self {
        self.string(key);
        self.text.push(':');
        self.comma = false;
        self
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.separate();
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    write!(self.text, "\\u{:04x}", u32::from(c)).expect("writing to a String cannot fail");
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }

    /// A number or truth value, which JSON writes as Rust does.
    pub(crate) fn plain(&mut self, value: impl Display) {
        self.separate();
        write!(self.text, "{value}").expect("writing to a String cannot fail");
    }

    pub(crate) fn field(&mut self, key: &str, text: &str) {
        self.key(key).string(text);
    }

    pub(crate) fn number(&mut self, key: &str, value: impl Into<i64>) {
        self.key(key).plain(value.into());
    }

    pub(crate) fn truth(&mut self, key: &str, value: bool) {
        self.key(key).plain(value);
    }

    pub(crate) fn strings(&mut self, key: &str, texts: impl IntoIterator<Item = impl AsRef<str>>) {
        self.key(key).array(|json| texts.into_iter().for_each(|text| json.string(text.as_ref())));
    }
}
