//! Making an alert small enough.

use serde_json::Value;

use super::fields::rank;
use super::text::{MAX_STRING, cut};
use super::{Alert, MAX_ALERT};

/// Falcosidekick adds `"uuid":"…",` before it measures.
const UUID: usize = 48;

/// Fields that stay whole: without them the alert leads nowhere.
const WHOLE: &[&str] =
    &["sf.graphid", "sf.graph_url", "sf.node", "sf.alert.id", "container.id", "sf.container.id"];

/// Bytes of a JSON text once Falcosidekick has decoded and written it again: Go escapes `<`, `>`, `&` and two line
/// separators that our writer leaves alone.
pub fn wire_size(json: &str) -> usize {
    let bytes = json.as_bytes();
    let html = bytes.iter().filter(|b| matches!(b, b'<' | b'>' | b'&')).count();
    let separators = bytes.windows(3).filter(|w| matches!(w, [0xe2, 0x80, 0xa8 | 0xa9])).count();
    json.len() + 5 * html + 3 * separators + UUID
}

impl Alert {
    /// Cuts strings until the alert fits, the longest first, so that short ones stay whole.
    pub fn fit(&mut self) {
        let mut longest = MAX_STRING;
        self.cut_fields(longest);
        while wire_size(&self.wire()) >= MAX_ALERT && longest > 16 {
            longest = longest * 3 / 4;
            self.cut_fields(longest);
        }
        // Many short fields or tags: what is spared most easily goes first.
        while wire_size(&self.wire()) >= MAX_ALERT {
            let spare = self.output_fields.keys().filter(|name| !WHOLE.contains(&name.as_str()));
            let spare = spare.max_by_key(|name| rank(name)).cloned();
            match spare {
                Some(name) => _ = self.output_fields.remove(&name),
                None if self.tags.pop().is_some() => {}
                None => break,
            }
        }
    }

    fn cut_fields(&mut self, max: usize) {
        for (name, value) in &mut self.output_fields {
            if let Value::String(text) = value
                && text.len() > max
                && (max == MAX_STRING || !WHOLE.contains(&name.as_str()))
            {
                *text = cut(text, max).into_owned();
            }
        }
    }
}
