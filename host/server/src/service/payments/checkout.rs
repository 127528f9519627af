//! Pages of the payment provider's: to buy a plan or credits, and to look after what was bought.

use hardpoint_domain::access::Excess;
use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::money::Credits;
use hardpoint_domain::payment::Sold;
use hardpoint_domain::plan;
use hardpoint_store::organizations::Organization;
use hardpoint_store::{Lane, organizations, payments};
use serde_json::{Value, json};

use super::failed::Failed;
use super::objects::{Customer, METADATA, Page};
use super::provider::Provider;
use crate::caller::Caller;
use crate::config::{Price, Stripe, page};
use crate::error::ApiError;
use crate::service::events::Author;
use crate::state::App;

/// What somebody wants to buy.
#[derive(Clone, Debug)]
pub enum Bought {
    /// The plan of this name.
    Plan(String),
    /// So many credits.
    Credits(i64),
    /// Whatever is sold under this price of the provider's.
    Price(String),
}

/// A page that somebody is to be sent to.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The provider's id.
    pub id: String,
    /// Where it is.
    pub url: String,
}

impl From<Page> for Opened {
    fn from(page: Page) -> Self {
        Self { id: page.id, url: page.url }
    }
}

/// Opens a page where the caller's organisation pays, once, however often it is asked under the same `name`. Those who
/// have paid come to `success_url`, others to `cancel_url`; where these are left out, to those that are configured.
///
/// # Errors
/// 403 for a test key, and one that is bound to a workspace; 409 where a plan is paid already; 422 for what is not sold and for a page that is not allowed;
/// 502 to 504 where the provider does not do it, 503 where none is configured.
pub async fn checkout(
    app: &App,
    caller: &Caller,
    bought: &Bought,
    [success_url, cancel_url]: [Option<&str>; 2],
    name: Option<&str>,
) -> Result<Opened, ApiError> {
    let desk = Desk::open(app, caller).await?;
    let config = desk.provider.config.clone();
    let price = find(&config, bought)?;
    let success_url = allowed(&config, "successUrl", success_url)?.unwrap_or(&config.success_url);
    let cancel_url = allowed(&config, "cancelUrl", cancel_url)?.or(config.cancel_url.as_deref());
    if matches!(price.sold, Sold::Plan(_)) {
        desk.pays_for_no_plan().await?;
    }
    let organization = desk.organization.id.as_str();
    let (mode, copied) = match price.sold {
        Sold::Plan(_) => ("subscription", format!("subscription_data[metadata][{METADATA}]")),
        Sold::Credits(_) => ("payment", format!("payment_intent_data[metadata][{METADATA}]")),
    };
    let own = format!("metadata[{METADATA}]");
    let mut fields = vec![
        ("mode", mode),
        ("line_items[0][price]", price.id.as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", success_url),
        ("client_reference_id", organization),
        (own.as_str(), organization),
        (copied.as_str(), organization),
    ];
    fields.extend(cancel_url.map(|url| ("cancel_url", url)));
    let page = desk.page("checkout/sessions", &fields, name).await?;
    let after = json!({ "session": page.id, "mode": mode, "price": price.id, "sold": sold(price.sold) });
    desk.note("billing.checkout_started", after).await?;
    Ok(page.into())
}

/// Opens a page where the caller's organisation looks after its subscription, its cards and its invoices.
///
/// # Errors
/// As of [`checkout`].
pub async fn portal(
    app: &App,
    caller: &Caller,
    return_url: Option<&str>,
    name: Option<&str>,
) -> Result<Opened, ApiError> {
    let desk = Desk::open(app, caller).await?;
    let config = desk.provider.config.clone();
    let return_url = allowed(&config, "returnUrl", return_url)?.or(config.return_url.as_deref());
    let fields: Vec<_> = return_url.map(|url| ("return_url", url)).into_iter().collect();
    let page = desk.page("billing_portal/sessions", &fields, name).await?;
    desk.note("billing.portal_opened", json!({ "session": page.id })).await?;
    Ok(page.into())
}

/// Somebody who wants to pay for an organisation.
struct Desk<'a> {
    app: &'a App,
    caller: &'a Caller,
    provider: Provider<'a>,
    organization: Organization,
}

impl<'a> Desk<'a> {
    async fn open(app: &'a App, caller: &'a Caller) -> Result<Self, ApiError> {
        if !caller.livemode {
            return Err(ApiError::test_key("opens no page of the payment provider"));
        }
        // The plan, the cards and the credits are the organisation's.
        if caller.workspace_id.is_some() {
            return Err(Excess::Workspace.into());
        }
        let provider = Provider::of(app)?;
        let found = organizations::get(&mut app.store.read().await?, &caller.organization_id).await?;
        let organization = found.ok_or_else(|| ApiError::internal("a caller has no organisation"))?;
        Ok(Self { app, caller, provider, organization })
    }

