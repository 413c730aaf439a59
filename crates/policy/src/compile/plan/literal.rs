//! Texts without which a pattern cannot match.

use regex_syntax::{
    ParserBuilder,
    hir::{Hir, HirKind},
};

/// More alternatives are no help.
const MOST: usize = 64;
/// Shorter texts are in too many others.
const SHORTEST: usize = 3;

/// Texts of which any must stand in what `pattern` matches; `None` when that is not told.
pub(super) fn of_regex(pattern: &str) -> Option<Vec<Box<[u8]>>> {
    // As `question` builds them.
    let hir = ParserBuilder::new().dot_matches_new_line(true).build().parse(pattern).ok()?;
    required(&hir).filter(|texts| shortest(texts) >= SHORTEST)
}

/// The same for a text that must stand in it as it is.
pub(super) fn of_text(text: &str) -> Option<Vec<Box<[u8]>>> {
    (text.len() >= SHORTEST).then(|| vec![text.as_bytes().into()])
}

/// Recursion is bounded: the parser refuses deep nesting.
fn required(hir: &Hir) -> Option<Vec<Box<[u8]>>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.clone()]),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(required).max_by_key(|texts| shortest(texts)),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(required(part)?);
                if all.len() > MOST {
                    return None;
                }
            }
            Some(all)
        }
        _ => None,
    }
}

fn shortest(texts: &[Box<[u8]>]) -> usize {
    texts.iter().map(|text| text.len()).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::of_regex;

    #[track_caller]
    fn check(pattern: &str, wanted: Option<&[&str]>) {
        let found = of_regex(pattern);
        let found: Option<Vec<_>> =
            found.as_ref().map(|texts| texts.iter().map(|t| str::from_utf8(t).unwrap()).collect());
        assert_eq!(found.as_deref(), wanted, "{pattern}");
    }

    #[test]
    fn what_must_stand_in_a_match_is_told() {
        check(r"^(?:.*\b(gunicorn|uvicorn)\b.*)$", Some(&["gunicorn", "uvicorn"]));
        check(r"^(?:/etc/(passwd|shadow))$", Some(&["passwd", "shadow"]));
        check(r"^(?:(abc)+d?)$", Some(&["abc"]));
        check(r"^(?:a|bcd)$", None);
        check(r"^(?:(abc)?)$", None);
        check(r"^(?:(?i)abc)$", None);
        check(r"^(?:[0-9]+.*)$", None);
    }
}
