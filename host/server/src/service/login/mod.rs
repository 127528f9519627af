//! Logging in by a PIN that is sent by mail. Asking for one is the same work, and gets the same answer, whether or
//! not anybody has the address.

mod throttle;

use std::net::IpAddr;
use std::sync::Arc;

use hardpoint_domain::access::Role;
use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::key::SessionToken;
use hardpoint_domain::login::{ATTEMPTS, ChallengeId, PIN_LIFE, Pin, SESSION_LIFE};
use hardpoint_domain::time::Timestamp;
use hardpoint_domain::{email, id};
use hardpoint_store::logins::{self, Challenge, NewSession};
use hardpoint_store::users::{self, State, User};
use hardpoint_store::{Lane, StoreError, Tx, mails};
use http::StatusCode;
use serde_json::{Value, json};

use self::throttle::Counts;
pub use self::throttle::Throttle;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::events::Author;
use crate::service::mail::letters;
use crate::state::App;

/// Who comes, as far as that is known of somebody without a credential.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// `req_…`.
    pub request_id: Arc<str>,
    /// Where the request came from.
    pub ip: Option<IpAddr>,
}

/// A PIN that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What the PIN is good for.
    pub challenge: ChallengeId,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Somebody who logged in.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Shown once.
    pub token: SessionToken,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// Who it is.
    pub user: User,
}

/// What became of an attempt.
enum Attempt {
    In(User),
    /// Whose PIN it was not, where that is known.
    Wrong(Option<User>),
}

/// Sends a PIN to an address, if somebody has it: in the organisation that is named, where one is.
///
/// # Errors
/// 400 where it can be no address; 429 where it, or the network, asked too often.
pub async fn request_pin(
    app: &App,
    address: &str,
    organization_id: Option<String>,
    visitor: &Visitor,
) -> Result<Asked, ApiError> {
    let email = normal(address)?;
    let now = app.clock.now();
    let counts = Counts::of_asking(&email, visitor.ip, now);
    app.throttle.check(&counts, now)?;
    let (challenge, pin) = (ChallengeId::generate(&*app.rng), Pin::generate(&*app.rng));
    let mut mail = app.post.seal(&letters::pin(&email, &pin, now), PIN_LIFE, true)?;
    let expires_at = now.plus(PIN_LIFE);
    let mut new = Challenge {
        hash: challenge.hash().to_vec(),
        user_id: None,
        pin_hash: challenge.pin_hash(&email, &pin),
        expires_at,
    };
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            if let Some(full) = counts.count(tx).await? {
                return Ok(Some(full));
            }
            let found = users::of_address(tx, &email).await?;
            new.user_id = chosen(found, organization_id.as_deref()).map(|user| user.id);
            mail.is_addressed = new.user_id.is_some();
            logins::challenge(tx, &new).await?;
            mails::insert(tx, &mail).await?;
            Ok(None)
        })
    });
    if let Some(full) = write.await? {
        return Err(app.throttle.refuse(full, now));
    }
    app.post.ring();
    Ok(Asked { challenge, expires_at })
}

/// Lets somebody in who has the PIN.
///
/// # Errors
/// 400 names what can be no PIN; 401 where it is not the one, has ended, or was used or tried too often; 429.
pub async fn verify_pin(
    app: &App,
    address: &str,
    challenge: &str,
    pin: &str,
    visitor: &Visitor,
) -> Result<LoggedIn, ApiError> {
    let email = normal(address)?;
    let challenge = ChallengeId::parse(challenge).ok_or_else(|| {
        ApiError::bad_field(
            "challenge_id",
            "uuid",
            "The 'challenge_id' field must be the id that came with the PIN.",
        )
    })?;
    let pin = Pin::parse(pin)
        .ok_or_else(|| ApiError::bad_field("pin", "pin", "The 'pin' field must be a text of six digits."))?;
    let now = app.clock.now();
    let counts = Counts::of_trying(visitor.ip, now);
    app.throttle.check(&counts, now)?;
    let token = SessionToken::generate(&*app.rng);
    let session = NewSession {
        hash: token.hash(),
        id: id::prefixed("ses", now, &*app.rng),
        user_id: String::new(),
        created_at: now,
        expires_at: now.plus(SESSION_LIFE),
    };
    let entrance =
        Entrance { challenge, email, pin, now, session, rng: app.rng.clone(), visitor: visitor.clone() };
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            match counts.count(tx).await? {
                Some(full) => Ok(Err(full)),
                None => Ok(Ok(entrance.attempt(tx).await?)),
            }
        })
    });
    match write.await? {
        Ok(Attempt::In(user)) => Ok(LoggedIn { token, expires_at: now.plus(SESSION_LIFE), user }),
        Ok(Attempt::Wrong(user)) => {
            app.refusals.note_failed_login(user.as_ref(), visitor.ip, now);
            Err(wrong_pin())
        }
        Err(full) => Err(app.throttle.refuse(full, now)),
    }
}

