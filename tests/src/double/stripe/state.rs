//! What a double of Stripe has, and what its documents say about it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::form::Form;
use super::{PACKS, PLANS};

/// When everything there was made.
const CREATED: i64 = 1_760_000_000;

/// All that there is.
#[derive(Default)]
pub(super) struct State {
    pub(super) customers: BTreeMap<String, Value>,
    pub(super) sessions: BTreeMap<String, Value>,
    subscriptions: BTreeMap<String, Value>,
    /// By payment.
    charges: BTreeMap<String, Value>,
    refunds: Vec<Value>,
    disputes: Vec<Value>,
    /// What was asked under a name, and how it was answered.
    named: BTreeMap<String, (String, String, Value)>,
    made: u32,
}

/// A request that is refused.
pub(super) struct Refused {
    pub(super) status: u16,
    code: String,
    param: String,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(status: u16, code: &str, param: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), param: param.to_owned(), message: message.to_owned() }
    }

    pub(super) fn object(&self) -> Value {
        let text = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
        let kind = if self.code == "idempotency" { "idempotency_error" } else { "invalid_request_error" };
        json!({ "error": {
            "type": kind, "code": text(&self.code), "param": text(&self.param), "message": self.message,
            "doc_url": "https://stripe.com/docs/error-codes",
        }})
    }
}

fn missing(what: &str, param: &str, id: &str) -> Refused {
    let status = if param == "id" { 404 } else { 400 };
    Refused::new(status, "resource_missing", param, &format!("No such {what}: '{id}'"))
}

