//! The options of one export, laid over the binding's settings.

use std::sync::Arc;

use hardpoint_domain::grant::{Permissions, SecretRule};
use hardpoint_domain::manifest::Manifest;
use hardpoint_runtime::{Binding, Secret, misfits};
use serde_json::{Map, Value};

use super::Resolved;
use crate::error::ApiError;

/// The longest secret of an export, in bytes. It is looked for in everything that comes back.
const LONGEST_SECRET: usize = 4 << 10;

/// Checks options against the manifest's schema and the binding's grant, and takes secrets out of them.
pub(crate) fn resolve(binding: &Arc<Binding>, mut options: Map<String, Value>) -> Result<Resolved, ApiError> {
    let manifest = binding.generation().manifest();
    let brought = take_secrets(manifest, &mut options)?;
    let mut settings = binding.settings().as_object().cloned().unwrap_or_default();
    let changed: Vec<String> =
        options.keys().filter(|name| settings.get(*name) != options.get(*name)).cloned().collect();
    settings.extend(options);
    let settings = Value::Object(settings);
    check_schema(manifest, &settings)?;
    let asked = manifest
        .permissions(&settings)
        .map_err(|error| ApiError::impossible(first(&changed), "valid", format!("{}.", error.reason)))?;
    let secrets = secrets(binding, &asked, brought, &changed)?;
    let permissions = permissions(binding, &asked, &secrets, &changed)?;
    Ok(Resolved { settings, permissions, secrets })
}

/// Takes the secret options out. Their values are shown to nobody, so not to the caller either.
pub(crate) fn take_secrets(
    manifest: &Manifest,
    options: &mut Map<String, Value>,
) -> Result<Vec<(String, String)>, ApiError> {
    let mut taken = Vec::new();
    for name in manifest.secret_options() {
        match options.remove(&name) {
            None | Some(Value::Null) => {}
            Some(Value::String(value)) if value.len() > LONGEST_SECRET => {
                let message = format!("The '{name}' field may have {LONGEST_SECRET} bytes.");
                return Err(ApiError::bad_field(name, "max_length", message));
            }
            Some(Value::String(value)) if !value.is_empty() => taken.push((name, value)),
            Some(_) => {
                let message = format!("The '{name}' field must be a text that is not empty.");
                return Err(ApiError::bad_field(name, "type", message));
            }
        }
    }
    Ok(taken)
}

/// A required option may be a secret, which is no longer among them.
fn check_schema(manifest: &Manifest, settings: &Value) -> Result<(), ApiError> {
    let Some(mut schema) = manifest.settings.clone() else { return Ok(()) };
    let secrets = manifest.secret_options();
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name.as_str().is_none_or(|name| !secrets.iter().any(|secret| secret == name)));
    }
    let Some((path, reason)) = misfits(&schema, settings).map_err(ApiError::internal)?.into_iter().next()
    else {
        return Ok(());
    };
    let which = if path.is_empty() { String::new() } else { format!("'{path}': ") };
    Err(ApiError::bad_field(path, "schema", format!("The exporter's options do not fit: {which}{reason}.")))
}

/// What this export may do, where that is not what the binding may do anyway.
///
/// The caller may choose another address, a public one, where it brings its own secret for it: a configured
/// secret stays behind then. Where the configuration says what the binding may do, it may do exactly that.
fn permissions(
    binding: &Binding,
    asked: &Permissions,
    brought: &[(String, Secret)],
    changed: &[String],
) -> Result<Option<Permissions>, ApiError> {
    let granted = binding.permissions();
    let places = Permissions { http: asked.http.clone(), ..Permissions::default() };
    let missing = places.missing_from(granted);
    let mut permitted = granted.clone();
    if !missing.is_empty() {
        if binding.declared().is_some() || brought.is_empty() {
            return Err(not_granted(binding, &missing, changed));
        }
        // What the grant covers stays; the rest must be public, which the way out sees to.
        permitted.http.extend(places.http.into_iter().filter(|rule| !granted.http.contains(rule)));
    }
    for (name, secret) in brought {
        permitted.secrets.retain(|rule| rule.name != *name);
        permitted.secrets.push(SecretRule {
            name: name.clone(),
            audience: secret.audience().clone(),
            optional: true,
        });
    }
    Ok((permitted != *granted).then_some(permitted))
}

fn not_granted(binding: &Binding, missing: &[String], changed: &[String]) -> ApiError {
    let (name, missing) = (binding.name(), missing.join(", nor to "));
    let remedy = match binding.declared() {
        Some(table) => format!("an operator may add it to [{table}] in hardpoint.toml"),
        None => {
            "bring your own secret for it, or let an operator bind the plugin with these settings".to_owned()
        }
    };
    let text = format!("The exporter `{name}` is not allowed to {missing}: {remedy}.");
    ApiError::impossible(first(changed), "granted", text)
}

/// Secrets for this export. One that was configured for another address stays at home.
fn secrets(
    binding: &Binding,
    asked: &Permissions,
    brought: Vec<(String, String)>,
    changed: &[String],
) -> Result<Vec<(String, Secret)>, ApiError> {
    let mut secrets = Vec::new();
    for (name, value) in brought {
        let audience = asked.secret_audience(&name).ok_or_else(|| {
            ApiError::impossible(
                name.clone(),
                "used",
                format!("The exporter does not send '{name}' anywhere with these options."),
            )
        })?;
        secrets.push((name, Secret::new(value, audience.clone())));
    }
    for wish in &asked.secrets {
        if secrets.iter().any(|(name, _)| *name == wish.name) {
            continue;
        }
        let message = match binding.secret_audience(&wish.name) {
            Some(audience) if *audience == wish.audience => continue,
            Some(audience) => format!(
                "The configured '{}' is for {audience} only; with another {} send your own.",
                wish.name,
                changed.first().map_or("address", String::as_str)
            ),
            None if wish.optional => continue,
            None => format!("The '{}' field is required: none is configured for this exporter.", wish.name),
        };
        return Err(ApiError::impossible(wish.name.clone(), "required", message));
    }
    Ok(secrets)
}

fn first(changed: &[String]) -> String {
    changed.first().cloned().unwrap_or_else(|| "options".to_owned())
}
