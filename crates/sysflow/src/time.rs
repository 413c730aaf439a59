//! Nanoseconds since the epoch as text.

use std::fmt;

/// Displays nanoseconds since the epoch as RFC 3339 in UTC, the fraction as long as it has to be.
///
/// ```
/// use sysflow::time::Rfc3339;
/// assert_eq!(Rfc3339(1_553_543_280_704_111_050).to_string(), "2019-03-25T19:48:00.70411105Z");
/// assert_eq!(Rfc3339(0).to_string(), "1970-01-01T00:00:00Z");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339(pub i64);

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, fraction) = (self.0.div_euclid(SECOND), self.0.rem_euclid(SECOND));
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if fraction > 0 {
            let digits = format!("{fraction:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Year, month and day of a number of days since 1970-01-01, by counting from the 1st of March of the year 0, so
/// that the leap day ends a year.
fn date(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097; // 400 years
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}
