//! Moments on a command line or in a request.

/// Nanoseconds since the epoch of a moment: `2026-11-24T10:00:00Z`, nanoseconds since the epoch, or `15m`, `2h`, `7d` before
/// the newest record. The error says what is expected.
pub fn parse(text: &str, newest: i64) -> Result<i64, String> {
    let wrong = || {
        format!(
            "{text:?} is no time; 2026-11-24T10:00:00Z, 15m, 2h, 7d or nanoseconds since 1970 are expected"
        )
    };
    if let Some(ago) = ago(text) {
        return Ok(newest.saturating_sub(ago));
    }
    if let Ok(ns) = text.parse() {
        return Ok(ns);
    }
    rfc3339(text).ok_or_else(wrong)
}

fn ago(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let count: i64 = text[..text.len() - 1].parse().ok().filter(|count| *count >= 0)?;
    count.checked_mul(unit)?.checked_mul(1_000_000_000)
}

/// UTC only.
fn rfc3339(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut time = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let in_range = (1970..2262).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    let digits = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
    if !in_range || !digits {
        return None;
    }
    let fraction: i64 = format!("{fraction:0<9}").parse().ok()?;
    // Days since the epoch, with years that begin in March so that the leap day ends one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        assert_eq!(parse("2019-03-25T19:48:00.70411105Z", 0), Ok(1_553_543_280_704_111_050));
        assert_eq!(parse("1970-01-01T00:00:00Z", 0), Ok(0));
        assert_eq!(parse("2024-02-29T12:00:00Z", 0), Ok(1_709_208_000_000_000_000));
        assert_eq!(parse("15m", 1_000_000_000_000), Ok(100_000_000_000));
        assert_eq!(parse("-5", 0), Ok(-5));
        for ns in [0, 1_709_208_000_000_000_000, 951_782_400_000_000_000, 4_102_444_799_999_999_999] {
            assert_eq!(parse(&sysflow::time::Rfc3339(ns).to_string(), 0), Ok(ns));
        }
        for wrong in [
            "",
            "x",
            "-3h",
            "2026-13-01T00:00:00Z",
            "2026-11-24",
            "2026-11-24T10:00:00+01:00",
            "9999999999999d",
            "ä",
        ] {
            assert!(parse(wrong, 0).is_err(), "{wrong}");
        }
    }
}
