//! A double of Stripe: customers, Checkout Sessions, the customer portal, subscriptions and charges, and the events
//! that it sends about them. It holds requests to the documents: who asks, in which version, with which parameters,
//! and that what has an `Idempotency-Key` is done once. Paying is done by tests.

mod form;
mod sign;
mod state;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::body::header;
use super::script::{Ending, Script};
use super::server::Server;
use crate::gate::Gate;
use form::Form;
pub use sign::signed;
use state::{Refused, State};

/// The key that it takes.
pub const KEY: &str = "sk_test_4eC39HqLyjWDarjtT1zdp7dc";
/// What its events are signed with.
pub const WEBHOOK_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// Prices that recur.
pub const PLANS: [&str; 2] = ["price_standard", "price_professional"];
/// Prices that are paid once, in cents.
pub const PACKS: [(&str, i64); 2] = [("price_50", 4_500), ("price_unknown_here", 900)];

/// A running Stripe.
pub struct Stripe {
    server: Server,
    state: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    state: State,
    /// Answers to `GET` wait for this.
    gate: Option<Gate>,
    gets: u32,
    /// How many answers to `POST` are lost, with what they tell.
    lost: u32,
    refusals: Vec<String>,
}

impl Stripe {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start() -> Result<Self> {
        let state = Arc::new(Mutex::new(Shared::default()));
        let serving = state.clone();
        let server = Server::start(move |request: Request<Incoming>, _| {
            let state = serving.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                let (script, gate) = with(&state, |shared| {
                    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
                    let script = shared.answer(&head.method, target, &head.headers, &body);
                    (script, (head.method == Method::GET).then(|| shared.gate.clone()).flatten())
                });
                if let Some(gate) = gate {
                    gate.pass().await;
                }
                script.play(Ending::new().0).await
            }
        });
        Ok(Self { server: server.await?, state })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        self.server.origin()
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// Answers to `GET` wait for this from now on.
    pub fn behind(&self, gate: &Gate) {
        with(&self.state, |shared| shared.gate = Some(gate.clone()));
    }

    /// The answers to the next so many `POST`s are lost; what was asked is done.
    pub fn lose(&self, answers: u32) {
        with(&self.state, |shared| shared.lost = answers);
    }

    /// How often something was looked at.
    pub fn gets(&self) -> u32 {
        with(&self.state, |shared| shared.gets)
    }

    /// Why requests were refused.
    pub fn refusals(&self) -> Vec<String> {
        with(&self.state, |shared| shared.refusals.clone())
    }

    /// How many customers and sessions of checkouts there are.
    pub fn counts(&self) -> (usize, usize) {
        with(&self.state, |shared| (shared.state.customers.len(), shared.state.sessions.len()))
    }

    /// Removes all customers, as when the account is another.
    pub fn forget_customers(&self) {
        with(&self.state, |shared| shared.state.customers.clear());
    }

    /// A checkout.
    pub fn session(&self, id: &str) -> Value {
        with(&self.state, |shared| shared.state.sessions[id].clone())
    }

    /// Somebody pays on the page of a checkout; the event that says so.
    pub fn pay(&self, session: &str) -> String {
        with(&self.state, |shared| shared.state.pay(session))
    }

    /// A payment link of the merchant's is paid by somebody who names this organisation.
    pub fn pay_link(&self, reference: &str, price: &str) -> String {
        with(&self.state, |shared| shared.state.pay_link(reference, price))
    }

    /// The subscription of a checkout that was paid, and the event of its beginning.
    pub fn subscription(&self, session: &str) -> (String, String) {
        with(&self.state, |shared| {
            let id =
                shared.state.sessions[session]["subscription"].as_str().expect("a subscription").to_owned();
            let event = shared.state.subscription_event("created", &id);
            (id, event)
        })
    }

    /// A subscription is another now; the event that says so.
    pub fn change(&self, subscription: &str, status: &str, price: &str) -> String {
        with(&self.state, |shared| shared.state.change(subscription, status, price))
    }

    /// Cents of a payment go back; the event that says so.
    pub fn refund(&self, session: &str, cents: i64) -> String {
        with(&self.state, |shared| shared.state.refund(session, cents))
    }

    /// The last refund of a payment fails; the event that says so.
    pub fn fail_refund(&self, session: &str) -> String {
        with(&self.state, |shared| shared.state.fail_refund(session))
    }

    /// Somebody disputes so many cents of a payment; the event that says so.
    pub fn dispute(&self, session: &str, cents: i64) -> String {
        with(&self.state, |shared| shared.state.dispute(session, cents))
    }

    /// The last dispute of a payment is closed, `won` or `lost`; the event that says so.
    pub fn close_dispute(&self, session: &str, status: &str) -> String {
        with(&self.state, |shared| shared.state.close_dispute(session, status))
    }

    /// An event of a kind that nobody waits for.
    pub fn other_event(&self) -> String {
        with(&self.state, |shared| {
            shared.state.event("product.updated", json!({"id": "prod_1", "object": "product"}))
        })
    }
}

fn with<T>(state: &Mutex<Shared>, look: impl FnOnce(&mut Shared) -> T) -> T {
    look(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Shared {
    fn answer(&mut self, method: &Method, target: &str, headers: &HeaderMap, body: &[u8]) -> Script {
        self.gets += u32::from(*method == Method::GET);
        let answered = self.judge(method, target, headers, body);
        if *method == Method::POST && self.lost > 0 {
            self.lost -= 1;
            return Script::new().broken();
        }
        match answered {
            Ok((object, replayed)) => {
                let script = json_script(200, &object);
                if replayed { script.header("idempotent-replayed", "true") } else { script }
            }
            Err(refused) => {
                self.refusals.push(format!("{method} {target}: {}", refused.message));
                json_script(refused.status, &refused.object())
            }
        }
    }

    fn judge(
        &mut self,
        method: &Method,
        target: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(Value, bool), Refused> {
        if header(headers, "authorization") != format!("Bearer {KEY}") {
            return Err(Refused::new(401, "", "", "Invalid API Key provided"));
        }
        // Where it is left out, the account's own version counts, which nobody here knows.
        let version = header(headers, "stripe-version");
        if version != "2024-06-20" {
            return Err(Refused::new(400, "", "", &format!("Invalid Stripe API version: {version:?}")));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if *method == Method::GET {
            return Ok((self.state.get(path, &Form::parse(query))?, false));
        }
        if header(headers, "content-type") != "application/x-www-form-urlencoded" || !query.is_empty() {
            return Err(Refused::new(400, "", "", "Parameters are sent as a form"));
        }
        let text = String::from_utf8_lossy(body).into_owned();
        self.state.once(path, &text, header(headers, "idempotency-key"))
    }
}

fn json_script(status: u16, body: &Value) -> Script {
    Script::new().status(status).header("content-type", "application/json").bytes(body.to_string())
}
