//! The rules that a manifest must keep beyond its shape, and where in the text one is broken.

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::resolve::Template;
use super::{HttpWish, Kind, Manifest, SecretWish};
use crate::grant::check_methods;
use crate::id::PluginId;
use crate::origin::Origin;
use crate::pattern::{HostPattern, PathPrefix};

/// Where, as [`line_of`] takes it, and why.
type Problem = (Vec<String>, String);

fn at(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn within(list: &str, item: usize, key: &str) -> Vec<String> {
    vec![list.to_owned(), item.to_string(), key.to_owned()]
}

/// The first rule that is broken.
pub(super) fn problem(manifest: &Manifest) -> Option<Problem> {
    identity(manifest)
        .or_else(|| settings(manifest))
        .or_else(|| manifest.http.iter().enumerate().find_map(|(index, wish)| http(manifest, index, wish)))
        .or_else(|| {
            manifest.secret.iter().enumerate().find_map(|(index, wish)| secret(manifest, index, wish))
        })
        .or_else(|| secret_settings(manifest))
        .or_else(|| kind(manifest))
        .or_else(|| limits(manifest))
}

fn identity(manifest: &Manifest) -> Option<Problem> {
    if let Err(error) = PluginId::parse(&manifest.id) {
        return Some((at(&["id"]), error.to_string()));
    }
    if let Err(error) = semver::Version::parse(&manifest.version) {
        return Some((at(&["version"]), format!("`{}` is no semantic version: {error}", manifest.version)));
    }
    if manifest.description.trim().is_empty() || manifest.description.len() > 2_000 {
        return Some((at(&["description"]), "the description must have 1 to 2,000 bytes".into()));
    }
    None
}

fn settings(manifest: &Manifest) -> Option<Problem> {
    let schema = manifest.settings.as_ref()?;
    let place = || at(&["settings"]);
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Some((place(), "settings must be a JSON Schema of an object: `type = \"object\"`".into()));
    }
    if has_datetime(schema) {
        return Some((place(), "settings hold a date, which JSON cannot say: write it as a string".into()));
    }
    let properties = schema.get("properties")?;
    let are_tables = properties.as_object().is_some_and(|all| all.values().all(Value::is_object));
    (!are_tables).then(|| (at(&["settings", "properties"]), "properties must be tables".into()))
}

/// A secret that comes with a request takes the place of one that the manifest knows.
fn secret_settings(manifest: &Manifest) -> Option<Problem> {
    let is_asked = |name: &String| manifest.secret.iter().any(|wish| wish.name == *name);
    let name = manifest.secret_options().into_iter().find(|name| !is_asked(name))?;
    let reason = format!("the setting `{name}` is secret, but no [[secret]] has that name");
    Some((at(&["settings", "properties", &name]), reason))
}

/// The `toml` crate hands dates to other formats as a table with one private key.
fn has_datetime(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(key, member)| key.starts_with("$__toml_private") || has_datetime(member))
        }
        Value::Array(items) => items.iter().any(has_datetime),
        _ => false,
    }
}

fn http(manifest: &Manifest, index: usize, wish: &HttpWish) -> Option<Problem> {
    let place = |key| within("http", index, key);
    if let Err(reason) = check_methods(&wish.methods) {
        return Some((place("methods"), reason));
    }
    if let Some(error) = wish.path.as_deref().and_then(|path| PathPrefix::parse(path).err()) {
        return Some((place("path"), error.to_string()));
    }
    if wish.port == Some(0) {
        return Some((place("port"), "the port must be 1 to 65535".into()));
    }
    if wish.scheme.as_deref().is_some_and(|scheme| !matches!(scheme, "https" | "http")) {
        return Some((place("scheme"), "the scheme must be `https` or `http`".into()));
    }
    match Template::parse(&wish.host) {
        Err(reason) => Some((place("host"), reason)),
        Ok(None) => {
            HostPattern::of_one_owner(&wish.host).err().map(|error| (place("host"), error.to_string()))
        }
        Ok(Some(template)) => {
            if template.is_whole() && (wish.port.is_some() || wish.scheme.is_some()) {
                let reason = format!("scheme and port come from the URL in {}", wish.host);
                return Some((place("host"), reason));
            }
            setting_problem(manifest, template.setting).map(|reason| (place("host"), reason))
        }
    }
}

