//! The one layer that every request goes through: request id, span, credential, body limit, panics,
//! errors in the shape of their path, and the call record (see [`crate::call`]).
//!
//! It is one function and not a stack because each layer costs a clone of the service below it and a
//! boxed future, on a path whose whole budget is 120 µs.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use hardpoint_domain::access::{Rule, Verb};
use hardpoint_domain::id;
use hardpoint_domain::quota::Meter;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use tracing::Instrument;

use crate::call::{CallGuard, CallNote, Facts, RecordedBody};
use crate::caller::Caller;
use crate::config::Config;
use crate::error::{ApiError, Shape};
use crate::extract::BodyLimit;
use crate::middleware::idempotency::{self, Answering};
use crate::middleware::{credential, rate_headers};
use crate::service::idempotency::Begun;
use crate::service::knowledge::upload::MOST_FILES;
use crate::service::limits::{Pass, Refused};
use crate::state::App;

/// The header that names the request, in answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Where a connection comes from; an extension of each of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// What a group of routes asks of whoever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody. A credential that is sent all the same is not looked at.
    Open,
    /// Whoever has a good key.
    Key,
    /// Whoever has a good key that may do this: read by `GET` and `HEAD`, write by all else.
    Resource(Rule),
}

/// What is sent to a group of routes, which says how large it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// JSON.
    Json,
    /// Files.
    Uploads,
    /// Documents, several at once.
    Documents,
    /// Notices of somebody who has no key, and signs them.
    Notices,
}

/// The largest notice, in bytes: it is hashed before anybody knows whose it is.
const LARGEST_NOTICE: usize = 1 << 20;

/// What a form says of each file beside its bytes, at most, in bytes.
const LONGEST_HEAD: usize = 64 << 10;

impl Bodies {
    /// The largest body, in bytes.
    fn limit(self, config: &Config) -> usize {
        match self {
            Self::Json => config.server.max_json_body.in_memory(),
            Self::Uploads => config.server.max_upload.in_memory(),
            Self::Documents => Self::document(config).saturating_mul(MOST_FILES),
            Self::Notices => config.server.max_json_body.in_memory().min(LARGEST_NOTICE),
        }
    }

    /// The largest body that is read as a whole before anything is done with it, in bytes.
    pub(super) fn whole(self, config: &Config) -> usize {
        match self {
            Self::Documents => Self::document(config),
            other => other.limit(config),
        }
    }

    /// A form with one document.
    fn document(config: &Config) -> usize {
        config.knowledge.max_document.in_memory().saturating_add(LONGEST_HEAD)
    }
}

/// What the layer needs to know of a group of routes.
#[derive(Clone)]
pub struct Entry {
    /// The running server.
    pub app: Arc<App>,
    /// Who may come in.
    pub access: Access,
    /// What is sent there.
    pub bodies: Bodies,
}

