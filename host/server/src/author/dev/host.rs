//! A running host, as an author's tool talks to it: over its API, by the host's own way out.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use hardpoint_domain::grant::{HttpRule, Permissions};
use hardpoint_domain::manifest::example;
use hardpoint_runtime::egress::{
    Egress, EgressBody, EgressConfig, EgressRequest, EgressResponse, Part, SendOptions, Timeouts,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::{Position, Url};

use crate::config::without_users;

/// An answer to a command waits for what follows from it, and a log says that it is alive more often.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_secs(120),
    gap: Duration::from_secs(60),
};

/// A host, and the operator's key that opens it.
#[derive(Clone)]
pub struct Host {
    egress: Egress,
    base: String,
    permissions: Permissions,
    authorization: Bytes,
}

/// A plugin, as much as matters here of what `/plugins/{id}` shows.
#[derive(Clone, Debug, Deserialize)]
pub struct Seen {
    /// The version that serves, or would.
    pub version: String,
    /// Its bytes.
    pub digest: String,
    /// In one word.
    pub state: String,
    /// Why, and what to do about it.
    pub reason: Option<String>,
    /// Another version that does not serve yet.
    pub candidate: Option<Candidate>,
    /// What it asks for.
    pub asks: Vec<String>,
    /// JSON Schema of its settings.
    #[serde(default)]
    pub settings_schema: Value,
    /// Its bindings.
    pub bindings: Vec<Bound>,
    /// What is live.
    pub live: Option<Live>,
}

/// A binding.
#[derive(Clone, Debug, Deserialize)]
pub struct Bound {
    /// Its name.
    pub name: String,
    /// `ready`, or what keeps it from serving.
    pub state: String,
    /// Its settings.
    pub settings: Map<String, Value>,
}

impl Seen {
    /// The binding that a request is to name: the one of the plugin's own name, unless only another is ready.
    pub fn callable<'a>(&'a self, id: &'a str) -> &'a str {
        let ready = || self.bindings.iter().filter(|bound| bound.state == "ready").map(|bound| &*bound.name);
        ready().find(|name| *name == id).or_else(|| ready().next()).unwrap_or(id)
    }

    /// What its settings require and a binding leaves open, by a value of the right type.
    pub fn open_settings(&self, binding: &str) -> Map<String, Value> {
        let set = self.bindings.iter().find(|bound| bound.name == binding);
        let is_open = |name: &str| set.is_none_or(|bound| !bound.settings.contains_key(name));
        let required = self.settings_schema["required"].as_array().into_iter().flatten();
        let open = required.filter_map(Value::as_str).filter(|name| is_open(name));
        open.map(|name| (name.to_owned(), example(&self.settings_schema["properties"][name]))).collect()
    }
}

/// A version that does not serve yet.
#[derive(Clone, Debug, Deserialize)]
pub struct Candidate {
    /// Its bytes.
    pub digest: String,
    /// In one word.
    pub state: String,
    /// Why, and what to do about it.
    pub reason: Option<String>,
}

/// What is live.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Live {
    /// Counts up with every version that serves.
    pub generation: u64,
}

/// A page of `/tools`, as much as matters here.
#[derive(Deserialize)]
struct Tools {
    data: Vec<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    parameters: Option<Value>,
}

/// Whether what is sent to an address can be read on the way: it is neither encrypted nor for this machine.
pub fn is_exposed(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let is_here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !is_here
}

impl Host {
    /// The host at an address, `http://127.0.0.1:8080`, below whose path its API is.
    ///
    /// # Errors
    /// If that is no address.
    pub fn at(address: &str, key: &str) -> anyhow::Result<Self> {
        // What is wrong with it would be told with the whole of it, the user's password included.
        let none =
            || anyhow!("{} is no address of a host: write http://127.0.0.1:8080", without_users(address));
        let url = Url::parse(address).map_err(|_| none())?;
        let root = url[..Position::AfterPath].trim_end_matches('/');
        let rule: HttpRule = format!("DELETE,GET,POST,PUT {root}").parse().map_err(|_| none())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let egress = Egress::new(EgressConfig {
            // The author says where the host is.
            allow_internal: vec![host],
            timeouts: TIMEOUTS,
            max_request_bytes: 1 << 30,
            ..EgressConfig::default()
        })?;
        let permissions = Permissions { http: vec![rule], ..Permissions::default() };
        let base = format!("{root}/api/v1");
        Ok(Self { egress, base, permissions, authorization: format!("Bearer {key}").into() })
    }

