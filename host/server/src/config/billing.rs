//! `[billing.stripe]`: where organisations pay, and what is sold to them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use hardpoint_domain::money::Credits;
use hardpoint_domain::origin::Origin;
use hardpoint_domain::payment::Sold;
use hardpoint_domain::plan;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::MASK;
use super::read::Problem;
use super::secrets::{SecretConfig, SecretText};

/// Credits in one pack, at most: as many as an operator can add at once.
const MOST_CREDITS: i64 = 1_000_000_000;
/// Ids of the provider are a few dozen characters.
const LONGEST_ID: usize = 255;

/// `[billing]` as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BillingConfig {
    stripe: Option<StripeConfig>,
}

/// `[billing.stripe]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StripeConfig {
    address: String,
    api_key: KeyConfig,
    webhook_secret: KeyConfig,
    success_url: String,
    cancel_url: Option<String>,
    return_url: Option<String>,
    allowed_origins: Vec<String>,
    prices: Vec<PriceConfig>,
}

impl Default for StripeConfig {
    fn default() -> Self {
        Self {
            address: "https://api.stripe.com".to_owned(),
            api_key: KeyConfig::default(),
            webhook_secret: KeyConfig::default(),
            success_url: String::new(),
            cancel_url: None,
            return_url: None,
            allowed_origins: Vec::new(),
            prices: Vec::new(),
        }
    }
}

/// A value that is never shown: exactly one of these.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct KeyConfig {
    value: Option<SecretText>,
    env: Option<String>,
    file: Option<PathBuf>,
    secret: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PriceConfig {
    id: String,
    plan: Option<String>,
    credits: Option<i64>,
}

/// `[billing.stripe]`, checked.
#[derive(Clone, Debug)]
pub struct Stripe {
    /// Where its API is, without a slash at its end.
    pub address: String,
    /// What it knows us by.
    pub api_key: Held,
    /// What its notices are signed with.
    pub webhook_secret: Held,
    /// Where those come to who have paid.
    pub success_url: String,
    /// Where those come to who have not.
    pub cancel_url: Option<String>,
    /// Where those come to who have looked after their subscription.
    pub return_url: Option<String>,
    /// Where requests may send people instead.
    pub allowed_origins: Vec<Origin>,
    /// What is sold.
    pub prices: Vec<Price>,
}

/// A secret, or where it is kept.
#[derive(Clone, Debug)]
pub enum Held {
    /// Its value.
    Here(SecretText),
    /// Its name among the secrets that the configuration or the store has.
    Named(String),
}

/// A price of the provider's, and what is sold for it.
#[derive(Clone, Debug)]
pub struct Price {
    /// The provider's id.
    pub id: String,
    /// What is sold.
    pub sold: Sold,
}

impl Stripe {
    /// What is sold under a price.
    pub fn sold(&self, price: &str) -> Option<Sold> {
        self.prices.iter().find(|known| known.id == price).map(|known| known.sold)
    }