    /// Two subscriptions would both be paid, and give no more than the larger one.
    async fn pays_for_no_plan(&self) -> Result<(), ApiError> {
        let mut conn = self.app.store.read().await?;
        let plans = payments::paid_plans(&mut conn, &self.organization.id).await?;
        if plans.is_empty() {
            return Ok(());
        }
        let message = "Your organisation has a subscription already. Change or end it on the page that \
                       `POST /billing/portal` opens.";
        Err(ApiError::new(http::StatusCode::CONFLICT, "subscription_exists", message))
    }

    /// A page for this organisation as a customer. One whom the provider does not know any more is made anew.
    async fn page(&self, path: &str, fields: &[(&str, &str)], name: Option<&str>) -> Result<Page, ApiError> {
        let known = payments::customer_of(&mut self.app.store.read().await?, &self.organization.id).await?;
        let is_known = known.is_some();
        let customer = match known {
            Some(customer) => customer,
            None => self.customer("").await?,
        };
        match self.page_of(&customer, path, fields, name).await {
            Err(failed) if is_known && failed.is_for_lack_of_customer() => {
                let customer = self.customer(&customer).await?;
                Ok(self.page_of(&customer, path, fields, name).await?)
            }
            page => Ok(page?),
        }
    }

    async fn page_of(
        &self,
        customer: &str,
        path: &str,
        fields: &[(&str, &str)],
        name: Option<&str>,
    ) -> Result<Page, Failed> {
        let fields: Vec<_> = std::iter::once(("customer", customer)).chain(fields.iter().copied()).collect();
        // A request without a name is another one each time.
        let name = name.unwrap_or(&self.caller.request_id);
        let named = [self.organization.id.as_str(), &self.caller.key_id, name];
        self.provider.create(path, &fields, &named).await
    }

    /// Makes this organisation a customer in place of another one, or the first; however many do so at once, it is
    /// one customer.
    async fn customer(&self, before: &str) -> Result<String, ApiError> {
        let Organization { id, name, .. } = &self.organization;
        let metadata = format!("metadata[{METADATA}]");
        let fields = [("name", name.as_str()), (metadata.as_str(), id.as_str())];
        let Customer { id: customer } = self.provider.create("customers", &fields, &[id, before]).await?;
        let event = self.event("billing.customer_created", json!({ "customer": customer }));
        let (kept, id, now) = (customer.clone(), id.clone(), event.time);
        let write = self.app.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                if payments::keep_customer(tx, &kept, &id, now).await? {
                    tx.append(&event, &[]).await?;
                }
                Ok(())
            })
        });
        write.await?;
        Ok(customer)
    }

    fn event(&self, kind: &str, after: Value) -> Event {
        let target = Target::new("organization", &self.organization.id);
        let (now, author) = (self.app.clock.now(), Author::from(self.caller));
        let event = author.event(now, &*self.app.rng, kind, target, after);
        Event { organization_id: Some(self.organization.id.clone()), ..event }
    }

    async fn note(&self, kind: &str, after: Value) -> Result<(), ApiError> {
        let event = self.event(kind, after);
        let write = self
            .app
            .store
            .write(Lane::Request, move |tx| Box::pin(async move { tx.append(&event, &[]).await }));
        Ok(write.await?)
    }
}

/// The price of what is to be bought: the first that fits.
fn find<'c>(config: &'c Stripe, bought: &Bought) -> Result<&'c Price, ApiError> {
    let (field, wanted) = match bought {
        Bought::Plan(name) => ("planKey", plan::named(name).map(Sold::Plan)),
        Bought::Credits(credits) => ("credits", Credits::from_whole(*credits).map(Sold::Credits)),
        Bought::Price(id) => ("priceId", config.sold(id)),
    };
    let is_it = |price: &&Price| match bought {
        Bought::Price(id) => price.id == *id,
        _ => Some(price.sold) == wanted,
    };
    config.prices.iter().find(is_it).ok_or_else(|| {
        let all: Vec<String> = config.prices.iter().map(|price| sold(price.sold)).collect();
        let offered = if all.is_empty() { "nothing".to_owned() } else { all.join(", ") };
        ApiError::impossible(field, "unknown", format!("This is not for sale here; what is: {offered}."))
    })
}

fn sold(sold: Sold) -> String {
    match sold {
        Sold::Plan(plan) => format!("plan {plan}"),
        Sold::Credits(credits) => format!("{credits} credits"),
    }
}

/// A page that a request names, if people may be sent there.
fn allowed<'u>(
    config: &Stripe,
    field: &'static str,
    url: Option<&'u str>,
) -> Result<Option<&'u str>, ApiError> {
    let Some(text) = url else { return Ok(None) };
    match page(text) {
        Some(origin) if config.allowed_origins.contains(&origin) => Ok(url),
        Some(_) => {
            let message = format!(
                "The '{field}' field leads to an origin that is not in `billing.stripe.allowed_origins`."
            );
            Err(ApiError::impossible(field, "origin", message))
        }
        None => {
            let message = format!("The '{field}' field must be an address, `https://host/path`.");
            Err(ApiError::bad_field(field, "url", message))
        }
    }
}
