//! A binding's settings with an export's options; `plugin.toml` has their schema and says what each is.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::auth::Auth;
use hardpoint_sdk::request::Parts;
use hardpoint_sdk::{Failure, Request, http, secret};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The manifest's name of the secret.
pub(crate) const CREDENTIAL: &str = "credential";

/// One destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    url: String,
    query: BTreeMap<String, String>,
    method: String,
    headers: BTreeMap<String, String>,
    gzip: bool,
    auth: Auth,
    auth_header: String,
    auth_prefix: String,
    pub(crate) body_credential: Option<String>,
    pub(crate) shape: Shape,
    pub(crate) member: String,
    pub(crate) envelope: BTreeMap<String, Box<RawValue>>,
    pub(crate) max_events: usize,
    pub(crate) max_bytes: usize,
    pub(crate) omit: Vec<String>,
    pub(crate) rename: BTreeMap<String, String>,
    pub(crate) copy: BTreeMap<String, String>,
    pub(crate) constants: BTreeMap<String, Box<RawValue>>,
    pub(crate) wrap: Option<String>,
    pub(crate) time_format: TimeFormat,
    pub(crate) delivered: Vec<String>,
    pub(crate) retry: Vec<String>,
    pub(crate) drop: Vec<String>,
    pub(crate) split: Vec<String>,
    pub(crate) park: Vec<String>,
}

/// What a body looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shape {
    Array,
    Lines,
    Event,
    Object,
}

/// How an event's time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TimeFormat {
    Microseconds,
    Milliseconds,
    Seconds,
    Rfc3339,
}

/// The manifest's defaults.
impl Default for Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            query: BTreeMap::new(),
            method: "POST".to_string(),
            headers: BTreeMap::new(),
            gzip: false,
            auth: Auth::Bearer,
            auth_header: "authorization".to_string(),
            auth_prefix: String::new(),
            body_credential: None,
            shape: Shape::Array,
            member: "events".to_string(),
            envelope: BTreeMap::new(),
            max_events: 500,
            max_bytes: 1_000_000,
            omit: Vec::new(),
            rename: BTreeMap::new(),
            copy: BTreeMap::new(),
            constants: BTreeMap::new(),
            wrap: None,
            time_format: TimeFormat::Microseconds,
            delivered: Vec::new(),
            retry: Vec::new(),
            drop: Vec::new(),
            split: Vec::new(),
            park: Vec::new(),
        }
    }
}

impl Settings {
    /// Names what a schema cannot rule out.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.auth.check(&self.auth_header, self.headers.keys().map(String::as_str))
    }

    /// A request with this body.
    pub(crate) fn request(&self, body: Parts) -> Request {
        let mut url = self.url.clone();
        if !self.query.is_empty() {
            url.push('?');
            url += &http::form(self.query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        }
        let request = Request::new(&self.method, url);
        let mut request = self.auth.place(request, &self.auth_header, &self.auth_prefix, secret(CREDENTIAL));
        if !self.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
            let lines = self.shape == Shape::Lines;
            request = request
                .header("content-type", if lines { "application/x-ndjson" } else { "application/json" });
        }
        for (name, value) in &self.headers {
            request = request.header(name, value.as_str());
        }
        let request = request.body(body);
        if self.gzip { request.gzip() } else { request }
    }
}
