//! What a plugin says of itself and what it asks for: `plugin.toml`, embedded in the component as the
//! custom section `hardpoint:manifest`.

use serde::{Deserialize, Serialize};

use crate::limits::LimitWishes;

/// The name of the custom section that holds the manifest's TOML text.
pub const SECTION: &str = "hardpoint:manifest";

/// The four kinds of plugin, each with a world of its own in `wit/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `model-plugin`: a model adapter.
    Model,
    /// `exporter-plugin`.
    Exporter,
    /// `tool-plugin`.
    Tool,
    /// `retriever-plugin`.
    Retriever,
}

/// How instances live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceMode {
    /// A new instance for every call.
    #[default]
    Fresh,
    /// Kept for later calls of the same binding and organisation, one call at a time, thrown away after any failure.
    /// Tools only so far; the other kinds are fresh whatever they ask for.
    Warm,
}

/// A plugin's manifest. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Lower-case letters, digits and hyphens, a letter first; at most 63.
    pub id: String,
    /// Semantic version.
    pub version: String,
    /// Which world it implements.
    pub kind: Kind,
    /// What it is, in a sentence or two, for operators and in `/plugins`.
    pub description: String,
    /// How instances live: a new one for every call (`fresh`), or kept for later ones (`warm`, tools only).
    #[serde(default)]
    pub instance: InstanceMode,
    /// HTTP requests it wants to make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpWish>,
    /// Secrets it wants to refer to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret: Vec<SecretWish>,
    /// Whether it wants the key-value store. Tools only.
    #[serde(default)]
    pub kv: bool,
    /// Whether it wants the host's index. Retrievers only.
    #[serde(default)]
    pub index: bool,
    /// Whether it wants the host's embedder. Retrievers only.
    #[serde(default)]
    pub embed: bool,
    /// Whether it wants an empty folder for the time of a call. Tools only.
    #[serde(default)]
    pub scratch: bool,
    /// What it wants of the limits.
    #[serde(default)]
    pub limits: LimitWishes,
    /// How large a batch may be; 100 events and 1 MiB where left out. Exporters only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchWish>,
    /// JSON Schema of its settings. A property marked `secret = true` is taken out of a request's
    /// options before the plugin sees them, and becomes the secret of that name for this call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<serde_json::Value>,
}

/// One family of requests that a plugin wants to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpWish {
    /// A host name, `*.example.com` (below one owner's name), or `{settings.NAME}`: the origin and path of that
    /// setting's URL.
    pub host: String,
    /// 443 where left out, or what the setting's URL says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `https` where left out; `http` must be asked for, or be in the setting's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Methods in capitals; `GET` where left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// The path must begin with this, at a segment border; `/` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// One secret that a plugin wants to refer to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretWish {
    /// The name by which the plugin refers to it.
    pub name: String,
    /// The only origin it may be sent to: `https://host[:port]` or `{settings.NAME}`.
    pub audience: String,
    /// Whether the plugin also works without it.
    #[serde(default)]
    pub optional: bool,
}

/// How large the batches of an exporter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchWish {
    /// Events in one batch.
    pub max_events: u32,
    /// Bytes of the events' bodies in one batch.
    pub max_bytes: u64,
}

mod check;
mod example;
mod resolve;

pub use check::line_of;
pub use example::example;

/// The longest manifest, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Why a text is no manifest, or why its requests cannot be resolved with some settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct ManifestError {
    /// The line of the manifest, from 1, where one is to blame.
    pub line: Option<usize>,
    /// For the plugin's author or its operator.
    pub reason: String,
}

impl Manifest {
    /// What a manifest asks for as it is written, with its settings still open.
    pub fn wishes(&self) -> Vec<String> {
        let http = self.http.iter().map(|wish| {
            let methods = if wish.methods.is_empty() { "GET".to_owned() } else { wish.methods.join(",") };
            let scheme = wish.scheme.as_ref().map(|scheme| format!("{scheme}://")).unwrap_or_default();
            let port = wish.port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("send {methods} {scheme}{}{port}{}", wish.host, wish.path.as_deref().unwrap_or(""))
        });
        let secrets = self.secret.iter().map(|wish| {
            let optional = if wish.optional { " (optional)" } else { "" };
            format!("use the secret `{}`, only towards {}{optional}", wish.name, wish.audience)
        });
        let flags = [
            (self.kv, "keep small values for each organisation (kv)"),
            (self.index, "search the host's index (index)"),
            (self.embed, "use the host's embedder (embed)"),
            (self.scratch, "use an empty folder while a call lasts (scratch)"),
        ];
        let flags = flags.into_iter().filter(|(asked, _)| *asked).map(|(_, words)| words.to_owned());
        http.chain(secrets).chain(flags).collect()
    }

