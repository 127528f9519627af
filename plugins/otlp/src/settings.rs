//! A binding's settings with an export's options; `plugin.toml` has their schema and says what each is.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::auth::Auth;
use hardpoint_sdk::{Failure, Request, secret};
use prost::Message;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::message::{ExportRequest, LogRecord, Resource, ResourceLogs, Scope, ScopeLogs};
use crate::value::{attribute, pairs};

/// One destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    endpoint: String,
    path: String,
    pub(crate) encoding: Encoding,
    gzip: bool,
    headers: BTreeMap<String, String>,
    auth: Auth,
    auth_header: String,
    auth_prefix: String,
    service_name: String,
    resource: Map<String, Value>,
    scope_name: String,
    scope_version: String,
    scope: Map<String, Value>,
    pub(crate) body: Body,
    pub(crate) attribute_prefix: String,
    pub(crate) severities: BTreeMap<String, String>,
    pub(crate) partial_success: PartialSuccess,
}

/// How requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    Json,
    Protobuf,
}

/// What a record's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Body {
    Message,
    Event,
    Text,
}

/// What events count as whose request was taken in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PartialSuccess {
    Rejected,
    Delivered,
}

/// The manifest's defaults.
impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            path: "/v1/logs".to_string(),
            encoding: Encoding::Json,
            gzip: true,
            headers: BTreeMap::new(),
            auth: Auth::Bearer,
            auth_header: "authorization".to_string(),
            auth_prefix: String::new(),
            service_name: "hardpoint".to_string(),
            resource: Map::new(),
            scope_name: "hardpoint".to_string(),
            scope_version: String::new(),
            scope: Map::new(),
            body: Body::Message,
            attribute_prefix: "hardpoint.".to_string(),
            severities: BTreeMap::new(),
            partial_success: PartialSuccess::Rejected,
        }
    }
}

impl Settings {
    /// Names what a schema cannot rule out.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.auth.check(&self.auth_header, self.headers.keys().map(String::as_str))?;
        match self.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
            true => Err(Failure::unsupported("the header `content-type` is what `encoding` says")),
            false => Ok(()),
        }
    }

    /// The records of one resource and scope, written.
    pub(crate) fn write(&self, log_records: Vec<LogRecord>) -> Result<Vec<u8>, Failure> {
        let mut attributes = Vec::from([attribute("service.name", self.service_name.as_str())]);
        attributes.extend(pairs(self.resource.clone()).filter(|pair| pair.key != "service.name"));
        let scope = Scope {
            name: self.scope_name.clone(),
            version: self.scope_version.clone(),
            attributes: pairs(self.scope.clone()).collect(),
        };
        let scope_logs = Vec::from([ScopeLogs { scope: Some(scope), log_records }]);
        let resource = Some(Resource { attributes });
        let request = ExportRequest { resource_logs: Vec::from([ResourceLogs { resource, scope_logs }]) };
        Ok(match self.encoding {
            Encoding::Json => serde_json::to_vec(&request)?,
            Encoding::Protobuf => request.encode_to_vec(),
        })
    }

    /// A request with this body.
    pub(crate) fn request(&self, body: Vec<u8>) -> Request {
        let endpoint = self.endpoint.trim_end_matches('/');
        let path = if endpoint.ends_with(self.path.as_str()) { "" } else { self.path.as_str() };
        let content_type = match self.encoding {
            Encoding::Json => "application/json",
            Encoding::Protobuf => "application/x-protobuf",
        };
        let request = Request::post([endpoint, path].concat());
        let request = self.auth.place(request, &self.auth_header, &self.auth_prefix, secret("credential"));
        let request = request.header("content-type", content_type);
        let request = self
            .headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value.as_str()))
            .body(body);
        if self.gzip { request.gzip() } else { request }
    }
}