    /// Its secrets, by their keys in the configuration.
    pub fn held(&self) -> [(&'static str, &Held); 2] {
        [("billing.stripe.api_key", &self.api_key), ("billing.stripe.webhook_secret", &self.webhook_secret)]
    }

    /// As `/configs` shows it.
    pub(super) fn masked(&self) -> Value {
        let shown = |held: &Held| match held {
            Held::Here(_) => json!(MASK),
            Held::Named(name) => json!({ "secret": name }),
        };
        let price = |price: &Price| match price.sold {
            Sold::Plan(plan) => json!({ "id": price.id, "plan": plan }),
            Sold::Credits(credits) => json!({ "id": price.id, "credits": credits.to_string() }),
        };
        json!({
            "address": self.address,
            "api_key": shown(&self.api_key),
            "webhook_secret": shown(&self.webhook_secret),
            "success_url": self.success_url,
            "cancel_url": self.cancel_url,
            "return_url": self.return_url,
            "allowed_origins": self.allowed_origins,
            "prices": self.prices.iter().map(price).collect::<Vec<_>>(),
        })
    }
}

impl BillingConfig {
    /// Checks what was written; none where there is nothing, or nothing that could be used.
    pub(super) fn resolve(
        self,
        env: &dyn Fn(&str) -> Option<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<Stripe> {
        let written = self.stripe?;
        let before = problems.len();
        let address = check_address(&written.address, problems);
        let api_key = written.api_key.resolve("api_key", env, problems);
        let webhook_secret = written.webhook_secret.resolve("webhook_secret", env, problems);
        let urls = [
            ("success_url", Some(&written.success_url)),
            ("cancel_url", written.cancel_url.as_ref()),
            ("return_url", written.return_url.as_ref()),
        ];
        for (name, url) in urls {
            if url.is_some_and(|url| page(url).is_none()) {
                let message = "must be an address, `https://host/path`, where people come to afterwards";
                problems.push(problem(name, message));
            }
        }
        let allowed_origins = written.allowed_origins.iter().enumerate().filter_map(|(at, text)| {
            let origin = Origin::parse(text);
            origin
                .map_err(|error| problems.push(problem(&format!("allowed_origins.{at}"), error.to_string())))
                .ok()
        });
        let allowed_origins = allowed_origins.collect();
        let prices = check_prices(written.prices, problems);
        if problems.len() > before {
            return None;
        }
        Some(Stripe {
            address: address?,
            api_key: api_key?,
            webhook_secret: webhook_secret?,
            success_url: written.success_url,
            cancel_url: written.cancel_url,
            return_url: written.return_url,
            allowed_origins,
            prices,
        })
    }
}

/// The origin of an address that a browser can be sent to; none for all else.
pub fn page(text: &str) -> Option<Origin> {
    Origin::of(&Url::parse(text).ok()?)
}

fn problem(member: &str, message: impl Into<String>) -> Problem {
    Problem::new(format!("billing.stripe.{member}"), message)
}

fn check_address(text: &str, problems: &mut Vec<Problem>) -> Option<String> {
    let url = Url::parse(text).ok();
    let is_base = |url: &Url| Origin::of(url).is_some() && url.query().is_none() && url.fragment().is_none();
    if url.as_ref().is_some_and(is_base) {
        return Some(text.trim_end_matches('/').to_owned());
    }
    problems.push(problem("address", "is no address of an API: write `https://api.stripe.com`"));
    None
}

impl KeyConfig {
    /// No problem says what was written: it may be the secret, in the wrong member.
    fn resolve(
        self,
        name: &str,
        env: &dyn Fn(&str) -> Option<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<Held> {
        let Self { value, env: variable, file, secret } = self;
        let others = value.is_some() || variable.is_some() || file.is_some();
        match secret {
            Some(_) if others => {
                problems.push(problem(
                    name,
                    "has more than one of `value`, `env`, `file` and `secret`; leave one",
                ));
                None
            }
            Some(secret) => Some(Held::Named(secret)),
            None if !others => {
                let message = "is missing: write one of `env`, `file` and `secret`, the name of one that is kept \
                               by `hardpoint secrets set`";
                problems.push(problem(name, message));
                None
            }
            None => match (SecretConfig { value, env: variable, file, audience: None }).value(env) {
                Ok(value) => Some(Held::Here(value)),
                Err((member, message)) => {
                    let key = if member.is_empty() { name.to_owned() } else { format!("{name}.{member}") };
                    problems.push(problem(&key, message));
                    None
                }
            },
        }
    }
}

fn check_prices(written: Vec<PriceConfig>, problems: &mut Vec<Problem>) -> Vec<Price> {
    let mut seen = BTreeSet::new();
    let mut prices = Vec::new();
    for (at, PriceConfig { id, plan, credits }) in written.into_iter().enumerate() {
        let mut refuse =
            |member: &str, message: String| problems.push(problem(&format!("prices.{at}{member}"), message));
        if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            refuse(".id", "is no id of a price: write `price_…`".to_owned());
        } else if !seen.insert(id.clone()) {
            refuse(".id", format!("there are two prices `{id}`"));
        }
        let sold = match (plan, credits) {
            (Some(name), None) => plan::named(&name).map(Sold::Plan).ok_or_else(|| {
                (".plan", format!("there is no such plan; there are {}", plan::IDS.join(", ")))
            }),
            (None, Some(credits)) if (1..=MOST_CREDITS).contains(&credits) => Credits::from_whole(credits)
                .map(Sold::Credits)
                .ok_or_else(|| (".credits", "is too much".to_owned())),
            (None, Some(_)) => Err((".credits", format!("must be whole credits, from 1 to {MOST_CREDITS}"))),
            _ => Err(("", "needs one of `plan` and `credits`".to_owned())),
        };
        match sold {
            Ok(sold) => prices.push(Price { id, sold }),
            Err((member, message)) => refuse(member, message),
        }
    }
    prices
}
