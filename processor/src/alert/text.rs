//! Text that leaves for Falcosidekick and the terminal. Every piece of it may come from an attacker's process.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longest string of an alert in bytes: Falcosidekick cuts longer ones itself once an event passes 4096 bytes, and
/// may split a character.
pub const MAX_STRING: usize = 512;

const CUT_MARK: &str = "...";

/// At most `max` bytes of `text`, cut between characters and then marked with `...`.
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let mut kept = max.saturating_sub(CUT_MARK.len());
    while !text.is_char_boundary(kept) {
        kept -= 1;
    }
    Cow::Owned(format!("{}{CUT_MARK}", &text[..kept]))
}

/// Printable ASCII only: Falcosidekick-UI drops an event whose `output`, `rule` or `hostname` holds anything else,
/// and a control character could repaint the operator's terminal. Others are escaped, so that nothing is hidden.
pub fn ascii(text: &str) -> Cow<'_, str> {
    if text.bytes().all(printable) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii() && printable(c as u8) => out.push(c),
            c => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
        }
    }
    Cow::Owned(out)
}

/// Name of a rule in letters, digits and single spaces: brackets, quotes and commas break the rule filter of
/// Falcosidekick-UI.
pub fn rule_name(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain.is_empty() { "unnamed rule".into() } else { cut_plain(plain) }
}

/// Tags of a rule, sorted, each once, with the technique of every sub-technique (`T1059` for `T1059.004`): a search
/// for the technique finds nothing in Falcosidekick-UI otherwise.
pub fn tags<'a>(of_rule: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut all = Vec::new();
    for tag in of_rule {
        if let Some((technique, _)) = tag.split_once('.').filter(|(technique, _)| is_technique(technique)) {
            all.push(technique.to_owned());
        }
        all.push(cut(&ascii(tag), 64).into_owned());
    }
    all.sort();
    all.dedup();
    all
}

/// Whether a tag is an ATT&CK technique or sub-technique: `T1059`, `T1059.004`.
pub fn is_technique(tag: &str) -> bool {
    let digits = |text: &str, n| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
    tag.strip_prefix('T').is_some_and(|rest| match rest.split_once('.') {
        Some((technique, sub)) => digits(technique, 4) && digits(sub, 3),
        None => digits(rest, 4),
    })
}

fn cut_plain(mut name: String) -> String {
    name.truncate(128);
    name.truncate(name.trim_end().len());
    name
}

fn printable(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_never_splits_a_character() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcdef", 5), "ab...");
        assert_eq!(cut("aéééé", 6), "aé...");
        assert!((0..40).all(|max| cut("日本語日本語日本語", max).len() <= max.max(CUT_MARK.len())));
    }

    #[test]
    fn hostile_text_becomes_visible() {
        assert_eq!(ascii("ls\x1b[2J\nrm é\u{202e}"), "ls\\u{1b}[2J\\nrm \\u{e9}\\u{202e}");
        assert!(matches!(ascii("plain ~"), Cow::Borrowed(_)));
    }

    #[test]
    fn rule_names_keep_to_what_the_filter_can_take() {
        assert_eq!(rule_name("Terminal shell, in [a] container's"), "Terminal shell in a container s");
        assert_eq!(rule_name("[]"), "unnamed rule");
        assert!(rule_name(&"a b".repeat(100)).len() <= 128);
    }

    #[test]
    fn techniques_come_with_their_parents() {
        assert_eq!(
            tags(["T1059.004", "mitre_execution", "T1059.004"]),
            ["T1059", "T1059.004", "mitre_execution"]
        );
        assert_eq!(tags(["v1.2"]), ["v1.2"]);
        assert!(
            is_technique("T1059.004")
                && is_technique("T1059")
                && !is_technique("TA0002")
                && !is_technique("T1059.4")
        );
    }
}
