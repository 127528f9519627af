//! Vectors by a model of `/models`. Those of a question are charged to who asks, within the record of their request; those
//! of passages to the organisation of the knowledge base, by a record of their own.

use std::sync::{Arc, Mutex, PoisonError};

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::id;
use hardpoint_domain::knowledge::settings::Embedder;
use hardpoint_domain::message::EmbeddingRequest;
use hardpoint_domain::quota::Meter;
use hardpoint_domain::retry::RetryPolicy;
use hardpoint_store::{StoreError, organizations};
use http::StatusCode;

use crate::call::{CallGuard, CallNote, Facts};
use crate::caller::{Caller, Identity};
use crate::error::ApiError;
use crate::service::completions::{Policy, context};
use crate::service::embeddings::{self, Embedded};
use crate::service::{billing, limits};
use crate::state::App;

/// What call records of passages have in the place of a route.
pub const ROUTE: &str = "(vectors of documents)";

/// Who asks a question, and what its vector is charged to.
#[derive(Clone)]
pub struct Asker {
    /// Who asks.
    pub caller: Caller,
    /// The record of their request.
    pub note: CallNote,
    /// Somebody's yes to what the request may cost.
    pub approval: Option<String>,
    /// The field that the question stands in.
    pub field: &'static str,
    /// As what the request counts.
    pub meter: Meter,
    /// What was bought for it last.
    pub bought: Bought,
}

/// The vectors that a request bought last, and of what: asked once more, for another knowledge base, they cost nothing.
#[derive(Clone, Default)]
pub struct Bought(Arc<Mutex<Option<Asked>>>);

struct Asked {
    pinned: Embedder,
    texts: Vec<String>,
    vectors: Vec<Vec<f32>>,
}

impl Bought {
    fn vectors(&self, pinned: &Embedder, texts: &[String]) -> Option<Vec<Vec<f32>>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|it| it.pinned == *pinned && it.texts == texts).map(|it| it.vectors.clone())
    }

    fn keep(&self, asked: Asked) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
    }
}

/// Why passages have no vectors.
#[derive(Debug)]
pub enum Unmade {
    /// There is no money for them, or may be none.
    Unpaid(ApiError),
    /// The organisation may not use the model, or its knowledge base asks for a length that the model does not give.
    Unfit(Failure),
    /// The model did not make them.
    Failed(Failure),
}

/// Makes the vectors of a question.
///
/// # Errors
/// As [`embeddings::embed`]; 422 for vectors of another length than what is pinned.
pub async fn of_question(
    asker: &Asker,
    pinned: &Embedder,
    texts: Vec<String>,
) -> Result<Vec<Vec<f32>>, ApiError> {
    let Asker { caller, note, approval, field, meter, bought } = asker;
    if let Some(vectors) = bought.vectors(pinned, &texts) {
        return Ok(vectors);
    }
    let app = note.app();
    let request = request(app, pinned, texts);
    let plan = embeddings::plan(app, &caller.organization_id, &request)?;
    limits::take(app, caller, note, plan.bound, field, *meter).await?;
    billing::purchase(app, caller, note, plan.offer(), approval.as_deref()).await?;
    let (policy, length) = (Policy::from(&app.effective().config.completions).retry, Some(pinned.dimensions));
    let (Embedded { binding, embeddings, .. }, bill) =
        plan.ask(&context(caller), &request, length, policy, &*app.rng).await?;
    note.used_beside(&bill);
    note.update(|facts| {
        facts.model.get_or_insert(request.model);
        facts.served.get_or_insert_with(|| (&*binding).into());
    });
    let vectors = embeddings.vectors;
    bought.keep(Asked { pinned: pinned.clone(), texts: request.inputs, vectors: vectors.clone() });
    Ok(vectors)
}