    /// From the text of a `plugin.toml`.
    ///
    /// # Errors
    /// If it is no TOML, has unknown or ill-typed keys, or asks for what its kind cannot have.
    pub fn from_toml(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MAX_BYTES {
            let reason = format!("the manifest is {} bytes long, {MAX_BYTES} are allowed", text.len());
            return Err(ManifestError { line: None, reason });
        }
        let manifest: Self = toml::from_str(text).map_err(|error| ManifestError {
            line: error.span().map(|span| check::line_at(text, span.start)),
            reason: error.message().trim().to_owned(),
        })?;
        match check::problem(&manifest) {
            None => Ok(manifest),
            Some((path, reason)) => Err(ManifestError { line: check::line_of(text, &path), reason }),
        }
    }

    /// As the text of a `plugin.toml`; comments of the original are gone.
    ///
    /// # Errors
    /// If `settings` holds what TOML cannot say (`null`); never for a manifest that was read from TOML.
    pub fn to_toml(&self) -> Result<String, ManifestError> {
        toml::to_string(self).map_err(|error| ManifestError { line: None, reason: error.to_string() })
    }

    /// Names of the settings that are marked `secret = true`: they are taken out of a request's options
    /// before the plugin sees them.
    pub fn secret_options(&self) -> Vec<String> {
        let is_secret = |schema: &serde_json::Value| schema["secret"] == true;
        self.properties()
            .map(|all| {
                all.iter().filter(|(_, schema)| is_secret(schema)).map(|(name, _)| name.clone()).collect()
            })
            .unwrap_or_default()
    }

    fn properties(&self) -> Option<&serde_json::Map<String, serde_json::Value>> {
        self.settings.as_ref()?.get("properties")?.as_object()
    }
}

/// A component with its manifest appended as the custom section [`SECTION`]. A component may be followed by
/// further sections as it is; that there is no such section yet is for the caller to know.
pub fn embed(component: &[u8], manifest_toml: &str) -> Vec<u8> {
    let mut section = Vec::with_capacity(SECTION.len() + manifest_toml.len() + 8);
    push_leb128(&mut section, SECTION.len());
    section.extend_from_slice(SECTION.as_bytes());
    section.extend_from_slice(manifest_toml.as_bytes());

    let mut out = Vec::with_capacity(component.len() + section.len() + 8);
    out.extend_from_slice(component);
    out.push(0);
    push_leb128(&mut out, section.len());
    out.extend_from_slice(&section);
    out
}

/// A packed component without its manifest, for packing it again with another; other bytes as they are.
/// Only the outermost sections are looked at.
pub fn strip(packed: &[u8]) -> Vec<u8> {
    let mut out = packed.get(..8).unwrap_or(packed).to_vec();
    let mut rest = packed.get(8..).unwrap_or_default();
    while let Some((section, is_manifest, after)) = next_section(rest) {
        if !is_manifest {
            out.extend_from_slice(section);
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// The first section, whether it is a manifest, and what follows it; none at the end or where no
/// whole section is.
fn next_section(bytes: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let (&id, after_id) = bytes.split_first()?;
    let (size, header) = read_leb128(after_id)?;
    let end = 1 + header + size;
    let content = bytes.get(1 + header..end)?;
    let name = || read_leb128(content).and_then(|(length, start)| content.get(start..start + length));
    Some((&bytes[..end], id == 0 && name() == Some(SECTION.as_bytes()), &bytes[end..]))
}

/// A number and how many bytes it took.
fn read_leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0_usize;
    for (place, &byte) in bytes.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((number, place + 1));
        }
    }
    None
}

fn push_leb128(out: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        out.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
