//! Standing destinations: what they are, how far each is, and whether events are delivered. Over a store alone, so that
//! the command line does the same as the API; what needs an exporter is in `make` and `run`.

mod letters;
pub mod make;
pub mod run;
mod try_out;

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::access::Role;
use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::id;
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_store::dead_letters::DeadLetter;
use hardpoint_store::destinations::{Destination, State};
use hardpoint_store::{Conn, Lane, Store, Window, chain, dead_letters, destinations};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::service::accounts::{Principal, shown};
use crate::service::events::Author;
use crate::state::App;

pub use try_out::{TriedOut, try_out};

/// The most events that are counted to say how far a destination is behind.
pub const MOST_COUNTED: u32 = 10_000;

/// What this needs.
#[derive(Clone)]
pub struct Destinations {
    /// Where everything is.
    pub store: Store,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub rng: Arc<dyn Rng>,
}

/// How far a destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Events behind the cursor, at most [`MOST_COUNTED`].
    pub events: i64,
    /// Since when the first of them waits; nothing where none does.
    pub age: Duration,
    /// Events that it did not take.
    pub dead_letters: i64,
}

/// A destination and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What it is.
    pub destination: Destination,
    /// How far.
    pub lag: Lag,
}

/// From where on the log is delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Behind this place: 0 is the beginning.
    Cursor(i64),
    /// From this time on.
    Time(Timestamp),
}

impl Destinations {
    /// Of a running server.
    pub fn of(app: &App) -> Self {
        Self { store: app.store.clone(), clock: app.clock.clone(), rng: app.rng.clone() }
    }

    /// Destinations that are the caller's to see, newest first, and how many there are; of one organisation, or, for
    /// operators who name none, of all and the platform.
    ///
    /// # Errors
    /// 404 for an organisation that is not theirs.
    pub async fn list(
        &self,
        by: &Principal,
        organization_id: Option<&str>,
        window: Window,
    ) -> Result<(Vec<Standing>, i64), ApiError> {
        let organization = by.whose(organization_id)?;
        let workspace = by.powers().workspace_id;
        let mut conn = self.store.read().await?;
        let found = destinations::list(&mut conn, organization.as_deref(), workspace, window).await?;
        let total = destinations::count(&mut conn, organization.as_deref(), workspace).await?;
        let mut standing = Vec::with_capacity(found.len());
        for destination in found {
            standing.push(self.standing(&mut conn, destination).await?);
        }
        Ok((standing, total))
    }

    /// A destination that is the caller's to see.
    ///
    /// # Errors
    /// 404 where there is none.
    pub async fn get(&self, by: &Principal, id: &str) -> Result<Standing, ApiError> {
        let mut conn = self.store.read().await?;
        let destination = find(&mut conn, by, id).await?;
        self.standing(&mut conn, destination).await
    }

    async fn standing(&self, conn: &mut Conn, destination: Destination) -> Result<Standing, ApiError> {
        let organization = destination.organization_id.as_deref();
        let (events, first) =
            destinations::behind(conn, organization, destination.cursor, MOST_COUNTED).await?;
        let ahead = i64::try_from(destination.progress().ahead.len()).unwrap_or(0);
        let age = first.map_or(Duration::ZERO, |first| self.clock.now().since(first));
        let dead_letters = dead_letters::count(conn, &destination.id).await?;
        let lag = Lag { events: (events - ahead).max(0), age, dead_letters };
        Ok(Standing { destination, lag })
    }

    /// Delivers nothing until it is resumed.
    ///
    /// # Errors
    /// 403 for a test key, 404 where there is none.
    pub async fn pause(&self, by: &Principal, id: &str) -> Result<Standing, ApiError> {
        self.switch(by, id, State::Paused, "siem_destination.paused").await
    }

