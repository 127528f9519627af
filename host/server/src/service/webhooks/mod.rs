//! Webhook endpoints: where organisations have their events told.

pub mod deliveries;
pub mod losses;
pub mod round;
pub mod secrets;
pub mod send;

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::event::{Event, Outcome, Target};
use hardpoint_domain::id;
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_domain::webhook::signature::SigningSecret;
use hardpoint_domain::webhook::{ENDPOINT, is_pattern, kinds, takes_any};
use hardpoint_runtime::egress::Egress;
use hardpoint_store::webhooks::{self, Endpoint, Health};
use hardpoint_store::{Lane, Store, StoreError, Tx, Window, organizations, secrets as kept};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::service::accounts::workspaces::{is_live, is_unbound};
use crate::service::accounts::{Accounts, Principal, shown, text};
use crate::service::audit;
use crate::service::events::masked;
use crate::service::mail::Post;
use crate::service::plugins::near::{but, near};
use crate::state::App;

/// Endpoints that an organisation may have.
const MOST: i64 = 20;
/// Patterns of events that an endpoint may have.
const MOST_EVENTS: usize = 50;
const LONGEST_DESCRIPTION: usize = 1_000;
const LONGEST_URL: usize = 2_000;
/// The longest time that two secrets sign.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(7 * 86_400);

/// What this needs.
#[derive(Clone)]
pub struct Webhooks {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// Has the keys that seal.
    post: Post,
    egress: Egress,
    accounts: Accounts,
}

/// What an endpoint is to be. What is left out stays as it is, or is as usual.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Where to.
    pub url: Option<String>,
    /// Names and patterns; `*` as usual.
    pub events: Option<Vec<String>>,
    /// For people; empty as usual.
    pub description: Option<String>,
    /// Whether it is told anything; so it is as usual.
    pub is_enabled: Option<bool>,
}

/// What a change in a transaction comes to.
type Changed<T> = Result<T, ApiError>;

impl Webhooks {
    /// Of a running server.
    pub fn of(app: &App) -> Self {
        Self {
            store: app.store.clone(),
            clock: app.clock.clone(),
            rng: app.rng.clone(),
            post: app.post.clone(),
            egress: app.webhook_egress.clone(),
            accounts: Accounts::of(app),
        }
    }

