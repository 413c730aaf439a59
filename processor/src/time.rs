//! Times of records as text. All times of this program are those of records: nothing here reads a clock.

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
}
