//! From what a manifest asks to permissions, once the settings of a binding are known.

use serde_json::Value;
use url::Url;

use super::{HttpWish, Kind, Manifest, ManifestError, SecretWish};
use crate::grant::{HttpRule, Permissions, SecretRule, sorted};
use crate::origin::{Origin, default_port};
use crate::pattern::{HostPattern, PathPrefix};

/// A host or audience with one `{settings.NAME}` in it. Alone it stands for that setting's URL, amid
/// other text for labels of a host name.
pub(super) struct Template<'a> {
    before: &'a str,
    pub(super) setting: &'a str,
    after: &'a str,
}

impl<'a> Template<'a> {
    /// None if `text` holds no braces.
    pub(super) fn parse(text: &'a str) -> Result<Option<Self>, String> {
        if !text.contains(['{', '}']) {
            return Ok(None);
        }
        text.split_once("{settings.")
            .and_then(|(before, rest)| {
                let (setting, after) = rest.split_once('}')?;
                Some(Self { before, setting, after })
            })
            .filter(|it| {
                !it.setting.is_empty() && ![it.before, it.setting, it.after].concat().contains(['{', '}'])
            })
            .map(Some)
            .ok_or_else(|| format!("`{text}` may hold one `{{settings.NAME}}` and no other braces"))
    }

    pub(super) fn is_whole(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

impl Manifest {
    /// The settings with the schema's defaults in the place of what is left out, on the first level.
    pub fn with_defaults(&self, settings: &Value) -> Value {
        let mut filled = settings.as_object().cloned().unwrap_or_default();
        for (name, schema) in self.properties().into_iter().flatten() {
            if let Some(default) = schema.get("default").filter(|_| !filled.contains_key(name)) {
                filled.insert(name.clone(), default.clone());
            }
        }
        Value::Object(filled)
    }

    /// What the plugin asks for with these settings. A wish that depends on a setting which may be left out
    /// and is left out asks for nothing.
    ///
    /// # Errors
    /// If a setting that decides where something goes is missing though required, or is no URL or host.
    pub fn permissions(&self, settings: &Value) -> Result<Permissions, ManifestError> {
        let http: Vec<_> = self
            .http
            .iter()
            .filter_map(|wish| self.rule(wish, settings).transpose())
            .collect::<Result<_, _>>()?;
        let secrets = self
            .secret
            .iter()
            .filter_map(|wish| self.secret(wish, settings).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Permissions {
            http: sorted(http),
            secrets,
            kv: self.kv,
            index: self.index,
            embed: self.embed,
            scratch: self.scratch,
        })
    }

    /// The setting without which the plugin may send nothing anywhere: one that names where to, and is left out. None
    /// where it may send something, or asks for no address at all.
    pub fn unaddressed(&self, settings: &Value) -> Option<&str> {
        let missing = self.http.iter().map(|wish| {
            let template = Template::parse(&wish.host).ok()??;
            matches!(self.substitute(&wish.host, settings), Ok(None)).then_some(template.setting)
        });
        missing.collect::<Option<Vec<_>>>()?.first().copied()
    }

    fn rule(&self, wish: &HttpWish, settings: &Value) -> Result<Option<HttpRule>, ManifestError> {
        let methods =
            if wish.methods.is_empty() { vec!["GET".to_owned()] } else { sorted(wish.methods.clone()) };
        let below =
            wish.path.as_deref().map_or(Ok(PathPrefix::root()), PathPrefix::parse).map_err(unresolved)?;
        let Some(host) = self.substitute(&wish.host, settings)? else { return Ok(None) };
        if let Substituted::Url(url) = host {
            let host = HostPattern::parse(url.host_str().unwrap_or_default()).map_err(unresolved)?;
            let base = PathPrefix::parse(url.path()).map_err(unresolved)?;
            let port = url.port_or_known_default().unwrap_or_else(|| default_port(url.scheme()));
            return Ok(Some(HttpRule {
                scheme: url.scheme().to_owned(),
                host,
                port,
                methods,
                path: base.join(&below),
            }));
        }
        let Substituted::Text(host) = host else { return Ok(None) };
        let scheme = wish.scheme.clone().unwrap_or_else(|| "https".to_owned());
        let port = wish.port.unwrap_or_else(|| default_port(&scheme));
        let host = HostPattern::of_one_owner(&host).map_err(unresolved)?;
        Ok(Some(HttpRule { scheme, host, port, methods, path: below }))
    }

    fn secret(&self, wish: &SecretWish, settings: &Value) -> Result<Option<SecretRule>, ManifestError> {
        let Some(audience) = self.substitute(&wish.audience, settings)? else { return Ok(None) };
        let audience = match audience {
            Substituted::Url(url) => {
                Origin::of(&url).ok_or_else(|| unresolved("the audience is no origin"))?
            }
            Substituted::Text(text) => Origin::parse(&text).map_err(unresolved)?,
        };
        Ok(Some(SecretRule { name: wish.name.clone(), audience, optional: wish.optional }))
    }

    /// None if the setting is left out and may be.
    fn substitute(&self, text: &str, settings: &Value) -> Result<Option<Substituted>, ManifestError> {
        let Some(template) = Template::parse(text).map_err(unresolved)? else {
            return Ok(Some(Substituted::Text(text.to_owned())));
        };
        let name = template.setting;
        let default = || self.properties()?.get(name)?.get("default");
        let value = match settings.get(name).filter(|value| !value.is_null()).or_else(default) {
            Some(Value::String(value)) => value,
            Some(_) => return Err(unresolved(format!("the setting `{name}` must be a string"))),
            // What an exporter's binding leaves out an export may bring.
            None if self.is_required(name) && self.kind != Kind::Exporter => {
                return Err(unresolved(format!("the setting `{name}` is missing")));
            }
            None => return Ok(None),
        };
        if template.is_whole() {
            return setting_url(name, value).map(|url| Some(Substituted::Url(url)));
        }
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        if value.is_empty() || !value.bytes().all(is_host) {
            return Err(unresolved(format!("the setting `{name}` must be a host name, or labels of one")));
        }
        Ok(Some(Substituted::Text(format!("{}{value}{}", template.before, template.after))))
    }

    fn is_required(&self, setting: &str) -> bool {
        let required =
            self.settings.as_ref().and_then(|schema| schema.get("required")).and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|name| name == setting))
    }
}

enum Substituted {
    /// The whole was one setting.
    Url(Url),
    /// The text, with a setting's labels in it or without.
    Text(String),
}

fn setting_url(name: &str, value: &str) -> Result<Url, ManifestError> {
    let wrong = |reason: &str| unresolved(format!("the setting `{name}` must be a URL: {reason}"));
    let url = Url::parse(value).map_err(|error| wrong(&error.to_string()))?;
    if Origin::of(&url).is_none() {
        return Err(wrong("`https` or `http`, with a host and without a user"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("without query and fragment"));
    }
    Ok(url)
}

fn unresolved(reason: impl ToString) -> ManifestError {
    ManifestError { line: None, reason: reason.to_string() }
}
