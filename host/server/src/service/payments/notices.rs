//! Notices of the payment provider: what it says has happened.
//!
//! Notices come late, twice, and in any order. So a notice is no more than a hint to look: a checkout, a subscription
//! and what went back of a payment are asked of the provider as they are now. Each notice is acted upon in the
//! transaction that keeps its id. What was asked may be out of date when it is written down; so it is written down only
//! where nothing was written since before it was asked, or asked again.

use hardpoint_domain::money::Credits;
use hardpoint_domain::payment::{self, Sold, Standing};
use hardpoint_store::organizations::Organization;
use hardpoint_store::{StoreError, organizations, payments};
use serde_json::{Value, json};

use super::objects::{Lines, METADATA, Notice, PaymentIntent, Returns, Session, Subscription, is_id};
use super::provider::Provider;
use super::settle::{Paid, Settlement, WentBack};
use crate::error::ApiError;
use crate::service::login::Visitor;
use crate::state::App;

/// How often something is asked for anew because another notice of it was faster.
const ATTEMPTS: u32 = 10;
/// Refunds and disputes of one payment that are looked at: as many as the provider tells at once.
const RETURNS: u32 = 100;

/// What became of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What it told was done.
    Done,
    /// It was done before.
    Known,
    /// There is nothing to do, or not yet.
    Ignored,
    /// Nobody here knows for whom or for what it is: an event says so to operators.
    Unmatched,
}

impl Outcome {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Known => "known",
            Self::Ignored => "ignored",
            Self::Unmatched => "unmatched",
        }
    }
}

/// Takes a notice, and does what follows from it, once however often it comes.
///
/// # Errors
/// 401 where it is not the provider's, or not of now; 400 where it is none; 502 to 504 where the provider could not be
/// asked, 503 where none is configured: then it is to be sent again.
pub async fn receive(
    app: &App,
    visitor: &Visitor,
    signature: Option<&str>,
    body: &[u8],
) -> Result<Outcome, ApiError> {
    let provider = Provider::of(app)?;
    provider.verify(signature, body, app.clock.now())?;
    let notice: Notice = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("The body is no event: {error}.")))?;
    if !is_id(&notice.id) {
        return Err(ApiError::bad_field("id", "format", "The 'id' field is no id of an event."));
    }
    let Some(kind) = Kind::of(&notice.r#type) else { return Ok(Outcome::Ignored) };
    // So that the provider is not asked again about what was done. What decides is in the transaction.
    if payments::is_known(&mut app.store.read().await?, &notice.id).await? {
        return Ok(Outcome::Known);
    }
    let desk = Desk { app, provider, visitor };
    match kind {
        Kind::Checkout => desk.checkout(&notice).await,
        Kind::Subscription => desk.subscription(&notice, object_id(&notice)?).await,
        Kind::Payment => desk.payment(&notice).await,
    }
}

/// What a notice is about, as far as anything follows from it.
enum Kind {
    Checkout,
    Subscription,
    /// Money of it went back, or came again.
    Payment,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name {
            "checkout.session.completed" | "checkout.session.async_payment_succeeded" => Some(Self::Checkout),
            "customer.subscription.created"
            | "customer.subscription.updated"
            | "customer.subscription.deleted" => Some(Self::Subscription),
            // The provider's versions differ in which of them they send.
            "charge.refunded"
            | "charge.refund.updated"
            | "refund.created"
            | "refund.updated"
            | "refund.failed"
            | "charge.dispute.created"
            | "charge.dispute.updated"
            | "charge.dispute.closed"
            | "charge.dispute.funds_withdrawn"
            | "charge.dispute.funds_reinstated" => Some(Self::Payment),
            _ => None,
        }
    }
}

fn object_id(notice: &Notice) -> Result<&str, ApiError> {
    let message = "The 'data.object.id' field is no id.";
    notice.object_id().ok_or_else(|| ApiError::bad_field("data.object.id", "format", message))
}

