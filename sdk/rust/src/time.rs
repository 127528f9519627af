//! Dates: of HTTP headers, and as the other side wants to read them. A plugin has no clock; an exporter is told
//! the host's with each batch.

use alloc::format;
use alloc::string::String;

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since the Unix epoch of an HTTP date, in any of its three forms (RFC 9110, section 5.6.7); none for
/// anything else, and for what is before the epoch. The name of the day is not looked at.
pub fn http_date(text: &str) -> Option<u64> {
    let (_, date) = text.trim().split_once(' ')?;
    let mut words = date.split([' ', '-']).filter(|word| !word.is_empty());
    let first = words.next()?;
    if first.parse::<u32>().is_ok() {
        // `06 Nov 1994 08:49:37 GMT`, and the obsolete `06-Nov-94 08:49:37 GMT`
        let (month, year, clock) = (words.next()?, words.next()?, words.next()?);
        let is_over = words.next() == Some("GMT") && words.next().is_none();
        return seconds(year, month, first, clock).filter(|_| is_over);
    }
    // The form of C's `asctime`: `Nov  6 08:49:37 1994`
    let (day, clock, year) = (words.next()?, words.next()?, words.next()?);
    seconds(year, first, day, clock).filter(|_| words.next().is_none())
}

fn seconds(year: &str, month: &str, day: &str, clock: &str) -> Option<u64> {
    let number = |text: &str, most: i64| {
        let is_plain = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| is_plain && *number <= most)
    };
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let year = match (number(year, 9_999)?, year.len()) {
        (year, 2) if year < 70 => year + 2_000,
        (year, 2) => year + 1_900,
        (year, _) => year,
    };
    let mut clock = clock.split(':');
    // A leap second is the 60th.
    let [hours, minutes, seconds] =
        [number(clock.next()?, 23)?, number(clock.next()?, 59)?, number(clock.next()?, 60)?];
    let day = number(day, 31).filter(|day| *day > 0 && clock.next().is_none())?;
    u64::try_from(days(year, month, day) * DAY + hours * 3_600 + minutes * 60 + seconds).ok()
}

/// Seconds since the Unix epoch of a time by RFC 3339, with any offset; before the epoch they are negative. A
/// fraction is cut off. None for anything else.
pub fn seconds_of_rfc3339(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize, most: i64| {
        let digits = text.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<i64>().ok().filter(|number| *number <= most)
    };
    let stands =
        |at: usize, letters: &[u8]| text.as_bytes().get(at).is_some_and(|byte| letters.contains(byte));
    let is_shaped =
        stands(4, b"-") && stands(7, b"-") && stands(10, b"Tt ") && stands(13, b":") && stands(16, b":");
    let (year, month, day) = (number(0, 4, 9_999)?, number(5, 7, 12)?, number(8, 10, 31)?);
    let (hours, minutes, seconds) = (number(11, 13, 23)?, number(14, 16, 59)?, number(17, 19, 60)?);
    let mut rest = text.get(19..)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
        (rest.len() < fraction.len()).then_some(())?;
    }
    let begin = text.len() - rest.len();
    let offset = match rest.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let offset = number(begin + 1, begin + 3, 23)? * 3_600 + number(begin + 4, begin + 6, 59)? * 60;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let is_day = month > 0 && day > 0;
    (is_shaped && is_day)
        .then(|| days(year, month, day) * DAY + hours * 3_600 + minutes * 60 + seconds - offset)
}

/// Days since the Unix epoch, in the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Counted from 1 March of the year 0, so that the leap day comes last; 400 years have 146,097 days.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A time in UTC by RFC 3339, with microseconds: `2023-11-14T22:13:20.000000Z`. Takes microseconds since the
/// Unix epoch.
pub fn rfc3339(micros: u64) -> String {
    let (seconds, micros) = ((micros / 1_000_000) as i64, micros % 1_000_000);
    let (days, of_day) = (seconds / DAY + 719_468, seconds % DAY);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hours, minutes, seconds) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_in_their_three_forms() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            " Sun, 06 Nov 1994 08:49:37 GMT ",
        ] {
            assert_eq!(http_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Thu, 29 Feb 2024 23:59:60 GMT"), Some(1_709_251_200));
        assert_eq!(http_date("Tuesday, 14-Nov-23 22:13:20 GMT"), Some(1_700_000_000));
        for text in [
            "",
            "120",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:1 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Now 1994 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Sun, 06 Nov 99999 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "\u{fc}, \u{fc} \u{fc} \u{fc} \u{fc} \u{fc}",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn times_by_rfc_3339() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_700_000_000_123_456, "2023-11-14T22:13:20.123456Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (4_107_542_399_999_999, "2100-02-28T23:59:59.999999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(rfc3339(micros), text);
        }
        assert!(rfc3339(u64::MAX).starts_with("586524-"));
    }

    #[test]
    fn times_by_rfc_3339_are_read() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2023-11-14T22:13:20.123456Z", Some(1_700_000_000)),
            ("2023-11-14t22:13:20z", Some(1_700_000_000)),
            ("2023-11-14 23:13:20+01:00", Some(1_700_000_000)),
            ("2023-11-14T17:43:20-04:30", Some(1_700_000_000)),
            ("1969-12-31T23:59:59Z", Some(-1)),
            ("0000-01-01T00:00:00Z", Some(-62_167_219_200)),
            ("2023-11-14", None),
            ("2023-11-14T22:13:20", None),
            ("2023-11-14T22:13:20.Z", None),
            ("2023-11-14T22:13:20+1:00", None),
            ("2023-11-14T22:13:20Zx", None),
            ("2023-13-14T22:13:20Z", None),
            ("2023-00-14T22:13:20Z", None),
            ("2023-11-14T24:13:20Z", None),
            ("+023-11-14T22:13:20Z", None),
            ("2023-11-14T22:13:\u{fc}Z", None),
            ("", None),
        ] {
            assert_eq!(seconds_of_rfc3339(text), seconds, "{text}");
        }
    }

    #[test]
    fn days_there_and_back() {
        for day in (0..200_000_u64).step_by(13) {
            let text = rfc3339(day * 86_400_000_000);
            let number = |range: core::ops::Range<usize>| text[range].parse::<i64>().unwrap();
            assert_eq!(days(number(0..4), number(5..7), number(8..10)), day as i64, "{text}");
        }
    }
}