impl State {
    fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{:024}", self.made)
    }

    /// Carries a request out, or gives the answer that it had under this name.
    pub(super) fn once(&mut self, path: &str, form: &str, name: &str) -> Result<(Value, bool), Refused> {
        if name.is_empty() || name.len() > 255 {
            // The documents leave it to the caller; what is asked here costs money when it is done twice.
            return Err(Refused::new(400, "", "", "No Idempotency-Key of at most 255 characters"));
        }
        if let Some((first_path, first_form, answer)) = self.named.get(name) {
            if (first_path.as_str(), first_form.as_str()) != (path, form) {
                let message = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
                return Err(Refused::new(400, "idempotency", "", message));
            }
            return Ok((answer.clone(), true));
        }
        let answer = self.post(path, &Form::parse(form))?;
        self.named.insert(name.to_owned(), (path.to_owned(), form.to_owned(), answer.clone()));
        Ok((answer, false))
    }

    fn post(&mut self, path: &str, form: &Form) -> Result<Value, Refused> {
        match path {
            "/v1/customers" => self.make_customer(form),
            "/v1/checkout/sessions" => self.make_session(form),
            "/v1/billing_portal/sessions" => self.make_portal(form),
            _ => Err(unknown(path)),
        }
    }

    fn make_customer(&mut self, form: &Form) -> Result<Value, Refused> {
        form.only(&["name", "email", "metadata", "description"])?;
        let id = self.id("cus");
        let customer = json!({
            "id": id, "object": "customer", "created": CREATED, "name": form.get("name"), "livemode": false,
            "metadata": form.table("metadata"),
        });
        self.customers.insert(id, customer.clone());
        Ok(customer)
    }

    fn customer(&self, form: &Form) -> Result<String, Refused> {
        let id = form.need("customer")?;
        let known = self.customers.contains_key(id).then(|| id.to_owned());
        known.ok_or_else(|| missing("customer", "customer", id))
    }

    fn make_session(&mut self, form: &Form) -> Result<Value, Refused> {
        form.only(&[
            "mode",
            "line_items",
            "success_url",
            "cancel_url",
            "customer",
            "client_reference_id",
            "metadata",
            "subscription_data",
            "payment_intent_data",
        ])?;
        let customer = self.customer(form)?;
        let (mode, price) = (form.need("mode")?, form.need("line_items[0][price]")?);
        let data = match mode {
            "subscription" if !PLANS.contains(&price) => {
                let message = "You must provide at least one recurring price in `subscription` mode.";
                return Err(Refused::new(400, "", "line_items", message));
            }
            "payment" if PLANS.contains(&price) => {
                let message = "You specified `payment` mode but passed a recurring price.";
                return Err(Refused::new(400, "", "line_items", message));
            }
            "subscription" => ("subscription_data", "payment_intent_data"),
            "payment" => ("payment_intent_data", "subscription_data"),
            _ => return Err(Refused::new(400, "", "mode", "Invalid mode")),
        };
        if !form.table(&format!("{}[metadata]", data.1)).is_empty() {
            let message = format!("You can not pass `{}` in `{mode}` mode.", data.1);
            return Err(Refused::new(400, "", data.1, &message));
        }
        if !PLANS.contains(&price) && !PACKS.iter().any(|(pack, _)| *pack == price) {
            return Err(missing("price", "line_items[0][price]", price));
        }
        let quantity: i64 = form.need("line_items[0][quantity]")?.parse().unwrap_or(0);
        let success_url = form.need("success_url")?;
        for url in [Some(success_url), form.get("cancel_url")].into_iter().flatten() {
            if !url.starts_with("https://") && !url.starts_with("http://") {
                return Err(Refused::new(400, "url_invalid", "success_url", "Not a valid URL"));
            }
        }
        let id = self.id("cs_test");
        let session = json!({
            "id": id, "object": "checkout.session", "created": CREATED, "mode": mode, "status": "open",
            "payment_status": "unpaid", "customer": customer, "livemode": false,
            "client_reference_id": form.get("client_reference_id"), "metadata": form.table("metadata"),
            "url": format!("https://checkout.stripe.com/c/pay/{id}#fid"), "success_url": success_url,
            "cancel_url": form.get("cancel_url"), "payment_intent": null, "subscription": null,
            "currency": "usd", "amount_total": cents(price) * quantity,
            "line_items": lines(price, quantity), "copied": form.table(&format!("{}[metadata]", data.0)),
        });
        self.sessions.insert(id, session.clone());
        Ok(shown(&session, false))
    }

    fn make_portal(&mut self, form: &Form) -> Result<Value, Refused> {
        form.only(&["customer", "return_url", "configuration"])?;
        let (customer, id) = (self.customer(form)?, self.id("bps"));
        Ok(json!({
            "id": id, "object": "billing_portal.session", "created": CREATED, "customer": customer, "livemode": false,
            "return_url": form.get("return_url"), "url": format!("https://billing.stripe.com/p/session/{id}"),
        }))
    }

    pub(super) fn get(&self, path: &str, query: &Form) -> Result<Value, Refused> {
        if let Some(all) = match path {
            "/v1/refunds" => Some(&self.refunds),
            "/v1/disputes" => Some(&self.disputes),
            _ => None,
        } {
            query.only(&["payment_intent", "limit"])?;
            let (payment, limit) = (query.need("payment_intent")?, query.need("limit")?.parse().unwrap_or(0));
            self.charge_of(payment)?;
            let of_it = all.iter().rev().filter(|one| one["payment_intent"] == payment).cloned();
            let some: Vec<Value> = of_it.take(limit).collect();
            return Ok(json!({ "object": "list", "data": some, "has_more": false, "url": path }));
        }
        query.only(&["expand"])?;
        if let Some(id) = path.strip_prefix("/v1/payment_intents/") {
            let amount = self.charge_of(id)?["amount"].clone();
            return Ok(
                json!({ "id": id, "object": "payment_intent", "amount": amount, "amount_received": amount,
                "currency": "usd", "status": "succeeded", "latest_charge": id.replace("pi_", "ch_") }),
            );
        }
        if let Some(id) = path.strip_prefix("/v1/checkout/sessions/") {
            let session = self.sessions.get(id).ok_or_else(|| missing("checkout.session", "id", id))?;
            return Ok(shown(session, query.get("expand[]") == Some("line_items")));
        }
        if let Some(id) = path.strip_prefix("/v1/subscriptions/") {
            return self.subscriptions.get(id).cloned().ok_or_else(|| missing("subscription", "id", id));
        }
        Err(unknown(path))
    }

    pub(super) fn event(&mut self, kind: &str, object: Value) -> String {
        let id = self.id("evt");
        let event = json!({
            "id": id, "object": "event", "api_version": "2024-06-20", "created": CREATED, "type": kind,
            "livemode": false, "pending_webhooks": 1, "request": { "id": null, "idempotency_key": null },
            "data": { "object": object },
        });
        event.to_string()
    }

    pub(super) fn pay(&mut self, id: &str) -> String {
        let (payment, subscription) = (self.id("pi"), self.id("sub"));
        let session = self.sessions.get_mut(id).expect("a session");
        session["status"] = json!("complete");
        session["payment_status"] = json!("paid");
        if session["mode"] == "payment" {
            session["payment_intent"] = json!(payment);
            let charge = json!({
                "id": payment.replace("pi_", "ch_"), "object": "charge", "payment_intent": payment,
                "amount": session["amount_total"], "amount_refunded": 0, "refunded": false, "currency": "usd",
            });
            self.charges.insert(payment, charge);
        } else {
            session["subscription"] = json!(subscription);
            let subscription = json!({
                "id": subscription, "object": "subscription", "created": CREATED, "status": "active",
                "customer": session["customer"], "metadata": session["copied"], "items": session["line_items"],
            });
            let id = session["subscription"].as_str().expect("a text").to_owned();
            self.subscriptions.insert(id, subscription);
        }
        let session = shown(&self.sessions[id], false);
        self.event("checkout.session.completed", session)
    }

    pub(super) fn pay_link(&mut self, reference: &str, price: &str) -> String {
        let id = self.id("cs_test");
        let session = json!({
            "id": id, "object": "checkout.session", "created": CREATED, "mode": "payment", "status": "open",
            "payment_status": "unpaid", "customer": null, "client_reference_id": reference, "metadata": {},
            "payment_intent": null, "subscription": null, "amount_total": cents(price),
            "line_items": lines(price, 1), "copied": {},
        });
        self.sessions.insert(id.clone(), session);
        self.pay(&id)
    }

    pub(super) fn subscription_event(&mut self, what: &str, id: &str) -> String {
        let subscription = self.subscriptions[id].clone();
        self.event(&format!("customer.subscription.{what}"), subscription)
    }

    pub(super) fn change(&mut self, id: &str, status: &str, price: &str) -> String {
        let subscription = self.subscriptions.get_mut(id).expect("a subscription");
        subscription["status"] = json!(status);
        subscription["items"] = lines(price, 1);
        let what = if status == "canceled" { "deleted" } else { "updated" };
        self.subscription_event(what, id)
    }

    fn charge_of(&self, payment: &str) -> Result<&Value, Refused> {
        self.charges.get(payment).ok_or_else(|| missing("payment_intent", "id", payment))
    }

    /// The payment of a checkout, and how much of it has gone back by refunds that have not failed.
    fn charge(&mut self, payment: &str) -> Value {
        let refunds = self.refunds.iter();
        let good = refunds.filter(|one| one["payment_intent"] == payment && one["status"] != "failed");
        let refunded: i64 = good.filter_map(|one| one["amount"].as_i64()).sum();
        let charge = self.charges.get_mut(payment).expect("paid");
        charge["amount_refunded"] = json!(refunded);
        charge["refunded"] = json!(charge["amount"] == json!(refunded));
        charge.clone()
    }

    fn payment(&self, session: &str) -> String {
        self.sessions[session]["payment_intent"].as_str().expect("paid").to_owned()
    }

    pub(super) fn refund(&mut self, session: &str, cents: i64) -> String {
        let (payment, id) = (self.payment(session), self.id("re"));
        self.refunds.push(json!({
            "id": id, "object": "refund", "amount": cents, "charge": payment.replace("pi_", "ch_"),
            "payment_intent": payment, "currency": "usd", "status": "succeeded",
        }));
        let charge = self.charge(&payment);
        self.event("charge.refunded", charge)
    }

    pub(super) fn fail_refund(&mut self, session: &str) -> String {
        let payment = self.payment(session);
        let refund =
            self.refunds.iter_mut().rfind(|one| one["payment_intent"] == *payment).expect("a refund");
        refund["status"] = json!("failed");
        let refund = refund.clone();
        self.event("refund.failed", refund)
    }

    pub(super) fn dispute(&mut self, session: &str, cents: i64) -> String {
        let (payment, id) = (self.payment(session), self.id("dp"));
        let dispute = json!({
            "id": id, "object": "dispute", "amount": cents, "charge": payment.replace("pi_", "ch_"),
            "payment_intent": payment, "currency": "usd", "reason": "fraudulent", "status": "needs_response",
        });
        self.disputes.push(dispute.clone());
        self.event("charge.dispute.created", dispute)
    }

    pub(super) fn close_dispute(&mut self, session: &str, status: &str) -> String {
        let payment = self.payment(session);
        let dispute =
            self.disputes.iter_mut().rfind(|one| one["payment_intent"] == *payment).expect("a dispute");
        dispute["status"] = json!(status);
        let dispute = dispute.clone();
        self.event("charge.dispute.closed", dispute)
    }
}

fn unknown(path: &str) -> Refused {
    Refused::new(404, "", "", &format!("Unrecognized request URL ({path})."))
}

fn cents(price: &str) -> i64 {
    PACKS.iter().find(|(pack, _)| *pack == price).map_or(2_000, |(_, cents)| *cents)
}

fn lines(price: &str, quantity: i64) -> Value {
    let line = json!({
        "id": "li_1", "object": "item", "quantity": quantity,
        "price": { "id": price, "object": "price", "unit_amount": cents(price), "currency": "usd" },
    });
    json!({ "object": "list", "data": [line], "has_more": false, "url": "/v1/checkout/sessions/cs/line_items" })
}

/// A session as it is answered: what was bought only where that is asked for.
fn shown(session: &Value, with_lines: bool) -> Value {
    let mut shown = session.clone();
    if let Some(members) = shown.as_object_mut() {
        members.remove("copied");
        if !with_lines {
            members.remove("line_items");
        }
    }
    shown
}
