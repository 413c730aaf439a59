//! Whose language a rules file is in.

use crate::source::Source;

/// A language of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Falco's rules files, and Sigma's.
    #[default]
    Falco,
    /// Policy files of SysFlow's own processor.
    SfProcessor,
}

impl Language {
    /// What the keys in a file say; `None` for one that both could read, such as a file of lists alone.
    pub fn detect(text: &str) -> Option<Self> {
        let (mut rules, mut descs) = (0, 0);
        let (mut falco, mut sf) = (false, false);
        let margin = margin(text);
        for line in text.lines() {
            // A Sigma rule is a mapping, where the others are lists; what reads Falco's files reads it too.
            let outer = line.strip_prefix(margin).unwrap_or_default();
            let name = outer.split_once(':').map_or("", |(name, _)| name.trim_end());
            if matches!(name, "detection" | "logsource" | "correlation") {
                return Some(Self::Falco);
            }
            let line = line.trim_start();
            let (entry, key) = match line.strip_prefix('-') {
                Some(rest) => (true, rest.trim_start()),
                None => (false, line),
            };
            let Some((key, value)) = key.split_once(':') else { continue };
            match (key.trim_end(), entry) {
                ("rule", true) => rules += 1,
                ("desc", false) => descs += 1,
                ("drop" | "filter", true) | ("prefilter" | "actions", false) => sf = true,
                ("priority", false) => {
                    let level = value.split('#').next().unwrap_or_default().trim();
                    sf |= ["low", "medium", "high"].iter().any(|known| level.eq_ignore_ascii_case(known));
                }
                ("output" | "append" | "override" | "exceptions" | "required_plugin_versions", _) => {
                    falco = true;
                }
                _ => {}
            }
        }
        // sf-processor takes outputs as well; Falco demands them of rules that are new, and lets others be changed.
        match rules {
            _ if sf => Some(Self::SfProcessor),
            _ if falco => Some(Self::Falco),
            0 => None,
            rules if descs >= rules => Some(Self::SfProcessor),
            _ => Some(Self::Falco),
        }
    }

    /// The language of each file: its own, or where it could be either that of the others.
    pub(crate) fn of(sources: &[Source]) -> Vec<Self> {
        let known: Vec<_> =
            sources.iter().map(|source| source.language.or_else(|| Self::detect(&source.text))).collect();
        let is_falco = known.contains(&Some(Self::Falco)) || !known.contains(&Some(Self::SfProcessor));
        let open = if is_falco { Self::Falco } else { Self::SfProcessor };
        known.into_iter().map(|language| language.unwrap_or(open)).collect()
    }
}

/// What all lines of a text begin with, where it is wholly indented: the blanks before its first line that says something.
/// Marks of documents stand at the left all the same.
fn margin(text: &str) -> &str {
    let says = |line: &&str| {
        let trimmed = line.trim_start();
        !trimmed.is_empty()
            && !trimmed.starts_with('#')
            && !["---", "...", "%"].iter().any(|mark| line.starts_with(mark))
    };
    let first = text.lines().find(says).unwrap_or_default();
    &first[..first.len() - first.trim_start().len()]
}

#[cfg(test)]
mod tests {
    use super::Language::{self, Falco, SfProcessor};
    use crate::Source;

    #[test]
    fn keys_tell() {
        for (text, language) in [
            ("- rule: a\n  desc: b\n  condition: c\n  output: d\n  priority: INFO\n", Some(Falco)),
            ("- rule: a\n  override:\n    condition: append\n", Some(Falco)),
            ("- rule: a\n  desc: b\n  condition: c\n  priority: medium # x\n", Some(SfProcessor)),
            ("- rule: a\n  desc: b\n  condition: c\n", Some(SfProcessor)),
            ("- rule: a\n  enabled: false\n", Some(Falco)),
            ("- rule: a\n  condition: and b\n  append: true\n", Some(Falco)),
            ("- rule: a\n  output: x\n  prefilter: [PE]\n", Some(SfProcessor)),
            (" - drop: a\n   condition: b", Some(SfProcessor)),
            (
                "title: a\nlogsource:\n  product: linux\ndetection:\n  x:\n    Image: /a\n  condition: x\n",
                Some(Falco),
            ),
            ("title: a\ndetection:\n  x:\n    - filter: b\n", Some(Falco)),
            ("# a\n---\n  title: a\n  detection:\n    x:\n      - filter: b\n", Some(Falco)),
            ("\n    title: a\n    logsource:\n        product: linux\n", Some(Falco)),
            (" - rule: a\n   desc: >\n   logsource: of b\n   condition: c\n", Some(SfProcessor)),
            ("- rule: a\n  desc: >\n    detection: of b\n  condition: c\n", Some(SfProcessor)),
            ("- macro: a\n  condition: b\n- list: c\n  items: [rule]\n", None),
            ("", None),
        ] {
            assert_eq!(Language::detect(text), language, "{text}");
        }
    }

    #[test]
    fn a_file_that_says_nothing_follows_the_others() {
        let lists = || Source::new("lists", "- list: a\n  items: [b]\n");
        let sf = || Source::new("sf", "- drop: a\n  condition: b\n");
        let falco = || Source::new("falco", "- rule: a\n  output: b\n");
        assert_eq!(Language::of(&[lists(), sf()]), [SfProcessor, SfProcessor]);
        assert_eq!(Language::of(&[lists()]), [Falco]);
        assert_eq!(Language::of(&[sf(), lists(), falco()]), [SfProcessor, Falco, Falco]);
        let told = Source { language: Some(SfProcessor), ..lists() };
        assert_eq!(Language::of(&[told]), [SfProcessor]);
    }
}