    /// Makes an endpoint, with the secret that signs what it is sent.
    ///
    /// # Errors
    /// 400 names the field; 403 for a test key, or one that is bound to a workspace; 404 for no such organisation; 409
    /// where there are as many as there may be; 422 for an address that nothing is sent to.
    pub async fn create(
        &self,
        by: &Principal,
        organization: Option<&str>,
        wanted: Change,
    ) -> Result<(Endpoint, SigningSecret), ApiError> {
        let organization_id = self.accounts.existing(by, organization).await?;
        may_change(by)?;
        let Change { url, events, description, is_enabled } = wanted;
        let required = || ApiError::bad_field("url", "required", "The 'url' field is required.");
        let now = self.clock.now();
        let endpoint = Endpoint {
            id: id::prefixed("whe", now, &*self.rng),
            organization_id,
            url: url.ok_or_else(required)?,
            description: description.unwrap_or_default(),
            events: events.unwrap_or_else(|| vec!["*".to_owned()]),
            is_enabled: is_enabled.unwrap_or(true),
            disabled_reason: None,
            previous_until: None,
            health: Health::default(),
            created_at: now,
            updated_at: now,
        };
        self.check(by, &endpoint, &[]).await?;
        let secret = SigningSecret::generate(&*self.rng);
        let sealed = self.sealed(by, &endpoint.id, secrets::CURRENT, &secret)?;
        let event = self.event(by, &endpoint, "webhook_endpoint.created", None, described(&endpoint));
        let new = endpoint.clone();
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                // Endpoints are counted by one at a time.
                organizations::hold(tx, &new.organization_id).await?;
                if webhooks::count(tx, &new.organization_id).await? >= MOST {
                    return Ok(Err(too_many()));
                }
                webhooks::create(tx, &new).await?;
                kept::put(tx, &sealed).await?;
                tx.append(&event, &[]).await?;
                Ok(Ok(()))
            })
        });
        write.await??;
        Ok((endpoint, secret))
    }

    /// An organisation's endpoints, newest first, and how many there are.
    ///
    /// # Errors
    /// 403 for a key that is bound to a workspace; 404 for no such organisation.
    pub async fn list(
        &self,
        by: &Principal,
        organization: Option<&str>,
        window: Window,
    ) -> Result<(Vec<Endpoint>, i64), ApiError> {
        let organization_id = self.accounts.existing(by, organization).await?;
        is_unbound(by)?;
        let mut conn = self.store.read().await?;
        let found = webhooks::list(&mut conn, &organization_id, window).await?;
        Ok((found, webhooks::count(&mut conn, &organization_id).await?))
    }

    /// An endpoint that is the caller's to see.
    ///
    /// # Errors
    /// 403 for a key that is bound to a workspace; 404 where there is none.
    pub async fn get(&self, by: &Principal, id: &str) -> Result<Endpoint, ApiError> {
        is_unbound(by)?;
        let found = match id::looks_like("whe", id) {
            true => webhooks::get(&mut self.store.read().await?, id).await?,
            false => None,
        };
        let theirs = found.filter(|endpoint| by.reaches(&endpoint.organization_id));
        theirs.ok_or_else(|| no_endpoint(id))
    }

    /// Changes an endpoint. One that gets another address, or is switched on again, begins in good health.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`get`](Self::get).
    pub async fn update(&self, by: &Principal, id: &str, change: Change) -> Result<Endpoint, ApiError> {
        let before = self.get(by, id).await?;
        may_change(by)?;
        let wanted = changed(&before, change.clone(), self.clock.now());
        self.check(by, &wanted, &before.events).await?;
        let (this, by, id, now) = (self.clone(), by.clone(), id.to_owned(), self.clock.now());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let Some(before) = webhooks::hold(tx, &id).await? else { return Ok(Err(no_endpoint(&id))) };
                let after = changed(&before, change, now);
                webhooks::update(tx, &after).await?;
                if after.url != before.url || (after.is_enabled && !before.is_enabled) {
                    webhooks::set_health(tx, &id, &Default::default()).await?;
                }
                let old = Some(described(&before));
                let mut new = described(&after);
                if after.url != before.url {
                    new["url_changed"] = true.into();
                }
                let event = this.event(&by, &after, "webhook_endpoint.updated", old, new);
                tx.append(&event, &[]).await?;
                Ok(Ok(after))
            })
        });
        write.await?
    }

    /// Removes an endpoint. What was queued for it ends unsent.
    ///
    /// # Errors
    /// 403 and 404 as [`get`](Self::get).
    pub async fn delete(&self, by: &Principal, id: &str) -> Result<(), ApiError> {
        let endpoint = self.get(by, id).await?;
        may_change(by)?;
        let old = Some(described(&endpoint));
        let event = self.event(by, &endpoint, "webhook_endpoint.deleted", old, Value::Null);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                if !webhooks::delete(tx, &endpoint.id).await? {
                    return Ok(Err(no_endpoint(&endpoint.id)));
                }
                for name in [secrets::CURRENT, secrets::PREVIOUS] {
                    kept::delete(tx, &endpoint.id, name).await?;
                }
                tx.append(&event, &[]).await?;
                Ok(Ok(()))
            })
        });
        write.await?
    }

    /// Gives an endpoint another secret. The present one signs as well for the time of the overlap.
    ///
    /// # Errors
    /// 400 for too long an overlap; 403 and 404 as [`get`](Self::get).
    pub async fn rotate_secret(
        &self,
        by: &Principal,
        id: &str,
        overlap: Duration,
    ) -> Result<(Endpoint, SigningSecret), ApiError> {
        let endpoint = self.get(by, id).await?;
        may_change(by)?;
        if overlap > LONGEST_OVERLAP {
            let most = LONGEST_OVERLAP.as_secs();
            let message = format!("The 'overlap_seconds' field must be at most {most}.");
            return Err(ApiError::bad_field("overlap_seconds", "maximum", message));
        }
        let secret = SigningSecret::generate(&*self.rng);
        let sealed = self.sealed(by, &endpoint.id, secrets::CURRENT, &secret)?;
        let (this, by, now) = (self.clone(), by.clone(), self.clock.now());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let Some(before) = webhooks::hold(tx, &endpoint.id).await? else {
                    return Ok(Err(no_endpoint(&endpoint.id)));
                };
                let previous_until = (!overlap.is_zero()).then(|| now.plus(overlap));
                if let Err(error) = this.keep_previous(tx, &by, &endpoint.id, previous_until).await? {
                    return Ok(Err(error));
                }
                kept::put(tx, &sealed).await?;
                let after = Endpoint { previous_until, updated_at: now, ..before };
                webhooks::update(tx, &after).await?;
                let told = json!({ "previous_until": previous_until.map(Timestamp::to_rfc3339) });
                let event = this.event(&by, &after, "webhook_endpoint.secret_rotated", None, told);
                tx.append(&event, &[]).await?;
                Ok(Ok(after))
            })
        });
        Ok((write.await??, secret))
    }

    /// Checks what somebody wants an endpoint to be, which has these patterns already. An address that nothing may be sent
    /// to is noted.
    async fn check(&self, by: &Principal, endpoint: &Endpoint, has: &[String]) -> Result<(), ApiError> {
        text::lines("description", &endpoint.description, LONGEST_DESCRIPTION)?;
        check_events(&endpoint.events, has)?;
        text::name("url", &endpoint.url, LONGEST_URL)?;
        let Err(refusal) = self.egress.check_post(&endpoint.url) else { return Ok(()) };
        let host = url::Url::parse(&endpoint.url).ok();
        let host = host.as_ref().and_then(url::Url::host_str).unwrap_or_default();
        let target = Target::new("host", host);
        let reason = json!({ "reason": refusal.message });
        let event = by.author().event(self.clock.now(), &*self.rng, "webhook.refused", target, reason);
        let organization_id = Some(endpoint.organization_id.clone());
        let event = Event { organization_id, outcome: Outcome::Refused, ..event };
        audit::note(&self.store, event).await?;
        let message = format!("Nothing is sent to this 'url': {}.", refusal.message);
        Err(ApiError::impossible("url", "address", message))
    }

    fn event(
        &self,
        by: &Principal,
        endpoint: &Endpoint,
        kind: &'static str,
        before: Option<Value>,
        after: Value,
    ) -> Event {
        let target = Target::new(ENDPOINT, &endpoint.id);
        let event = by.author().event(self.clock.now(), &*self.rng, kind, target, after);
        Event { organization_id: Some(endpoint.organization_id.clone()), before, ..event }
    }

    async fn keep_previous(
        &self,
        tx: &mut Tx,
        by: &Principal,
        id: &str,
        until: Option<Timestamp>,
    ) -> Result<Changed<()>, StoreError> {
        if until.is_none() {
            kept::delete(tx, id, secrets::PREVIOUS).await?;
            return Ok(Ok(()));
        }
        let Some(current) = kept::get(tx, id, secrets::CURRENT).await? else { return Ok(Ok(())) };
        // It belongs to its name, and so is sealed anew for the other one.
        let previous = secrets::open(self.post.keyring(), &current).map_err(ApiError::internal);
        match previous.and_then(|secret| self.sealed(by, id, secrets::PREVIOUS, &secret)) {
            Ok(sealed) => kept::put(tx, &sealed).await.map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }
}