/// The layer; see the module's text.
pub async fn entry(State(entry): State<Entry>, mut request: Request, next: Next) -> Response {
    let started = entry.app.clock.now();
    let request_id: Arc<str> = id::prefixed("req", started, &*entry.app.rng).into();
    let ip = request.extensions().get::<Peer>().map(|peer| peer.0);
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let shape = Shape::of(request.uri().path());
    let facts = Facts {
        method: request.method().as_str().to_owned(),
        route: route.unwrap_or_default(),
        started,
        ip,
        ..Facts::default()
    };
    let span = tracing::info_span!("request", id = &*request_id, method = facts.method, route = facts.route);
    let mut guard = CallGuard::new(CallNote::open(entry.app.clone(), request_id.clone(), facts));
    let once = idempotency::applies(&entry, &request);

    let answering = async move {
        let mut held = None;
        let answer = AssertUnwindSafe(async {
            admit(&entry, &mut request, &mut guard, &request_id, ip).await?;
            if once {
                match Box::pin(idempotency::begin(&entry, &mut request)).await? {
                    Begun::First(name) => held = Some(name),
                    Begun::Again(kept) => return Ok(idempotency::again(kept)),
                }
            }
            Ok::<_, Refused>(next.run(request).await)
        });
        let answered = answer.catch_unwind().await;
        let mut standing = guard.standing().cloned();
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(refused)) => {
                standing = standing.or(refused.standing);
                refused.error.render(shape)
            }
            Err(panic) => ApiError::internal(panic_text(&*panic)).render(shape),
        };
        if let Some(error) = response.extensions_mut().remove::<ApiError>() {
            error.log(&request_id);
            guard.note().error(error.kind(), error.message());
            if matches!(error.status().as_u16(), 401..=403 | 429) {
                let (caller, refusals) = (guard.note().caller(), &entry.app.refusals);
                refusals.note(error.status().as_u16(), error.kind(), ip, caller.as_ref(), started);
                let is_one_of_many = |caller: Caller| !refusals.leaves_record(&caller.key_id);
                if !guard.is_counted() && caller.is_some_and(is_one_of_many) {
                    guard.note().update(|facts| facts.unrecorded = true);
                }
            }
            if shape != Shape::Standard {
                response = error.render(shape);
            }
        }
        let held = held.map(|held| Answering::new(held, &mut response));
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let tokens = guard.note().token_standing();
        let kept_out = tokens.as_ref().is_some_and(|tokens| tokens.refused);
        let standings = [standing, tokens.map(|tokens| tokens.standing)];
        rate_headers::put(response.headers_mut(), &standings, kept_out, entry.app.clock.now());
        // A body of known size is whole already; any other is still being made.
        let size = response.body().size_hint().exact();
        guard.note().update(|facts| {
            facts.status = response.status().as_u16();
            facts.streamed = size.is_none();
            facts.bytes_sent = size.unwrap_or(0);
        });
        if size.is_some() {
            guard.note().commit().await;
            match held {
                Some(held) => held.whole(response).await,
                None => response,
            }
        } else {
            let response = response.map(|body| Body::new(RecordedBody::new(body, guard)));
            match held {
                Some(held) => held.stream(response),
                None => response,
            }
        }
    };
    let answering = answering.instrument(span);
    if once { to_the_end(answering, shape).await } else { answering.await }
}

/// Carries a request out also if its client leaves: who sent a name may come again for the answer.
async fn to_the_end(answering: impl Future<Output = Response> + Send + 'static, shape: Shape) -> Response {
    tokio::spawn(answering).await.unwrap_or_else(|error| ApiError::internal(error).render(shape))
}

/// Lets a request in, or says why not.
async fn admit(
    entry: &Entry,
    request: &mut Request,
    guard: &mut CallGuard,
    request_id: &Arc<str>,
    ip: Option<IpAddr>,
) -> Result<(), Refused> {
    if entry.access != Access::Open {
        let identity = credential::identify(&entry.app, request.headers()).await?;
        let caller = Caller { identity, request_id: request_id.clone(), ip };
        guard.note().update(|facts| facts.caller = Some(caller.clone()));
        if let Access::Resource(rule) = entry.access {
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            let need = rule.need(if reads { Verb::Read } else { Verb::Write });
            caller.powers().permit(need).map_err(ApiError::from)?;
            if let Some(feature) = rule.asks_of_plan(caller.role) {
                entry.app.effective().config.plans.include(&caller.plan, feature).map_err(ApiError::from)?;
            }
        }
        guard.keep(count(entry, &caller, request.method()).await?);
        request.extensions_mut().insert(caller);
    }
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let limit = entry.bodies.limit(&entry.app.latest.load().config);
    if declared.is_some_and(|length: usize| length > limit) {
        return Err(ApiError::too_large(limit).into());
    }
    request.extensions_mut().insert(BodyLimit(limit));
    request.extensions_mut().insert(guard.note().clone());
    Ok(())
}

/// Counts a request against its limits. While the disk is full nothing can be counted, and who only reads comes in all
/// the same.
async fn count(entry: &Entry, caller: &Caller, method: &Method) -> Result<Pass, Refused> {
    let meter = match entry.access {
        Access::Resource(rule) if rule.resource == "completions" => Meter::Completions,
        _ => Meter::Requests,
    };
    match entry.app.limits.admit(&entry.app, &caller.organization_id, &caller.quota, meter).await {
        Err(refused) if refused.error.is_storage_full() && matches!(*method, Method::GET | Method::HEAD) => {
            Ok(Pass::default())
        }
        Err(Refused { error, standing }) if error.status() == StatusCode::TOO_MANY_REQUESTS => {
            // FAQSure's members, in its endpoints' flat shape: the limits that the key was made with.
            let own = &caller.own_rates;
            let error = error
                .with_member("limit_per_minute", own.requests_per_minute)
                .with_member("limit_per_hour", own.requests_per_hour);
            Err(Refused { error, standing })
        }
        counted => counted,
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without a message"))
}