    /// Goes on where it was, whether it was paused or parked; what waits for its next attempt does not wait.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, by: &Principal, id: &str) -> Result<Standing, ApiError> {
        self.switch(by, id, State::Active, "siem_destination.resumed").await
    }

    async fn switch(
        &self,
        by: &Principal,
        id: &str,
        to: State,
        kind: &'static str,
    ) -> Result<Standing, ApiError> {
        let theirs = self.theirs(by, id).await?;
        let mut event = self.event(&by.author(), &theirs, kind, json!({ "state": to }));
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let Some(before) = destinations::hold(tx, &theirs.id).await? else { return Ok(()) };
                event.before = Some(json!({ "state": before.state, "reason": before.reason }));
                destinations::switch(tx, &before.id, to).await?;
                tx.append(&event, &[]).await
            })
        });
        write.await?;
        self.get(by, id).await
    }

    /// Delivers the log again from a place or a time on, whatever was delivered of it before.
    ///
    /// # Errors
    /// 400 for a place that there cannot be; 403 for a test key; 404 where there is none; 422 for a place behind the
    /// log's end, or ahead of what was delivered.
    pub async fn replay(&self, by: &Principal, id: &str, since: Since) -> Result<Standing, ApiError> {
        let theirs = self.theirs(by, id).await?;
        let mut conn = self.store.read().await?;
        let end = chain::head(&mut conn).await?.seq;
        let cursor = match since {
            Since::Cursor(cursor) if cursor < 0 => {
                return Err(ApiError::bad_field("cursor", "minimum", "The 'cursor' field counts from 0."));
            }
            Since::Cursor(cursor) if cursor > end => {
                let message = format!("The log ends at {end}: there is nothing behind {cursor} yet.");
                return Err(ApiError::impossible("cursor", "end", message));
            }
            Since::Cursor(cursor) => cursor,
            Since::Time(time) => destinations::place_at(&mut conn, time).await?.map_or(end, |seq| seq - 1),
        };
        drop(conn);
        let after = json!({ "cursor": cursor });
        let mut event = self.event(&by.author(), &theirs, "siem_destination.replayed", after);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let Some(before) = destinations::hold(tx, &theirs.id).await? else { return Ok(None) };
                if cursor > before.cursor {
                    return Ok(Some(before.cursor));
                }
                event.before = Some(json!({ "cursor": before.cursor }));
                destinations::replay(tx, &before.id, cursor).await?;
                tx.append(&event, &[]).await?;
                Ok(None)
            })
        });
        match write.await? {
            // What is between the two was never delivered.
            Some(reached) => Err(ahead(reached, cursor)),
            None => self.get(by, id).await,
        }
    }

    /// Events that a destination did not take, those of the latest events first, and how many there are.
    ///
    /// # Errors
    /// 404 where there is no such destination.
    pub async fn dead_letters(
        &self,
        by: &Principal,
        id: &str,
        window: Window,
    ) -> Result<(Vec<DeadLetter>, i64), ApiError> {
        let mut conn = self.store.read().await?;
        let destination = find(&mut conn, by, id).await?;
        let found = dead_letters::list(&mut conn, &destination.id, window).await?;
        Ok((found, dead_letters::count(&mut conn, &destination.id).await?))
    }

    /// Has one dead letter, or all of them, offered again. Says how many.
    ///
    /// # Errors
    /// 403 for a test key; 404 where there is no such destination, or no dead letter of this event.
    pub async fn replay_letters(
        &self,
        by: &Principal,
        id: &str,
        event_id: Option<&str>,
    ) -> Result<u64, ApiError> {
        let destination = self.theirs(by, id).await?;
        let wanted = event_id.map(str::to_owned);
        let kind = "siem_destination.dead_letters_replayed";
        let event = self.event(&by.author(), &destination, kind, json!({ "event_id": event_id }));
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let count = dead_letters::replay(tx, &destination.id, wanted.as_deref()).await?;
                if count > 0 {
                    destinations::wake(tx, &destination.id).await?;
                    tx.append(&event, &[]).await?;
                }
                Ok(count)
            })
        });
        match (write.await?, event_id) {
            (0, Some(event_id)) => {
                Err(ApiError::not_found(format_args!("dead letter of the event `{}`", shown(event_id))))
            }
            (count, _) => Ok(count),
        }
    }

    /// A destination that is the caller's to change.
    async fn theirs(&self, by: &Principal, id: &str) -> Result<Destination, ApiError> {
        is_live(by)?;
        find(&mut self.store.read().await?, by, id).await
    }

    /// An event about a destination, of the organisation whose events it gets.
    fn event(&self, by: &Author, of: &Destination, kind: &str, after: Value) -> Event {
        about(by, of, kind, after, self.clock.now(), &*self.rng)
    }
}

fn about(by: &Author, of: &Destination, kind: &str, after: Value, now: Timestamp, rng: &dyn Rng) -> Event {
    let event = by.event(now, rng, kind, Target::new("siem_destination", &of.id), after);
    Event {
        organization_id: of.organization_id.clone(),
        workspace_id: of.workspace_id.clone().or(event.workspace_id),
        ..event
    }
}

fn ahead(reached: i64, cursor: i64) -> ApiError {
    let message = format!(
        "Deliveries have come to {reached} of the log, and a replay from {cursor} would leave out what is between: \
         give a place up to {reached}. To have nothing of the past, make another destination."
    );
    ApiError::impossible("cursor", "ahead", message)
}

/// Who has a test key sends nothing to anybody, now or later.
fn is_live(by: &Principal) -> Result<(), ApiError> {
    if by.powers().livemode { Ok(()) } else { Err(ApiError::test_key("has no destinations")) }
}

async fn find(conn: &mut Conn, by: &Principal, id: &str) -> Result<Destination, ApiError> {
    let found = if id::looks_like("dst", id) { destinations::get(conn, id).await? } else { None };
    let is_theirs = |destination: &Destination| {
        let bound = by.powers().workspace_id;
        let is_operator = by.powers().role == Role::Operator;
        let is_reached = destination.organization_id.as_deref().map_or(is_operator, |id| by.reaches(id));
        is_reached && bound.is_none_or(|bound| destination.workspace_id.as_deref() == Some(bound))
    };
    found.filter(is_theirs).ok_or_else(|| ApiError::not_found(format_args!("destination `{}`", shown(id))))
}