    /// Where its API is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Makes sure that it is there, and that the key opens it.
    ///
    /// # Errors
    /// If it cannot be reached, or the key is no operator's.
    pub async fn check(&self) -> anyhow::Result<()> {
        let asked = self.send("GET", "/plugins?page_size=1", "", Bytes::new()).await;
        let answer = asked.with_context(|| format!("no host answers at {}", self.base))?;
        match answer.status {
            200 => Ok(()),
            401 => bail!(
                "the host does not take this key: set HARDPOINT_API_KEY to one of its operators', or add --key"
            ),
            403 => bail!("the key is no operator's: set HARDPOINT_API_KEY to one that is, or add --key"),
            status => bail!("there is no host at {}: the answer has status {status}", self.base),
        }
    }

    /// Uploads a component.
    ///
    /// # Errors
    /// If it cannot be reached or refuses, with its reason.
    pub async fn publish(&self, component: Bytes) -> anyhow::Result<()> {
        self.ask("POST", "/plugins", "application/wasm", component).await.map(drop)
    }

    /// Allows exactly these bytes what they ask for.
    ///
    /// # Errors
    /// As for `publish`.
    pub async fn approve(&self, id: &str, digest: &str) -> anyhow::Result<()> {
        let body = json!({ "digest": digest }).to_string();
        self.ask("POST", &format!("/plugins/{id}/approve"), "application/json", body.into()).await.map(drop)
    }

    /// Binds the plugin under its own name.
    ///
    /// # Errors
    /// As for `publish`.
    pub async fn bind(&self, id: &str, settings: &Map<String, Value>) -> anyhow::Result<()> {
        let body = json!({ "settings": settings }).to_string();
        let path = format!("/plugins/{id}/bindings/{id}");
        self.ask("PUT", &path, "application/json", body.into()).await.map(drop)
    }

    /// The plugin.
    ///
    /// # Errors
    /// As for `publish`.
    pub async fn plugin(&self, id: &str) -> anyhow::Result<Seen> {
        let answer = self.ask("GET", &format!("/plugins/{id}"), "", Bytes::new()).await?;
        serde_json::from_slice(&answer).context("the host's answer is none of this version's")
    }

    /// The schema of a tool's arguments; none where it has none, or is not called.
    ///
    /// # Errors
    /// As for `publish`.
    pub async fn parameters(&self, name: &str) -> anyhow::Result<Option<Value>> {
        for page in 1.. {
            let path = format!("/tools?page_size=100&page={page}");
            let answer = self.ask("GET", &path, "", Bytes::new()).await?;
            let tools: Tools =
                serde_json::from_slice(&answer).context("the host's answer is none of this version's")?;
            if tools.data.is_empty() {
                break;
            }
            if let Some(tool) = tools.data.into_iter().find(|tool| tool.name == name) {
                return Ok(tool.parameters);
            }
        }
        Ok(None)
    }

    /// Lines of the plugin's log, as server-sent events that do not end.
    ///
    /// # Errors
    /// As for `publish`.
    pub async fn logs(&self, id: &str) -> anyhow::Result<EgressBody> {
        let path = format!("/plugins/{id}/logs?follow=true&limit=1");
        Ok(self.send("GET", &path, "", Bytes::new()).await?.body)
    }

