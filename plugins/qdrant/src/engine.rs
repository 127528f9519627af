//! Qdrant's REST API, as far as it is used here.

use hardpoint_sdk::failure::retry_after_ms;
use hardpoint_sdk::http::{self, Response};
use hardpoint_sdk::{Failure, FailureKind, Request, log, secret};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::point::{Found, Payload};
use crate::settings::Settings;

/// Characters of an error that are told.
const MAX_MESSAGE: usize = 500;
/// How far a cosine may be beyond 1 by rounding.
const ROUNDING: f32 = 1e-3;

/// One collection of a Qdrant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Engine<'s> {
    settings: &'s Settings,
}

/// Why a request was not served.
#[derive(Debug)]
pub(crate) struct Refused {
    failure: Failure,
    /// Whether Qdrant said so, and not something before it.
    is_qdrants: bool,
}

impl Refused {
    pub(crate) fn is_too_large(&self) -> bool {
        self.failure.status == Some(413)
    }

    fn is_missing(&self) -> bool {
        self.is_qdrants && self.failure.status == Some(404)
    }

    fn is_there_already(&self) -> bool {
        self.is_qdrants && self.failure.status == Some(409)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, is_qdrants: false }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        refused.failure
    }
}

/// What Qdrant wraps every answer in.
#[derive(Deserialize)]
struct Envelope<T> {
    result: T,
}

#[derive(Deserialize)]
struct Updated {
    status: String,
}

#[derive(Deserialize)]
struct Collection {
    config: Config,
    #[serde(default)]
    payload_schema: Map<String, Value>,
}

#[derive(Deserialize)]
struct Config {
    params: Params,
}

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    vectors: Value,
}

#[derive(Deserialize)]
struct Points {
    points: Vec<Scored>,
}

#[derive(Deserialize)]
struct Scored {
    id: Value,
    score: f32,
    #[serde(default)]
    payload: Value,
}

impl<'s> Engine<'s> {
    pub(crate) fn new(settings: &'s Settings) -> Self {
        Self { settings }
    }

    /// Sees to it that the collection is there, takes vectors of this size, and has an index of what is filtered by.
    pub(crate) fn prepare(&self, size: usize) -> Result<(), Failure> {
        let collection = match self.collection() {
            Err(refused) if refused.is_missing() => {
                self.create(size)?;
                self.collection()?
            }
            found => found?,
        };
        self.check(&collection, size)?;
        let indexes = [
            ("knowledge_base", json!({ "type": "keyword", "is_tenant": true })),
            ("document_id", json!("keyword")),
            ("ordinal", json!("integer")),
        ];
        for (field, schema) in indexes {
            if !collection.payload_schema.contains_key(field) {
                let index = json!({ "field_name": field, "field_schema": schema });
                self.update("PUT", "/index?wait=true", index.to_string())?;
            }
        }
        Ok(())
    }

    /// Takes points in, in the place of those with the same ids.
    pub(crate) fn upsert(&self, points: Vec<u8>) -> Result<(), Refused> {
        self.update("PUT", "/points?wait=true", points)
    }

    /// Deletes what the filter lets through; of a collection that is not there nothing.
    pub(crate) fn delete(&self, filter: &Value) -> Result<(), Failure> {
        match self.update("POST", "/points/delete?wait=true", json!({ "filter": filter }).to_string()) {
            Err(refused) if refused.is_missing() => Ok(()),
            done => Ok(done?),
        }
    }

    /// The points nearest to a vector, best first; of a collection that is not there none.
    pub(crate) fn nearest(&self, vector: &[f32], filter: &Value, limit: u32) -> Result<Vec<Found>, Failure> {
        let query = json!({
            "query": vector, "filter": filter, "limit": limit, "with_payload": true,
            "params": { "exact": self.settings.exact },
        });
        match self.ask::<Points>("POST", "/points/query", query.to_string()) {
            Ok(found) => found.points.into_iter().filter_map(|scored| self.found(scored)).collect(),
            Err(refused) if refused.is_missing() => {
                log::warn(&format!("Qdrant has no collection `{}` yet", self.settings.collection));
                Ok(Vec::new())
            }
            Err(refused) => Err(refused.into()),
        }
    }

