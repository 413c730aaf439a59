//! Globs and path prefixes.

use crate::HashSet;

/// A pattern of shells: `*` any characters (also `/`, as Falco's), `?` one, `[a-z]` `[!a-z]` one of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    tokens: Vec<Token>,
    ignore_case: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Char(char),
    Set { ranges: Vec<(char, char)>, negated: bool },
}

/// Paths of which a path may be, or lie below, any.
#[derive(Clone, Debug)]
pub(crate) struct PathSet {
    plain: HashSet<Box<str>>,
    /// Prefixes with wildcards, one pattern a component.
    globs: Vec<Vec<Glob>>,
}

// === impl Glob ===

impl Glob {
    pub(crate) fn new(pattern: &str, ignore_case: bool) -> Self {
        let mut tokens = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' if tokens.last() == Some(&Token::Any) => continue,
                '*' => Token::Any,
                '?' => Token::One,
                '\\' => Token::Char(chars.next().unwrap_or('\\')),
                '[' => match Self::set(chars.as_str()) {
                    Some((set, len)) => {
                        chars = chars.as_str()[len..].chars();
                        set
                    }
                    None => Token::Char('['),
                },
                c => Token::Char(c),
            });
        }
        Self { tokens, ignore_case }
    }

    /// A set after its `[`, and its length up to and with the `]`.
    fn set(rest: &str) -> Option<(Token, usize)> {
        let negated = rest.starts_with(['!', '^']);
        let start = usize::from(negated);
        // A `]` right at the start is a member.
        let first = rest[start..].chars().next()?;
        let end = start + first.len_utf8() + rest[start + first.len_utf8()..].find(']')?;
        let members: Vec<char> = rest[start..end].chars().collect();
        let mut ranges = Vec::new();
        let mut at = 0;
        while at < members.len() {
            if at + 2 < members.len() && members[at + 1] == '-' {
                ranges.push((members[at], members[at + 2]));
                at += 3;
            } else {
                ranges.push((members[at], members[at]));
                at += 1;
            }
        }
        Some((Token::Set { ranges, negated }, end + 1))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        // On a mismatch only the last `*` can take one character more, so time is at most the product of lengths.
        let mut token = 0;
        let mut rest = text.chars();
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            if self.tokens.get(token) == Some(&Token::Any) {
                token += 1;
                retry = Some((token, rest.clone()));
                continue;
            }
            let mut after = rest.clone();
            match (self.tokens.get(token), after.next()) {
                (None, None) => return true,
                (Some(expected), Some(c)) if self.one(expected, c) => {
                    token += 1;
                    rest = after;
                }
                _ => {
                    let Some((back, from)) = &mut retry else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    token = *back;
                    rest = from.clone();
                }
            }
        }
    }

    /// The longest text that must stand in what it matches, as it is.
    pub(crate) fn longest_text(&self) -> String {
        if self.ignore_case {
            return String::new();
        }
        let texts = self.tokens.split(|token| !matches!(token, Token::Char(_)));
        let longest = texts.max_by_key(|text| text.len()).unwrap_or_default();
        longest.iter().filter_map(|token| if let Token::Char(c) = token { Some(*c) } else { None }).collect()
    }

    fn one(&self, token: &Token, c: char) -> bool {
        let same = |a: char, b: char| a == b || self.ignore_case && a.eq_ignore_ascii_case(&b);
        match token {
            Token::Any => false,
            Token::One => true,
            Token::Char(expected) => same(*expected, c),
            Token::Set { ranges, negated } => {
                let within = |c: char| ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                let other = [c.to_ascii_lowercase(), c.to_ascii_uppercase()];
                (within(c) || self.ignore_case && other.into_iter().any(within)) != *negated
            }
        }
    }
}

// === impl PathSet ===