    async fn ask(&self, method: &str, path: &str, kind: &str, body: Bytes) -> anyhow::Result<Vec<u8>> {
        let mut response = self.send(method, path, kind, body).await?;
        let mut whole = Vec::new();
        while let Some(piece) = response.body.chunk().await {
            whole.extend_from_slice(&piece.map_err(|error| anyhow!("{error}"))?);
        }
        if (200..300).contains(&response.status) {
            return Ok(whole);
        }
        let told: Value = serde_json::from_slice(&whole).unwrap_or_default();
        match told["error"]["message"].as_str() {
            Some(message) => bail!("{message}"),
            None => bail!("the host answered {method} {path} with status {}", response.status),
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> anyhow::Result<EgressResponse> {
        let mut headers = vec![("authorization".to_owned(), vec![Part::Bytes(self.authorization.clone())])];
        if !kind.is_empty() {
            headers.push((
                "content-type".to_owned(),
                vec![Part::Bytes(Bytes::copy_from_slice(kind.as_bytes()))],
            ));
        }
        let request = EgressRequest {
            method: method.to_owned(),
            url: format!("{}{path}", self.base),
            headers,
            body: vec![Part::Bytes(body)],
            gzip: false,
        };
        let options = SendOptions::for_binding("dev");
        let sent = self.egress.send(request, &self.permissions, &BTreeMap::new(), &options).await;
        sent.map_err(|error| anyhow!("{error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_part_of_the_address() {
        let base = |address: &str| Host::at(address, "key").map(|host| host.base().to_owned());
        assert_eq!(base("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080/api/v1");
        assert_eq!(base("https://example.com/hardpoint/").unwrap(), "https://example.com/hardpoint/api/v1");
        assert!(base("here").unwrap_err().to_string().contains("no address"));
        assert!(base("ftp://example.com").is_err());
        for address in ["https://user:pw@example.com", "https://user:pw@ex ample.com"] {
            let told = format!("{:#}", base(address).unwrap_err());
            assert!(told.contains("no address") && !told.contains("user:pw"), "{told}");
        }
    }

    #[test]
    fn a_required_setting_is_open_until_a_binding_sets_it() {
        let seen = |settings: Value| {
            let schema = json!({
                "required": ["url"],
                "properties": { "url": { "type": "string", "format": "uri" }, "token": { "type": "string" } },
            });
            let seen = json!({
                "version": "1.0.0", "digest": "sha256:0", "state": "active", "asks": [],
                "settings_schema": schema, "bindings": [{ "name": "one", "state": "ready", "settings": settings }],
            });
            serde_json::from_value::<Seen>(seen).unwrap().open_settings("one")
        };
        assert_eq!(Value::Object(seen(json!({}))), json!({ "url": "https://example.com" }));
        assert!(seen(json!({ "url": "https://logs.example.com" })).is_empty());
    }

    /// One of its own name that nobody gave what its settings require is not to be called.
    #[test]
    fn a_request_names_a_binding_that_is_ready() {
        let seen = |bindings: &[(&str, &str)]| {
            let bound =
                bindings.iter().map(|(name, state)| json!({ "name": name, "state": state, "settings": {} }));
            let seen = json!({
                "version": "1.0.0", "digest": "sha256:0", "state": "active", "asks": [],
                "bindings": Vec::from_iter(bound),
            });
            serde_json::from_value::<Seen>(seen).unwrap().callable("echo").to_owned()
        };
        assert_eq!(seen(&[("a", "ready"), ("echo", "ready")]), "echo");
        assert_eq!(seen(&[("echo", "unfit_settings"), ("metric", "ready")]), "metric");
        assert_eq!(seen(&[("metric", "ready")]), "metric");
        assert_eq!(seen(&[("echo", "pending_approval")]), "echo");
    }

    #[test]
    fn what_can_be_read_on_the_way() {
        for hidden in ["https://example.com", "http://localhost:1", "http://127.0.0.2:1/a", "http://[::1]:1"]
        {
            assert!(!is_exposed(hidden), "{hidden}");
        }
        for exposed in ["http://example.com", "http://10.0.0.1:8080", "http://localhost.example.com"] {
            assert!(is_exposed(exposed), "{exposed}");
        }
    }
}
