//! What is read of the provider's objects. All else in them is left alone.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What we write on everything that we make: whose it is.
pub(super) const METADATA: &str = "organization_id";

/// Somebody who pays.
#[derive(Debug, Deserialize)]
pub(super) struct Customer {
    /// `cus_…`.
    pub id: String,
}

/// A page that somebody is to be sent to.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    /// `cs_…` or `bps_…`.
    pub id: String,
    /// Where it is.
    pub url: String,
}

/// A checkout, with what was bought.
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    /// `cs_…`.
    pub id: String,
    /// `payment`, `subscription` or `setup`.
    pub mode: String,
    /// `paid`, `unpaid` or `no_payment_required`.
    pub payment_status: String,
    /// Who paid.
    pub customer: Option<String>,
    /// For whom, as whoever began it says.
    pub client_reference_id: Option<String>,
    /// What we wrote on it.
    pub metadata: Option<BTreeMap<String, String>>,
    /// The payment, in the mode `payment`.
    pub payment_intent: Option<String>,
    /// The subscription, in the mode of that name.
    pub subscription: Option<String>,
    /// What was bought.
    #[serde(default)]
    pub line_items: Lines,
}

/// A subscription.
#[derive(Debug, Deserialize)]
pub(super) struct Subscription {
    /// `sub_…`.
    pub id: String,
    /// `active`, `past_due`, `canceled` …
    pub status: String,
    /// Who pays.
    pub customer: Option<String>,
    /// What we wrote on it.
    pub metadata: Option<BTreeMap<String, String>>,
    /// What it is of.
    #[serde(default)]
    pub items: Lines,
}

/// A payment.
#[derive(Debug, Deserialize)]
pub(super) struct PaymentIntent {
    /// What was paid, in the smallest unit of its money.
    pub amount_received: i64,
}

/// A refund, or a dispute: money that goes back, or went and came again.
#[derive(Debug, Deserialize)]
pub(super) struct Return {
    /// In the smallest unit of its money.
    pub amount: i64,
    /// `succeeded`, `failed` …; `needs_response`, `won` …
    pub status: Option<String>,
}

/// Refunds or disputes of one payment.
#[derive(Debug, Deserialize)]
pub(super) struct Returns {
    pub data: Vec<Return>,
}

impl Returns {
    /// The sum of those that are in such a state, also where it is not told.
    pub(super) fn sum(&self, counts: impl Fn(&str) -> bool) -> i64 {
        let counted = self.data.iter().filter(|one| one.status.as_deref().is_none_or(&counts));
        counted.fold(0, |sum, one| sum.saturating_add(one.amount))
    }
}

/// What was bought, or what a subscription is of.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Lines {
    /// The first of them.
    #[serde(default)]
    pub data: Vec<Line>,
    /// Whether there is more.
    #[serde(default)]
    pub has_more: bool,
}

/// One line of it.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    /// What was sold.
    pub price: Option<Price>,
    /// How often; once where it is not said.
    pub quantity: Option<i64>,
}

/// What something costs; stands for what is sold.
#[derive(Debug, Deserialize)]
pub(super) struct Price {
    /// `price_…`.
    pub id: String,
}

/// Something that happened there.
#[derive(Debug, Deserialize)]
pub(super) struct Notice {
    /// `evt_…`; the same however often it is sent.
    pub id: String,
    /// `checkout.session.completed` …
    pub r#type: String,
    /// About what.
    pub data: About,
}

/// What a notice is about.
#[derive(Debug, Deserialize)]
pub(super) struct About {
    /// As it was when the notice was written.
    pub object: serde_json::Map<String, serde_json::Value>,
}

impl Notice {
    /// The id of what it is about.
    pub(super) fn object_id(&self) -> Option<&str> {
        self.text("id")
    }

    /// An id that stands under this name.
    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.data.object.get(member)?.as_str().filter(|id| is_id(id))
    }
}

/// Whether a text may be an id of the provider's, and so be part of a path.
pub(super) fn is_id(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Lines {
    /// The ids of the prices, for people.
    pub(super) fn prices(&self) -> Vec<&str> {
        self.data.iter().filter_map(|line| line.price.as_ref().map(|price| price.id.as_str())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_nowhere_else() {
        assert!(is_id("cs_test_a1B2c3"));
        for text in ["", "cs/../customers", "cs?x", "cs 1", "cs%2f", "é", &"x".repeat(256)] {
            assert!(!is_id(text), "{text}");
        }
    }
}