/// Ends the caller's session.
///
/// # Errors
/// 403 for the holder of a key.
pub async fn log_out(app: &App, caller: &Caller) -> Result<(), ApiError> {
    if caller.user.is_none() {
        return Err(ApiError::forbidden("This is an API key: only somebody who logged in can log out."));
    }
    let id = caller.key_id.clone();
    let now = app.clock.now();
    let target = Target::new("session", &id);
    let mut event = Author::from(caller).event(now, &*app.rng, "session.ended", target, Value::Null);
    event.organization_id = Some(caller.organization_id.clone());
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            if logins::end(tx, &id).await? {
                tx.append(&event, &[]).await?;
            }
            Ok(())
        })
    });
    write.await?;
    app.keys.clear();
    Ok(())
}

/// Somebody at the door, with a PIN.
struct Entrance {
    challenge: ChallengeId,
    email: String,
    pin: Pin,
    now: Timestamp,
    session: NewSession,
    rng: Arc<dyn hardpoint_domain::time::Rng>,
    visitor: Visitor,
}

impl Entrance {
    async fn attempt(mut self, tx: &mut Tx) -> Result<Attempt, StoreError> {
        let hash = self.challenge.hash();
        let Some(found) = logins::attempt(tx, &hash, ATTEMPTS, self.now).await? else {
            return Ok(Attempt::Wrong(None));
        };
        // Looked for whether or not it is anybody's: how long that takes tells nothing.
        let user = users::find(tx, found.user_id.as_deref().unwrap_or_default()).await?;
        if !self.challenge.is_pin(&self.email, &self.pin, &found.pin_hash) || !logins::take(tx, &hash).await?
        {
            return Ok(Attempt::Wrong(user));
        }
        let held = match user {
            // Nobody makes them less, or sends them away, between being looked at and coming in.
            Some(user) => users::hold(tx, &user.id).await?,
            None => None,
        };
        let mut user = match held {
            Some(user) if user.state != State::Deactivated => user,
            nobody => return Ok(Attempt::Wrong(nobody)),
        };
        if user.state == State::Invited {
            (user.state, user.updated_at) = (State::Active, self.now);
            users::update(tx, &user).await?;
            tx.append(&self.event("user.activated", Target::new("user", &user.id), &user), &[]).await?;
        }
        self.session.user_id.clone_from(&user.id);
        logins::begin(tx, &self.session).await?;
        let target = Target::new("session", &self.session.id);
        tx.append(&self.event("session.created", target, &user), &[]).await?;
        Ok(Attempt::In(user))
    }

    fn event(&self, kind: &str, target: Target, user: &User) -> Event {
        let after = json!({ "role": user.role, "expires_at": self.session.expires_at.to_rfc3339() });
        let after = if kind == "session.created" { after } else { json!({ "status": user.state }) };
        Event {
            organization_id: Some(user.organization_id.clone()),
            ..Author::visitor(user, &self.visitor).event(self.now, &*self.rng, kind, target, after)
        }
    }
}

/// Of those who have an address, who logs in by it: whoever is in the organisation that is named; where none is, an
/// operator, else who was there first. Not who may do most: any organisation makes owners of whom it likes, and
/// nobody else's people come to be led there.
fn chosen(mut users: Vec<User>, organization_id: Option<&str>) -> Option<User> {
    users.retain(|user| {
        user.state != State::Deactivated && organization_id.is_none_or(|named| user.organization_id == named)
    });
    let at = users.iter().position(|user| user.role == Role::Operator).unwrap_or(0);
    (!users.is_empty()).then(|| users.swap_remove(at))
}

fn normal(address: &str) -> Result<String, ApiError> {
    let message = "The 'email' field must be an e-mail address.";
    email::normal(address).ok_or_else(|| ApiError::bad_field("email", "email", message))
}

/// One answer whatever is wrong: it tells nobody whether there is such an address.
fn wrong_pin() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "authentication_error",
        "This is not the PIN, or it has ended, was used, or was tried too often. Ask for a new one.",
    )
}