/// Makes the vectors of passages, by one attempt: who waits for them comes again.
///
/// # Errors
/// Why there are none.
pub async fn of_passages(
    app: &Arc<App>,
    organization_id: &str,
    pinned: &Embedder,
    texts: Vec<String>,
) -> Result<Vec<Vec<f32>>, Unmade> {
    let caller = host(app, organization_id).await?;
    let facts = Facts {
        method: "POST".to_owned(),
        route: ROUTE.to_owned(),
        caller: Some(caller.clone()),
        model: Some(pinned.model.clone()),
        started: app.clock.now(),
        ..Facts::default()
    };
    // Who stops waiting leaves a record too.
    let guard = CallGuard::new(CallNote::open(Arc::clone(app), Arc::clone(&caller.request_id), facts));
    let made = charged(app, &caller, guard.note(), pinned, texts).await;
    guard.note().update(|facts| match &made {
        Ok(_) => facts.status = 200,
        // Nothing was asked for.
        Err(Unmade::Unpaid(_)) => facts.unrecorded = true,
        Err(Unmade::Failed(failure)) if failure.kind == FailureKind::Busy => facts.unrecorded = true,
        Err(Unmade::Failed(failure) | Unmade::Unfit(failure)) => {
            let error = ApiError::from(failure.clone());
            facts.status = error.status().as_u16();
            facts.error = Some(error.kind().to_owned());
            facts.error_message = Some(failure.message.clone());
        }
    });
    guard.note().commit().await;
    made
}

async fn charged(
    app: &App,
    caller: &Caller,
    note: &CallNote,
    pinned: &Embedder,
    texts: Vec<String>,
) -> Result<Vec<Vec<f32>>, Unmade> {
    let request = request(app, pinned, texts);
    let closed =
        |error: ApiError| Unmade::Unfit(Failure::new(FailureKind::Denied, error.message().to_owned()));
    let plan = embeddings::plan(app, &caller.organization_id, &request).map_err(closed)?;
    billing::purchase(app, caller, note, plan.offer(), None).await.map_err(unpaid)?;
    let (policy, length) = (RetryPolicy { attempts: 1, ..RetryPolicy::default() }, Some(pinned.dimensions));
    let asked = plan.ask(&context(caller), &request, length, policy, &*app.rng).await;
    let (Embedded { binding, embeddings, .. }, bill) = asked.map_err(|failure| match failure.kind {
        // It may be the length that it does not give.
        FailureKind::Unsupported if request.dimensions.is_some() => Unmade::Unfit(failure),
        _ => Unmade::Failed(failure),
    })?;
    note.used(bill);
    note.served_by(&binding);
    Ok(embeddings.vectors)
}

/// What keeps money from being counted is no lack of it.
fn unpaid(error: ApiError) -> Unmade {
    match error.status() {
        StatusCode::PAYMENT_REQUIRED => Unmade::Unpaid(error),
        _ => Unmade::Failed(Failure::new(FailureKind::Busy, error.message().to_owned())),
    }
}

/// The host itself, for whose work an organisation pays.
async fn host(app: &App, organization_id: &str) -> Result<Caller, Unmade> {
    let away =
        |error: StoreError| Unmade::Failed(Failure::new(FailureKind::Busy, format!("the store: {error}")));
    let mut conn = app.store.read().await.map_err(away)?;
    let found = organizations::get(&mut conn, organization_id).await.map_err(away)?;
    let gone = || Unmade::Failed(Failure::new(FailureKind::Busy, "the organisation is not there"));
    let organization = found.ok_or_else(gone)?;
    let terms = app.effective().config.terms(&organization.plan);
    Ok(Caller {
        identity: Arc::new(Identity::host(organization, terms)),
        request_id: id::prefixed("req", app.clock.now(), &*app.rng).into(),
        ip: None,
    })
}

/// The provider is asked for the length that is pinned, unless that is the model's own.
fn request(app: &App, pinned: &Embedder, inputs: Vec<String>) -> EmbeddingRequest {
    let own = app.config.model(&pinned.model).and_then(|model| model.dimensions);
    EmbeddingRequest {
        model: pinned.model.clone(),
        inputs,
        dimensions: Some(pinned.dimensions).filter(|pinned| own != Some(*pinned)),
        user: None,
        extra: Default::default(),
    }
}

impl From<Unmade> for ApiError {
    fn from(unmade: Unmade) -> Self {
        match unmade {
            Unmade::Unpaid(error) => error,
            Unmade::Unfit(failure) | Unmade::Failed(failure) => failure.into(),
        }
    }
}