/// The payment that a notice is about: the same as that of the checkout. None where there was none.
fn payment_of(notice: &Notice) -> Result<Option<&str>, ApiError> {
    if notice.data.object.get("payment_intent").is_none_or(Value::is_null) {
        return Ok(None);
    }
    let message = "The 'data.object.payment_intent' field is no id.";
    let id = notice.text("payment_intent");
    id.map(Some).ok_or_else(|| ApiError::bad_field("data.object.payment_intent", "format", message))
}

/// Who looks after notices.
struct Desk<'a> {
    app: &'a App,
    provider: Provider<'a>,
    visitor: &'a Visitor,
}

impl Desk<'_> {
    fn settlement(&self, notice: &Notice) -> Settlement<'_> {
        Settlement::new(self.app, self.visitor, &notice.id, &notice.r#type)
    }

    /// Something was bought; it may still have to be paid.
    async fn checkout(&self, notice: &Notice) -> Result<Outcome, ApiError> {
        let id = object_id(notice)?;
        let session: Session =
            self.provider.get(&format!("checkout/sessions/{id}?expand[]=line_items")).await?;
        if let Some(subscription) = session.subscription.as_deref().filter(|id| is_id(id)) {
            return self.subscription(notice, subscription).await;
        }
        match (session.mode.as_str(), session.payment_status.as_str()) {
            ("payment", "paid") => {}
            // A payment that takes days has a notice of its own when it has come.
            ("payment", "no_payment_required") => {
                return self.unmatched(notice, None, "nothing_was_paid", json!({ "session": id })).await;
            }
            _ => return Ok(Outcome::Ignored),
        }
        let about = json!({ "session": id, "prices": session.line_items.prices() });
        let named = [written(session.metadata.as_ref()), session.client_reference_id.as_deref()];
        let Some(owner) = self.owner(session.customer.as_deref(), &named).await? else {
            return self.unmatched(notice, None, "unknown_organization", about).await;
        };
        let Some(credits) = self.credits(&session.line_items) else {
            return self.unmatched(notice, Some(&owner), "unknown_price", about).await;
        };
        // Refunds name the payment, not the checkout.
        let payment = session.payment_intent.filter(|id| is_id(id)).unwrap_or(session.id);
        self.settlement(notice).book(Paid { owner, payment, credits, about }).await
    }

    /// A subscription is another than it was, in whichever way.
    async fn subscription(&self, notice: &Notice, id: &str) -> Result<Outcome, ApiError> {
        for _ in 0..ATTEMPTS {
            // Before the provider is asked: what is kept later may be newer than its answer.
            let seen = payments::subscription(&mut self.app.store.read().await?, id).await?;
            let found: Subscription = self.provider.get(&format!("subscriptions/{id}")).await?;
            match self.follow(notice, seen, &found).await {
                Err(Stopped::ByAnother) => {}
                Err(Stopped::By(error)) => return Err(error),
                Ok(outcome) => return Ok(outcome),
            }
        }
        Err(too_many())
    }

    async fn follow(
        &self,
        notice: &Notice,
        seen: Option<payments::Subscription>,
        found: &Subscription,
    ) -> Result<Outcome, Stopped> {
        let standing = Standing::of(&found.status);
        if standing == Standing::Open {
            return Ok(Outcome::Ignored);
        }
        let about =
            json!({ "subscription": found.id, "status": found.status, "prices": found.items.prices() });
        let owner = match &seen {
            // It stays with whom it was made for.
            Some(seen) => self.organization(&seen.organization_id).await?,
            None => self.owner(found.customer.as_deref(), &[written(found.metadata.as_ref())]).await?,
        };
        let Some(owner) = owner else {
            return Ok(self.unmatched(notice, None, "unknown_organization", about).await?);
        };
        let plan = self.plan(&found.items).map(str::to_owned);
        if plan.is_none() && standing == Standing::Paid {
            // What it gave before it still gives: nobody says what else it should.
            return Ok(self.unmatched(notice, Some(&owner), "unknown_price", about).await?);
        }
        let new = payments::Subscription {
            id: found.id.clone(),
            organization_id: owner.id,
            plan: plan.or_else(|| seen.as_ref().and_then(|seen| seen.plan.clone())),
            is_paid: standing == Standing::Paid,
            revision: seen.as_ref().map_or(0, |seen| seen.revision),
        };
        Ok(self.settlement(notice).follow(new, about).await?)
    }

    /// Money of a payment went back or came again.
    async fn payment(&self, notice: &Notice) -> Result<Outcome, ApiError> {
        let Some(id) = payment_of(notice)? else {
            let about = json!({ "object": notice.object_id() });
            return self.unmatched(notice, None, "unknown_payment", about).await;
        };
        for _ in 0..ATTEMPTS {
            let seen = payments::get(&mut self.app.store.read().await?, id).await?;
            let went_back = self.went_back(id, seen.map(|seen| seen.revision)).await?;
            match self.settlement(notice).go_back(went_back).await {
                Err(StoreError::Conflict) => {}
                settled => return Ok(settled?),
            }
        }
        Err(too_many())
    }

    /// How much of a payment has gone back by now.
    async fn went_back(&self, id: &str, seen: Option<i64>) -> Result<WentBack, ApiError> {
        let payment: PaymentIntent = self.provider.get(&format!("payment_intents/{id}")).await?;
        let of_it = format!("payment_intent={id}&limit={RETURNS}");
        let refunds: Returns = self.provider.get(&format!("refunds?{of_it}")).await?;
        let disputes: Returns = self.provider.get(&format!("disputes?{of_it}")).await?;
        let gone = refunds.sum(payment::is_returned).saturating_add(disputes.sum(payment::is_withheld));
        Ok(WentBack { payment: id.to_owned(), seen, paid: payment.amount_received, gone })
    }

    /// Keeps a notice that nothing follows from, for an operator to look into.
    async fn unmatched(
        &self,
        notice: &Notice,
        owner: Option<&Organization>,
        reason: &'static str,
        about: Value,
    ) -> Result<Outcome, ApiError> {
        let organization = owner.map(|owner| owner.id.as_str());
        self.settlement(notice).keep(organization, reason, about).await
    }

    /// Whose it is: the organisation that is this customer, or else one that was named when it began.
    async fn owner(
        &self,
        customer: Option<&str>,
        named: &[Option<&str>],
    ) -> Result<Option<Organization>, ApiError> {
        if let Some(customer) = customer {
            let owner = payments::owner_of(&mut self.app.store.read().await?, customer).await?;
            if let Some(owner) = owner {
                return self.organization(&owner).await;
            }
        }
        for id in named.iter().flatten() {
            if let Some(found) = self.organization(id).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn organization(&self, id: &str) -> Result<Option<Organization>, ApiError> {
        if !hardpoint_domain::id::looks_like("org", id) {
            return Ok(None);
        }
        Ok(organizations::get(&mut self.app.store.read().await?, id).await?)
    }

    /// What was bought in credits; none where anything of it is something else.
    fn credits(&self, lines: &Lines) -> Option<Credits> {
        let mut sum = 0_i64;
        for line in &lines.data {
            let Sold::Credits(credits) = self.provider.config.sold(&line.price.as_ref()?.id)? else {
                return None;
            };
            sum = sum.checked_add(credits.micros().checked_mul(line.quantity.unwrap_or(1))?)?;
        }
        (sum > 0 && !lines.has_more).then_some(Credits::from_micros(sum))
    }

    /// The plan that a subscription is of: the largest where it is of several.
    fn plan(&self, lines: &Lines) -> Option<&'static str> {
        let plans =
            lines.prices().into_iter().filter_map(|price| match self.provider.config.sold(price)? {
                Sold::Plan(plan) => Some(plan),
                Sold::Credits(_) => None,
            });
        payment::largest(plans)
    }
}

/// Why what was learned of a subscription was not written down.
enum Stopped {
    /// Something newer may have been, meanwhile.
    ByAnother,
    By(ApiError),
}

impl From<ApiError> for Stopped {
    fn from(error: ApiError) -> Self {
        Self::By(error)
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::ByAnother,
            other => Self::By(other.into()),
        }
    }
}

fn too_many() -> ApiError {
    ApiError::unavailable(1, "Too many notices of one thing came at once. Send it again.")
}

/// Whose it is, as we wrote on it.
fn written(metadata: Option<&std::collections::BTreeMap<String, String>>) -> Option<&str> {
    metadata?.get(METADATA).map(String::as_str)
}
