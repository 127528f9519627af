//! What was paid for: how a subscription stands, which plan it gives, and what a refund takes back.

use crate::money::Credits;
use crate::plan;

/// What is sold under a price of the payment provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sold {
    /// A plan, by its id, as long as the subscription is paid.
    Plan(&'static str),
    /// Credits, once.
    Credits(Credits),
}

/// How a subscription stands with its organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It gives what was bought.
    Paid,
    /// It has ended, or is as good as ended.
    Over,
    /// The first payment is still to come, or nobody here knows this status.
    Open,
}

impl Standing {
    /// Of a subscription's `status`. While the provider still tries to collect a payment that is late, nothing is
    /// taken away.
    pub fn of(status: &str) -> Self {
        match status {
            "active" | "trialing" | "past_due" => Self::Paid,
            "canceled" | "unpaid" | "incomplete_expired" | "paused" => Self::Over,
            _ => Self::Open,
        }
    }
}

/// The largest of some plans; none where there is none.
pub fn largest<'a>(plans: impl IntoIterator<Item = &'a str>) -> Option<&'static str> {
    let rank = |plan: &str| plan::IDS.iter().position(|id| *id == plan);
    plans.into_iter().filter_map(rank).max().map(|rank| plan::IDS[rank])
}

/// The plan of an organisation whose last subscription has ended.
pub const LEAST_PLAN: &str = plan::IDS[0];

/// Whether the money of a refund is with the payer, or on its way: as long as it has not failed.
pub fn is_returned(refund: &str) -> bool {
    !matches!(refund, "failed" | "canceled")
}

/// Whether the money of a disputed payment was taken from who sold: from the beginning, and for good where the dispute
/// is lost. A bank that only inquires (`warning_…`) takes nothing, and what led to a refund is counted as one.
pub fn is_withheld(dispute: &str) -> bool {
    matches!(dispute, "needs_response" | "under_review" | "lost")
}

/// How many credits are to be taken back of those that were bought when `refunded` of the `paid` went back, both in the
/// same unit of money: the same share, rounded down, and all of them with the last of it.
pub fn owed_back(credits: Credits, refunded: i64, paid: i64) -> Credits {
    if !credits.is_positive() || refunded <= 0 || paid <= 0 {
        return Credits::ZERO;
    }
    let share = i128::from(credits.micros()) * i128::from(refunded.min(paid)) / i128::from(paid);
    Credits::from_micros(i64::try_from(share).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_means() {
        for (status, standing) in [
            ("active", Standing::Paid),
            ("trialing", Standing::Paid),
            ("past_due", Standing::Paid),
            ("canceled", Standing::Over),
            ("unpaid", Standing::Over),
            ("incomplete_expired", Standing::Over),
            ("paused", Standing::Over),
            ("incomplete", Standing::Open),
            ("Active", Standing::Open),
            ("", Standing::Open),
        ] {
            assert_eq!(Standing::of(status), standing, "{status}");
        }
    }

    #[test]
    fn the_largest_plan_counts() {
        assert_eq!(largest(["standard", "professional", "free"]), Some("professional"));
        assert_eq!(largest(["gold", "free"]), Some("free"));
        assert_eq!(largest(["gold"]), None);
        assert_eq!(largest([]), None);
    }

    #[test]
    fn what_has_gone_and_what_came_again() {
        for (status, returned) in [
            ("succeeded", true),
            ("pending", true),
            ("requires_action", true),
            ("failed", false),
            ("canceled", false),
        ] {
            assert_eq!(is_returned(status), returned, "{status}");
        }
        for (status, withheld) in [
            ("needs_response", true),
            ("under_review", true),
            ("lost", true),
            ("won", false),
            ("prevented", false),
            ("charge_refunded", false),
            ("warning_needs_response", false),
            ("warning_under_review", false),
            ("warning_closed", false),
        ] {
            assert_eq!(is_withheld(status), withheld, "{status}");
        }
    }

    #[test]
    fn a_refund_takes_its_share_back() {
        let owed = |micros, refunded, paid| owed_back(Credits::from_micros(micros), refunded, paid).micros();
        for (credits, refunded, paid, back) in [
            (50_000_000, 0, 4_500, 0),
            (50_000_000, 4_500, 4_500, 50_000_000),
            (50_000_000, 1_500, 4_500, 16_666_666),
            (50_000_000, 9_000, 4_500, 50_000_000),
            (i64::MAX, i64::MAX - 1, i64::MAX, i64::MAX - 1),
            (50_000_000, -1, 4_500, 0),
            (50_000_000, 1, 0, 0),
            (-5, 1, 1, 0),
        ] {
            assert_eq!(owed(credits, refunded, paid), back, "{credits} {refunded}/{paid}");
        }
    }
}