    fn collection(&self) -> Result<Collection, Refused> {
        self.ask("GET", "", Vec::new())
    }

    /// Another ingestion may be a moment ahead.
    fn create(&self, size: usize) -> Result<(), Refused> {
        let vectors = json!({ "vectors": { "size": size, "distance": "Cosine" } });
        match self.ask::<bool>("PUT", "", vectors.to_string()) {
            Err(refused) if refused.is_there_already() => Ok(()),
            made => made.map(drop),
        }
    }

    /// Whether these vectors fit; a collection whose vectors have names has no such members.
    fn check(&self, collection: &Collection, size: usize) -> Result<(), Failure> {
        let vectors = &collection.config.params.vectors;
        if vectors["size"] == size && vectors["distance"] == "Cosine" {
            return Ok(());
        }
        let name = &self.settings.collection;
        let told: String = vectors.to_string().chars().take(MAX_MESSAGE).collect();
        Err(Failure::unsupported(format!(
            "the collection `{name}` does not take vectors of {size} dimensions, compared by their cosine, but {told}: \
             name another in the setting `collection`"
        )))
    }

    /// A point that is not of this plugin's making is left out.
    fn found(&self, scored: Scored) -> Option<Result<Found, Failure>> {
        let id = scored.id.as_str().map_or_else(|| scored.id.to_string(), str::to_owned);
        let payload: Payload = match serde_json::from_value(scored.payload) {
            Ok(payload) => payload,
            Err(error) => {
                log::warn(&format!("the point {id} is left out: {error}"));
                return None;
            }
        };
        let is_cosine = scored.score.abs() <= 1.0 + ROUNDING;
        if !is_cosine {
            let name = &self.settings.collection;
            let failure = format!("{} is no cosine: is that the distance of `{name}`?", scored.score);
            return Some(Err(Failure::protocol(failure)));
        }
        Some(Ok(Found { id, cosine: scored.score, payload }))
    }

    /// Changes something, and has it done before it goes on.
    fn update(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Result<(), Refused> {
        let updated: Updated = self.ask(method, path, body)?;
        if updated.status == "completed" {
            return Ok(());
        }
        let message = format!("Qdrant has not done it yet: it is `{}`", updated.status);
        Err(Failure::new(FailureKind::Overloaded, message).into())
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Vec<u8>>,
    ) -> Result<T, Refused> {
        let (base, collection) = (self.settings.url.trim_end_matches('/'), &self.settings.collection);
        let request = Request::new(method, format!("{base}/collections/{collection}{path}"))
            .header("accept", "application/json")
            .header("api-key", secret("api_key"));
        let body = body.into();
        let request = if body.is_empty() { request } else { request.json_bytes(body) };
        let response = http::send(request).map_err(Failure::from)?;
        if !response.is_success() {
            return Err(refused(&response));
        }
        Ok(response.json::<Envelope<T>>()?.result)
    }
}

/// What Qdrant, or a proxy before it, says instead. A request that is refused is the binding's trouble, and no fault of
/// the document or of the question.
fn refused(response: &Response) -> Refused {
    let status = response.status;
    let told = response.json::<Value>().ok();
    let error = told.as_ref().and_then(|told| told["status"]["error"].as_str());
    let text = response.text();
    // Without a key Qdrant answers in plain words; a page of HTML says nothing.
    let words = error.unwrap_or(if text.trim_start().starts_with('<') { "" } else { text.trim() });
    let words: String = words.chars().take(MAX_MESSAGE).collect();
    let advice = match status {
        401 | 403 => ": is the secret `api_key` right, and may it write?",
        300..=399 | 404 | 405 | 410 if error.is_none() => ": is `url` right?",
        _ => "",
    };
    let words = if words.is_empty() { words } else { format!(" ({words})") };
    let mut failure = Failure::of_status(status, format!("Qdrant answered {status}{words}{advice}"))
        .with_retry_after_ms(retry_after_ms(&response.headers));
    if failure.kind == FailureKind::InvalidRequest {
        failure.kind = FailureKind::Unsupported;
    }
    Refused { failure, is_qdrants: error.is_some() }
}
