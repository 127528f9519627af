//! Stretches of time that usage is reported for, and the steps it is reported in.

use std::time::Duration;

use crate::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// The shortest month.
const MONTH: Duration = Duration::from_secs(28 * 86_400);

/// More steps than this are not reported at once.
const STEPS: u64 = 1_000;

/// From one moment on and before another, which is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

/// A step, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday on.
    Week,
    /// A month of the calendar.
    Month,
}

impl Period {
    /// Reads `24h`, `7d` and the like, which end at `now`, or two times with a comma between them (see
    /// [`Timestamp::parse`]). None where it is neither, or does not last.
    pub fn parse(text: &str, now: Timestamp) -> Option<Self> {
        if let Some((from, to)) = text.split_once(',') {
            let (from, to) = (Timestamp::parse(from.trim())?, Timestamp::parse(to.trim())?);
            return (from < to).then_some(Self { from, to });
        }
        let (unit, digits) = match (text.strip_suffix('h'), text.strip_suffix('d')) {
            (Some(digits), _) => (HOUR, digits),
            (_, Some(digits)) => (DAY, digits),
            _ => return None,
        };
        // At most ten years of hours, so that nothing overflows.
        let count: u32 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
        (1..=87_660).contains(&count).then(|| Self { from: now.minus(unit * count), to: now })
    }

    /// The step that shows it best: hours up to two days, days up to a month, weeks up to half a year.
    pub fn granularity(self) -> Granularity {
        match self.to.since(self.from).as_secs() / DAY.as_secs() {
            0..=2 => Granularity::Hour,
            3..=31 => Granularity::Day,
            32..=183 => Granularity::Week,
            _ => Granularity::Month,
        }
    }

    /// The beginnings of all steps that it touches, oldest first; none where they would be too many.
    pub fn steps(self, granularity: Granularity) -> Option<Vec<Timestamp>> {
        if self.to.since(self.from).as_secs() / granularity.shortest().as_secs() > STEPS {
            return None;
        }
        let first = granularity.start(self.from);
        let steps = std::iter::successors(Some(first), |start| Some(granularity.next(*start)));
        Some(steps.take_while(|start| *start < self.to).collect())
    }
}

impl Granularity {
    /// The beginning of the step that a moment is in.
    pub fn start(self, moment: Timestamp) -> Timestamp {
        let whole = |length: Duration, shift: i64| {
            let length = length.as_micros() as i64;
            Timestamp::from_micros((moment.micros() - shift).div_euclid(length) * length + shift)
        };
        match self {
            Self::Hour => whole(HOUR, 0),
            Self::Day => whole(DAY, 0),
            // 1970-01-05 was a Monday.
            Self::Week => whole(WEEK, 4 * DAY.as_micros() as i64),
            Self::Month => moment.month_start(),
        }
    }

    /// The beginning of the step after the one that begins at `start`.
    fn next(self, start: Timestamp) -> Timestamp {
        match self {
            Self::Month => start.plus(MONTH + 4 * DAY).month_start(),
            _ => start.plus(self.shortest()),
        }
    }

    const fn shortest(self) -> Duration {
        match self {
            Self::Hour => HOUR,
            Self::Day => DAY,
            Self::Week => WEEK,
            Self::Month => MONTH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn period(text: &str) -> Option<Period> {
        Period::parse(text, time("2026-03-15T10:30:00Z"))
    }

    #[test]
    fn texts_that_are_periods() {
        for (text, from, to) in [
            ("24h", "2026-03-14T10:30:00Z", "2026-03-15T10:30:00Z"),
            ("7d", "2026-03-08T10:30:00Z", "2026-03-15T10:30:00Z"),
            ("2026-03-01,2026-03-15", "2026-03-01", "2026-03-15"),
            ("2026-03-01T12:00:00Z, 2026-03-01T13:00:00Z", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"),
        ] {
            assert_eq!(period(text), Some(Period { from: time(from), to: time(to) }), "{text}");
        }
        for text in [
            "",
            "h",
            "0d",
            "-1d",
            "+1d",
            "7w",
            "99999999999d",
            "87661d",
            "2026-03-15,2026-03-15",
            "2026-03-15,",
            ",",
        ] {
            assert_eq!(period(text), None, "{text}");
        }
    }

    #[test]
    fn steps_of_a_period() {
        let starts = |text, granularity| -> Vec<String> {
            let steps = period(text).unwrap().steps(granularity).unwrap();
            steps.iter().map(|start| start.to_rfc3339()[..13].to_owned()).collect()
        };
        assert_eq!(starts("2h", Granularity::Hour), ["2026-03-15T08", "2026-03-15T09", "2026-03-15T10"]);
        assert_eq!(starts("1d", Granularity::Day), ["2026-03-14T00", "2026-03-15T00"]);
        // 2026-03-15 is a Sunday.
        assert_eq!(starts("8d", Granularity::Week), ["2026-03-02T00", "2026-03-09T00"]);
        assert_eq!(
            starts("2026-01-31,2026-03-02", Granularity::Month),
            ["2026-01-01T00", "2026-02-01T00", "2026-03-01T00"]
        );
        assert_eq!(starts("2026-03-01,2026-03-02", Granularity::Day), ["2026-03-01T00"]);
        assert_eq!(period("400d").unwrap().steps(Granularity::Hour), None);
        assert_eq!(period("0001-01-01,9999-12-31").unwrap().steps(Granularity::Month), None);
    }

    #[test]
    fn the_step_that_shows_a_period_best() {
        for (text, granularity) in [
            ("24h", Granularity::Hour),
            ("2d", Granularity::Hour),
            ("7d", Granularity::Day),
            ("30d", Granularity::Day),
            ("90d", Granularity::Week),
            ("365d", Granularity::Month),
        ] {
            assert_eq!(period(text).unwrap().granularity(), granularity, "{text}");
        }
    }
}