/// Endpoints are the organisation's, and lead out of the house.
fn may_change(by: &Principal) -> Result<(), ApiError> {
    is_unbound(by)?;
    is_live(by)
}

fn changed(before: &Endpoint, change: Change, now: Timestamp) -> Endpoint {
    let Change { url, events, description, is_enabled } = change;
    let before = before.clone();
    let reason = before.disabled_reason.filter(|_| is_enabled.is_none());
    Endpoint {
        url: url.unwrap_or(before.url),
        events: events.unwrap_or(before.events),
        description: description.unwrap_or(before.description),
        is_enabled: is_enabled.unwrap_or(before.is_enabled),
        disabled_reason: reason,
        updated_at: now,
        ..before
    }
}

/// What an endpoint `has` may stay, also where no event has such a name any more: else it could not be changed at all.
fn check_events(events: &[String], has: &[String]) -> Result<(), ApiError> {
    if events.is_empty() || events.len() > MOST_EVENTS {
        let message = format!("The 'events' field takes 1 to {MOST_EVENTS} names; `*` is every event.");
        return Err(ApiError::bad_field("events", "items", message));
    }
    if let Some(at) = events.iter().position(|one| !is_pattern(one)) {
        let message = format!(
            "The 'events[{at}]' field must be an event's name, the beginning of several, or all: `user.created`, \
             `user.*`, `*`."
        );
        return Err(ApiError::bad_field(format!("events[{at}]"), "event", message));
    }
    let is_in_vain = |one: &String| !takes_any(one) && !has.contains(one);
    let Some(at) = events.iter().position(is_in_vain) else { return Ok(()) };
    let families = kinds().filter_map(|(kind, _)| kind.split_once('.'));
    let families: Vec<String> = families.map(|(family, _)| format!("{family}.*")).collect();
    let known = kinds().map(|(kind, _)| kind).chain(families.iter().map(String::as_str));
    let message = format!("There is no event `{0}`{1}.", events[at], but(&near(&events[at], known)));
    Err(ApiError::impossible(format!("events[{at}]"), "event", message))
}

/// What events tell of an endpoint.
fn described(endpoint: &Endpoint) -> Value {
    json!({
        "url": masked(&endpoint.url),
        "description": endpoint.description,
        "events": endpoint.events,
        "enabled": endpoint.is_enabled,
    })
}

fn too_many() -> ApiError {
    ApiError::conflict(format!("There are {MOST} webhook endpoints already. Delete one first."))
}

pub(super) fn no_endpoint(id: &str) -> ApiError {
    ApiError::not_found(format_args!("webhook endpoint `{}`", shown(id)))
}
