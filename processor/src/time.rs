//! Times of records as text and back. All times of this program are those of records: nothing here reads a clock.

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// A time split into its parts (UTC).
struct Parts {
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
    nanos: i64,
}

/// RFC 3339 with nine digits and `Z`, as Falco writes `time`: `2026-11-24T02:59:32.532306532Z`.
pub fn rfc3339(ns: i64) -> String {
    let Parts { year, month, day, .. } = split(ns);
    format!("{year:04}-{month:02}-{day:02}T{}Z", clock(ns))
}

/// Time of day as Falco begins its `output`: `02:59:32.532306532`.
pub fn clock(ns: i64) -> String {
    let Parts { second_of_day: s, nanos, .. } = split(ns);
    format!("{:02}:{:02}:{:02}.{nanos:09}", s / 3600, s / 60 % 60, s % 60)
}

/// The time that a text of RFC 3339 names, in ns since the epoch; one outside of what 64 bits hold is the first or last of them.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    let separator = text.as_bytes()[10];
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone_at);
    let (clock, fraction) =
        clock.split_once('.').map_or((clock, None), |(clock, digits)| (clock, Some(digits)));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let [hours, minutes] = numbers(&zone[1..], ':', [2, 2])?;
            let is_valid = hours < 24 && minutes < 60;
            let seconds = is_valid.then_some(hours * 3600 + minutes * 60)?;
            if zone.starts_with('-') { -seconds } else { seconds }
        }
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    // The 60th second is a leap second.
    let is_time = hour < 24 && minute < 60 && second <= 60 && matches!(separator, b'T' | b't' | b' ');
    if !is_time || !(1..=days).contains(&day) {
        return None;
    }
    let nanos = fraction.map_or(Some(0), nanos)?;
    let seconds = days_since_epoch(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
    let ns = i128::from(seconds) * i128::from(SECOND) + i128::from(nanos);
    Some(ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

/// Numbers of so many digits each, with `separator` between.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

/// A fraction of a second; what is below a nanosecond is cut.
fn nanos(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<9}")[..9].parse().ok()
}

/// The opposite of what [`split`] does with days.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn split(ns: i64) -> Parts {
    let (seconds, nanos) = (ns.div_euclid(SECOND), ns.rem_euclid(SECOND));
    let (days, second_of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Civil date from days since 1970-01-01: shift to 0000-03-01, so that the leap day is the last of a year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Parts {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        second_of_day,
        nanos,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_falco_writes_them() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_795_489_172_532_306_532, "2026-11-24T02:59:32.532306532Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999999Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(rfc3339(ns), text);
        }
        assert_eq!(clock(1_795_489_172_532_306_532), "02:59:32.532306532");
    }

    #[test]
    fn times_are_read_back() {
        for ns in [0, -1, 1, i64::MAX, i64::MIN, 951_782_400_000_000_001, 4_107_542_399_999_999_999] {
            assert_eq!(parse_rfc3339(&rfc3339(ns)), Some(ns), "{}", rfc3339(ns));
        }
        for (text, ns) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t01:30:00.5+01:30", 500_000_000),
            ("1969-12-31 23:59:59.9999999999-00:00", -1),
            ("1970-01-01T00:00:60Z", 60_000_000_000),
            ("0001-01-01T00:00:00Z", i64::MIN),
            ("9999-12-31T23:59:59Z", i64::MAX),
        ] {
            assert_eq!(parse_rfc3339(text), Some(ns), "{text}");
        }
        for wrong in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-02-29T00:00:00Z",
            "1970-13-01T00:00:00Z",
            "1970-01-00T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:61Z",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00+1:00",
            "1970-01-01T00:00:00Zé",
            "197é-01-01T00:00:00Z",
            "1970-01-01T+0:00:00Z",
            "1700000000",
        ] {
            assert_eq!(parse_rfc3339(wrong), None, "{wrong}");
        }
    }
}
