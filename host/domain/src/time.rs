//! Points in time, and where they come from.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch, UTC. The store keeps exactly this integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the Unix epoch.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment and `duration` more; saturates at the end of time.
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// This moment and `duration` less; saturates at the beginning of time.
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with microseconds, as the API shows times.
    pub fn to_rfc3339(self) -> String {
        let (days, second_of_day) = (self.seconds().div_euclid(86_400), self.seconds().rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
        let micros = self.0.rem_euclid(1_000_000);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }

    /// The first moment of the month that this is in, UTC.
    pub fn month_start(self) -> Self {
        let (year, month, _) = civil_from_days(self.seconds().div_euclid(86_400));
        Self(days_from_civil(year, month, 1) * 86_400_000_000)
    }

    /// Reads RFC 3339 with any offset, or a date alone, which is its midnight in UTC. Digits beyond the
    /// microsecond are dropped. None where it is neither, or there is no such day.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't']).unwrap_or((text, "00:00:00Z"));
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let (time, zone) = time.split_at(time.find(['Z', 'z', '+', '-'])?);
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        let offset = match zone {
            "Z" | "z" => 0,
            _ => {
                let [hours, minutes] = numbers(zone.get(1..)?, ':', [2, 2])?;
                if hours > 23 || minutes > 59 {
                    return None;
                }
                (hours * 60 + minutes) * if zone.starts_with('-') { -60 } else { 60 }
            }
        };
        let days = days_from_civil(year, month, day);
        // A second of 60 is a leap second, which this count does not know: it is the next minute's first.
        if civil_from_days(days) != (year, month, day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let micros =
            fraction.bytes().chain(*b"000000").take(6).fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
        Some(Self(seconds * 1_000_000 + micros))
    }
}

/// Numbers of exactly these widths between marks.
fn numbers<const N: usize>(text: &str, mark: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(mark);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

/// The reverse of [`civil_from_days`]; of a day that there is not, some other day's.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9).rem_euclid(12);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a number of days since 1970-01-01 in the proleptic Gregorian calendar,
/// counted in eras of 400 years that begin on a first of March.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Where the present comes from. The server hands the system's clock down; tests hand a fake one.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// Where randomness comes from. The server hands the system's generator down; tests a seeded one.
pub trait Rng: Send + Sync {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// A number in `0.0..1.0`, for jitter.
    fn unit(&self) -> f64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_that_are_times() {
        let table = [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01", 0),
            ("1969-12-31t23:59:59.999999z", -1),
            ("1970-01-01T01:30:00.5+01:30", 500_000),
            ("1969-12-31T16:00:00-08:00", 0),
            ("2024-02-29T00:00:00.123456789Z", 1_709_164_800_123_456),
            ("1998-12-31T23:59:60Z", 915_148_800_000_000),
        ];
        for (text, micros) in table {
            assert_eq!(Timestamp::parse(text), Some(Timestamp::from_micros(micros)), "{text}");
        }
        for text in [
            "",
            "now",
            "2026",
            "2026-3-1",
            "2026-13-01",
            "2026-00-10",
            "2026-02-29",
            "2026-04-31",
            "2026-01-01T00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+1:00",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00Zulu",
            "2026-01-01T00:00:00+é1:00",
            "+026-01-01",
            "2026-01-01T00:00:00.é0Z",
            "2026-01-01 00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn months_begin_on_their_first() {
        for (text, start) in [
            ("2024-02-29T23:59:59Z", "2024-02-01"),
            ("2024-03-01T00:00:00Z", "2024-03-01"),
            ("1969-12-31T00:00:00Z", "1969-12-01"),
        ] {
            assert_eq!(
                Timestamp::parse(text).unwrap().month_start(),
                Timestamp::parse(start).unwrap(),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse(&time.to_rfc3339()), Some(time));
        }

        #[test]
        fn no_text_is_too_much(text in "\\PC{0,40}") {
            let _ = Timestamp::parse(&text);
        }
    }

    #[test]
    fn rfc3339_of_known_moments() {
        let table = [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_711_234_567_890_123, "2024-03-23T22:56:07.890123Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (4_107_542_399_999_999, "2100-02-28T23:59:59.999999Z"),
        ];
        for (micros, text) in table {
            assert_eq!(Timestamp::from_micros(micros).to_rfc3339(), text);
        }
    }
}