fn secret(manifest: &Manifest, index: usize, wish: &SecretWish) -> Option<Problem> {
    let place = |key| within("secret", index, key);
    let letter = |byte: u8| byte.is_ascii_lowercase();
    let fits = (1..=63).contains(&wish.name.len())
        && letter(wish.name.as_bytes()[0])
        && wish.name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
    if !fits {
        let reason =
            "a secret's name has 1 to 63 lower-case letters, digits, hyphens or underscores, a letter first";
        return Some((place("name"), reason.into()));
    }
    if manifest.secret[..index].iter().any(|earlier| earlier.name == wish.name) {
        return Some((place("name"), format!("there are two secrets named `{}`", wish.name)));
    }
    match Template::parse(&wish.audience) {
        Err(reason) => Some((place("audience"), reason)),
        Ok(None) => Origin::parse(&wish.audience).err().map(|error| (place("audience"), error.to_string())),
        Ok(Some(template)) => {
            setting_problem(manifest, template.setting).map(|reason| (place("audience"), reason))
        }
    }
}

/// A setting that decides where something goes must be declared, a string, and no secret.
fn setting_problem(manifest: &Manifest, name: &str) -> Option<String> {
    let Some(schema) = manifest.properties().and_then(|all| all.get(name)) else {
        return Some(format!("`{{settings.{name}}}` is not among settings.properties"));
    };
    if schema.get("type").and_then(Value::as_str) != Some("string") {
        return Some(format!("`{{settings.{name}}}` must be declared with `type = \"string\"`"));
    }
    (schema["secret"] == true)
        .then(|| format!("`{{settings.{name}}}` is secret and cannot be part of an address"))
}

fn kind(manifest: &Manifest) -> Option<Problem> {
    let only = |asked: bool, key: &str, kind: Kind, kinds: &str| {
        (asked && manifest.kind != kind).then(|| (at(&[key]), format!("`{key}` is for {kinds} only")))
    };
    only(manifest.kv, "kv", Kind::Tool, "tools")
        .or_else(|| only(manifest.scratch, "scratch", Kind::Tool, "tools"))
        .or_else(|| only(manifest.index, "index", Kind::Retriever, "retrievers"))
        .or_else(|| only(manifest.embed, "embed", Kind::Retriever, "retrievers"))
        .or_else(|| only(manifest.batch.is_some(), "batch", Kind::Exporter, "exporters"))
}

fn limits(manifest: &Manifest) -> Option<Problem> {
    let limits = &manifest.limits;
    let wishes = [
        ("memory_mib", limits.memory_mib),
        ("cpu_ms", limits.cpu_ms),
        ("exchange_cpu_ms", limits.exchange_cpu_ms),
        ("wall_ms", limits.wall_ms),
        ("output_kib", limits.output_kib),
        ("concurrency", limits.concurrency),
    ];
    if let Some((key, _)) = wishes.into_iter().find(|(_, wish)| *wish == Some(0)) {
        return Some((at(&["limits", key]), "a limit of 0 leaves nothing to run with".into()));
    }
    let batch = manifest.batch?;
    let key = if batch.max_events == 0 { "max_events" } else { "max_bytes" };
    (batch.max_events == 0 || batch.max_bytes == 0)
        .then(|| (at(&["batch", key]), "a batch of 0 holds nothing".into()))
}

/// The line of a byte, from 1.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// The line, from 1, of what a path leads to in the text of a manifest: keys, and positions in lists from 0.
/// Where it is not written, the line of the last step that is; none where not even the first one is.
pub fn line_of(text: &str, path: &[impl AsRef<str>]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut found = None;
    let mut here: Option<&DeValue<'_>> = None;
    for step in path.iter().map(AsRef::as_ref) {
        let next = match here {
            None => lookup(root.get_ref(), step),
            Some(DeValue::Table(table)) => lookup(table, step),
            Some(DeValue::Array(items)) => {
                let item = step.parse().ok().and_then(|index: usize| items.get(index));
                item.map(|item| (item.span().start, item.get_ref()))
            }
            Some(_) => None,
        };
        let Some((start, value)) = next else { break };
        (found, here) = (Some(start), Some(value));
    }
    found.map(|start| line_at(text, start))
}

fn lookup<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<(usize, &'t DeValue<'i>)> {
    let (name, value) = table.iter().find(|(name, _)| name.get_ref().as_ref() == key)?;
    Some((name.span().start, value.get_ref()))
}