impl PathSet {
    pub(crate) fn new<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Self {
        let mut set = Self { plain: HashSet::default(), globs: Vec::new() };
        for prefix in prefixes {
            let trimmed = prefix.trim_end_matches('/');
            if trimmed.contains(['*', '?', '[']) {
                set.globs.push(components(trimmed).map(|part| Glob::new(part, false)).collect());
            } else {
                set.plain.insert(trimmed.into());
            }
        }
        set
    }

    /// `path` and the directories above it, as prefixes are kept: without a slash at the end.
    pub(crate) fn above(path: &str) -> impl Iterator<Item = &str> {
        let trimmed = path.trim_end_matches('/');
        trimmed.match_indices('/').map(|(at, _)| at).chain([trimmed.len()]).map(|end| &trimmed[..end])
    }

    /// Prefixes without wildcards.
    pub(crate) fn plain(&self) -> impl Iterator<Item = &str> {
        self.plain.iter().map(|path| &**path)
    }

    pub(crate) fn has_globs(&self) -> bool {
        !self.globs.is_empty()
    }

    /// Whether `path` is one of the prefixes or lies below one; components are never split.
    pub(crate) fn matches(&self, path: &str) -> bool {
        if Self::above(path).any(|path| self.plain.contains(path)) {
            return true;
        }
        let trimmed = path.trim_end_matches('/');
        self.globs.iter().any(|prefix| {
            let mut parts = components(trimmed);
            prefix.iter().all(|glob| parts.next().is_some_and(|part| glob.matches(part)))
        })
    }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
}

#[cfg(test)]
mod tests {
    use super::{Glob, PathSet};

    #[track_caller]
    fn glob(pattern: &str, yes: &[&str], no: &[&str]) {
        let glob = Glob::new(pattern, false);
        for text in yes {
            assert!(glob.matches(text), "{pattern} should match {text}");
        }
        for text in no {
            assert!(!glob.matches(text), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn globs() {
        glob("*", &["", "a", "/a/b"], &[]);
        glob("/home/*/.ssh/*", &["/home/ann/.ssh/id_rsa", "/home/a/b/.ssh/x"], &["/root/.ssh/id_rsa"]);
        glob("id_?sa", &["id_rsa", "id_dsa"], &["id_sa", "id_rrsa"]);
        glob("[a-c]x[!0-9]", &["axy", "cxz"], &["dxy", "ax1", "ax"]);
        glob("[]x]", &["]", "x"], &["y"]);
        glob("[", &["["], &["a"]);
        glob(r"\*", &["*"], &["a"]);
        glob("a*b*c", &["abc", "aXbYc", "abcbc"], &["abcb", "acb"]);
        glob("*ä", &["ä", "xä"], &["a"]);
        glob("", &[""], &["a"]);
        assert!(Glob::new("[a-c]*.TXT", true).matches("Bee.txt"));
    }

    #[test]
    fn a_glob_of_many_stars_ends() {
        let text = "a".repeat(20_000);
        assert!(!Glob::new(&format!("{}b", "*a".repeat(50)), false).matches(&text));
    }

    #[test]
    fn path_prefixes_end_at_components() {
        let set = PathSet::new(["/etc", "/usr/lib/", "/proc/*/ns", "/"]);
        assert!(PathSet::new(["/etc"]).matches("/etc"));
        assert!(PathSet::new(["/etc"]).matches("/etc/"));
        assert!(PathSet::new(["/etc"]).matches("/etc/ssh/sshd_config"));
        assert!(!PathSet::new(["/etc"]).matches("/etcetera"));
        assert!(!PathSet::new(["/etc"]).matches("/usr/etc"));
        assert!(PathSet::new(["/usr/lib/"]).matches("/usr/lib/x"));
        assert!(PathSet::new(["/proc/*/ns"]).matches("/proc/12/ns/net"));
        assert!(!PathSet::new(["/proc/*/ns"]).matches("/proc/12/fd/3"));
        assert!(set.matches("/anything/at/all"));
        assert!(!set.matches("relative"));
    }
}
