//! Which bindings a version of a plugin would have, and what each of them may do: what the manifest asks,
//! with the binding's settings, against what was allowed. Decides nothing about what is live.

use std::collections::BTreeMap;

use hardpoint_domain::grant::{GrantState, Permissions, SecretRule, effective};
use hardpoint_domain::manifest::{Kind, Manifest};
use hardpoint_domain::origin::Origin;
use hardpoint_runtime::{BindingSpec, Secret, misfits};
use serde_json::{Map, Value};

use super::arranged::Arranged;
use crate::config::{Binding, Config, ConfiguredSecret, Written};

/// A binding as it would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Its settings, defaults filled in.
    pub settings: Value,
    /// What the plugin asks for with these settings.
    pub asked: Permissions,
    /// What it may do.
    pub permissions: Permissions,
    /// Whether it can be live.
    pub readiness: Readiness,
    /// Whether the configuration says what it may do, so that no command can change it.
    pub declared: bool,
    /// Its settings and secrets as somebody wrote them; none for the binding that a plugin has by itself.
    pub written: Option<Binding>,
    /// What is missing and does not keep it from being live.
    pub warnings: Vec<String>,
    secrets: BTreeMap<String, Secret>,
}

/// Whether a binding can be live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// An operator has to allow these first, in plain words.
    Pending(Vec<String>),
    /// Its settings do not fit, for this reason.
    Unfit(String),
    /// It names a secret that this host does not have. Without it requests would go out that nobody signed.
    Lacking {
        /// The manifest's name for it.
        name: String,
        /// The configured secret that is to stand for it.
        secret: String,
        /// Where it would be sent.
        audience: Origin,
    },
}

impl Readiness {
    /// What is wrong with it, beside what is not allowed.
    pub fn fault(&self) -> Option<String> {
        match self {
            Self::Ready | Self::Pending(_) => None,
            Self::Unfit(reason) => Some(reason.clone()),
            Self::Lacking { name, secret, .. } => {
                Some(format!("the host has no secret `{secret}`, which is to stand for `{name}`"))
            }
        }
    }
}

impl Planned {
    /// Whether it can be live.
    pub fn is_ready(&self) -> bool {
        self.readiness == Readiness::Ready
    }

    /// Whether what keeps it from being live is this host's own matter: a secret that others may have, or what stands
    /// in its hardpoint.toml.
    pub fn is_held_up_here(&self) -> bool {
        match self.readiness {
            Readiness::Ready => false,
            Readiness::Lacking { .. } => true,
            Readiness::Unfit(_) => self.table().is_some(),
            Readiness::Pending(_) => self.declared,
        }
    }

    /// Whether this binding is lost to who had it by what was planned before: it was live, or would have been but for
    /// what this host lacks, and elsewhere is; and now it waits for something else.
    pub fn loses(&self, before: &[Self]) -> bool {
        // Where a secret is lacking, more may be missing than that.
        let missing = |planned: &Self| planned.asked.missing_from(&planned.permissions);
        let is_held_up_alike = |before: &Self| {
            let had = missing(before);
            before.readiness == self.readiness && missing(self).iter().all(|one| had.contains(one))
        };
        let is_lost =
            |before: &Self| before.is_ready() || (before.is_held_up_here() && !is_held_up_alike(before));
        !self.is_ready() && before.iter().any(|before| before.name == self.name && is_lost(before))
    }

    /// The exact way to allow what is missing. `digest` names the version, where without it another would be meant.
    pub fn remedy(&self, plugin: &str, digest: Option<&str>) -> Option<String> {
        let digest = digest.map(|digest| format!(" --digest {digest}")).unwrap_or_default();
        match &self.readiness {
            Readiness::Ready => None,
            Readiness::Unfit(_) => Some(match self.table() {
                Some(table) => format!("mend [{table}.settings] in hardpoint.toml"),
                None => format!("mend them with `hardpoint plugin bind {plugin} {} --settings …`", self.name),
            }),
            Readiness::Lacking { secret, audience, .. } => Some(format!(
                "keep it with `hardpoint secrets set {secret} --audience {audience}`, or restart a host that was started \
                 before it stood in hardpoint.toml"
            )),
            Readiness::Pending(_) if self.declared => {
                let table = self.table().unwrap_or("bindings.NAME");
                Some(format!("add it to [{table}.grant] in hardpoint.toml"))
            }
            Readiness::Pending(_) if self.name == plugin => {
                Some(format!("hardpoint plugin grant {plugin}{digest}"))
            }
            Readiness::Pending(_) => {
                Some(format!("hardpoint plugin grant {plugin} --binding {}{digest}", self.name))
            }
        }
    }

    /// Where it stands in the configuration: `bindings.NAME` or `plugins.ID`.
    pub fn table(&self) -> Option<&str> {
        match &self.written.as_ref()?.written {
            Written::Configuration { table, .. } => Some(table),
            Written::Store => None,
        }
    }

    /// Why it is not live, and what to do about it, in one line.
    pub fn obstacle(&self, plugin: &str, digest: Option<&str>) -> Option<String> {
        self.told(plugin, digest, "")
    }

    /// The same of a version that is not here yet: no command knows what it asks for before it is.
    pub fn obstacle_once_published(&self, plugin: &str) -> Option<String> {
        self.told(plugin, None, "publish it, then ")
    }

    fn told(&self, plugin: &str, digest: Option<&str>, before_that: &str) -> Option<String> {
        let (name, remedy) = (&self.name, self.remedy(plugin, digest)?);
        Some(match &self.readiness {
            Readiness::Ready => return None,
            Readiness::Unfit(_) | Readiness::Lacking { .. } => {
                format!("binding {name}: {}; {remedy}", self.readiness.fault().unwrap_or_default())
            }
            Readiness::Pending(missing) if self.declared => {
                format!("binding {name} is not allowed to {}; {remedy}", missing.join(", nor to "))
            }
            Readiness::Pending(missing) => {
                let missing = missing.join(", nor to ");
                format!("binding {name} is not allowed to {missing}; {before_that}allow it with `{remedy}`")
            }
        })
    }

    /// For the runtime.
    pub fn spec(&self, config: &Config, manifest: &Manifest) -> BindingSpec {
        BindingSpec {
            name: self.name.clone(),
            plugin: manifest.id.clone(),
            settings: self.settings.clone(),
            permissions: self.permissions.clone(),
            secrets: self.secrets.clone(),
            limits: config.limits(manifest),
            declared: self.table().filter(|_| self.declared).map(|table| format!("{table}.grant")),
        }
    }
}

/// The bindings of a version.
pub fn plan(config: &Config, arranged: &Arranged, manifest: &Manifest) -> Vec<Planned> {
    let named = arranged.names_of(config, &manifest.id);
    named.into_iter().map(|(name, binding)| one(config, arranged, manifest, name, binding)).collect()
}

/// One binding of a version.
pub(super) fn one(
    config: &Config,
    arranged: &Arranged,
    manifest: &Manifest,
    name: &str,
    binding: Option<&Binding>,
) -> Planned {
    let written =
        binding.map_or_else(|| Value::Object(Map::new()), |binding| Value::Object(binding.settings.clone()));
    let settings = manifest.with_defaults(&written);
    let declared = binding.and_then(|binding| binding.grant.as_ref());
    let mut planned = Planned {
        name: name.to_owned(),
        asked: Permissions::default(),
        permissions: Permissions::default(),
        readiness: Readiness::Ready,
        declared: declared.is_some(),
        written: binding.cloned(),
        warnings: Vec::new(),
        secrets: BTreeMap::new(),
        settings,
    };
    if let Err(reason) = check_settings(manifest, &planned.settings, binding) {
        planned.readiness = Readiness::Unfit(reason);
        return planned;
    }
    match manifest.permissions(&planned.settings) {
        Ok(asked) => planned.asked = asked,
        Err(error) => {
            planned.readiness = Readiness::Unfit(error.reason);
            return planned;
        }
    }
    let granted = arranged
        .grants
        .get(name)
        .filter(|(plugin, _)| *plugin == manifest.id)
        .map(|(_, permissions)| permissions);
    let (permissions, state) = effective(&planned.asked, declared.or(granted));
    planned.permissions = permissions;
    if let GrantState::Pending { missing } = state {
        planned.readiness = Readiness::Pending(missing);
    }
    give_secrets(config, binding, manifest, &mut planned);
    planned.warnings.extend(left_to_exports(manifest, &planned.settings));
    planned
}

/// What an exporter requires and its binding does not say: each export has to.
fn left_to_exports(manifest: &Manifest, settings: &Value) -> Option<String> {
    let required = manifest.settings.as_ref().filter(|_| manifest.kind == Kind::Exporter)?.get("required")?;
    let secrets = manifest.secret_options();
    let left: Vec<String> = required
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| settings.get(*name).is_none() && !secrets.iter().any(|secret| secret == name))
        .map(|name| format!("`{name}`"))
        .collect();
    (!left.is_empty())
        .then(|| format!("every export has to bring {}: no setting says it", left.join(" and ")))
}

/// Puts the configured secrets behind the manifest's names, each only if it may go where it is wanted.
fn give_secrets(config: &Config, binding: Option<&Binding>, manifest: &Manifest, planned: &mut Planned) {
    for wish in &planned.asked.secrets {
        let named = binding.and_then(|binding| binding.secrets.get(&wish.name));
        let configured = named.and_then(|secret| config.secrets.get(secret));
        // Before anything is said of leave: where its audience is not known, it cannot be given either.
        let may_lack = matches!(planned.readiness, Readiness::Ready | Readiness::Pending(_));
        if let (Some(secret), None, true) = (named, configured, may_lack) {
            let (name, audience) = (wish.name.clone(), wish.audience.clone());
            planned.readiness = Readiness::Lacking { name, secret: secret.clone(), audience };
        }
        let warning = match configured {
            Some(secret) if secret.audience == wish.audience => {
                planned
                    .secrets
                    .insert(wish.name.clone(), Secret::new(secret.value.reveal(), wish.audience.clone()));
                continue;
            }
            Some(secret) => misdirected(wish, secret),
            None if wish.optional => continue,
            None => without_secret(wish, manifest, planned),
        };
        planned.warnings.push(warning);
    }
}

/// What is said of a binding's secrets that the plugin cannot do without and that nobody named.
pub(super) fn unnamed_secrets(manifest: &Manifest, planned: &Planned) -> Vec<String> {
    let is_named =
        |name: &String| planned.written.as_ref().is_some_and(|binding| binding.secrets.contains_key(name));
    let unnamed = planned.asked.secrets.iter().filter(|wish| !wish.optional && !is_named(&wish.name));
    unnamed.map(|wish| without_secret(wish, manifest, planned)).collect()
}

/// What is said where nothing stands for a secret that the plugin cannot do without: what fails, and how to name one.
fn without_secret(wish: &SecretRule, manifest: &Manifest, planned: &Planned) -> String {
    let (name, audience, binding) = (&wish.name, &wish.audience, &planned.name);
    let fails = match manifest.kind {
        Kind::Exporter => "exports that do not bring their own will fail",
        _ => "its calls will fail",
    };
    let named = match planned.table() {
        Some(table) => format!("`secrets = {{ {name} = \"NAME\" }}` under [{table}]"),
        None if planned.written.is_some() => {
            format!(
                "`hardpoint plugin bind {} {binding}` with its settings and `--secret {name}=NAME`",
                manifest.id
            )
        }
        None => format!("`hardpoint plugin bind {} --secret {name}=NAME`", manifest.id),
    };
    format!(
        "no secret stands for `{name}`, so {fails}: keep one for \"{audience}\" (`hardpoint secrets set NAME \
         --audience {audience}`, or [secrets.NAME] in hardpoint.toml), and name it by {named}"
    )
}

/// What is said of a secret that may not go where the plugin wants it.
pub(super) fn misdirected(wish: &SecretRule, secret: &ConfiguredSecret) -> String {
    let (name, audience) = (&wish.name, &wish.audience);
    format!("the secret for `{name}` may go to {} only, and is wanted for {audience}", secret.audience)
}

/// Whether the settings fit the manifest's schema; else every misfit, with its line where it is in the file.
/// What an exporter requires may come with each export.
fn check_settings(manifest: &Manifest, settings: &Value, binding: Option<&Binding>) -> Result<(), String> {
    let place = |path: &str| match &binding?.written {
        Written::Configuration { lines, .. } => lines.place(path),
        Written::Store => None,
    };
    let told = |path: &str, reason: &str| {
        let place = place(path).map(|place| format!(" ({place})")).unwrap_or_default();
        if path.is_empty() { format!("{reason}{place}") } else { format!("`{path}`: {reason}{place}") }
    };
    let misfits = unfit(manifest, settings)?;
    if misfits.is_empty() {
        return Ok(());
    }
    let misfits: Vec<String> = misfits.iter().map(|(path, reason)| told(path, reason)).collect();
    Err(format!("the settings do not fit: {}", misfits.join("; ")))
}

/// What keeps settings from fitting a manifest: the member's path with dots, and the reason.
///
/// # Errors
/// If the manifest's schema is none.
pub fn unfit(manifest: &Manifest, settings: &Value) -> Result<Vec<(String, String)>, String> {
    if let Some(name) = manifest.secret_options().into_iter().find(|name| settings.get(name).is_some()) {
        let reason = "is a secret: put it under [secrets] and name it under `secrets`".to_owned();
        return Ok(vec![(name, reason)]);
    }
    let Some(schema) = &manifest.settings else {
        let empty = settings.as_object().is_none_or(Map::is_empty);
        let refused = (String::new(), "the plugin takes no settings".to_owned());
        return Ok(if empty { Vec::new() } else { vec![refused] });
    };
    let mut schema = schema.clone();
    if manifest.kind == Kind::Exporter
        && let Some(object) = schema.as_object_mut()
    {
        object.remove("required");
    }
    misfits(&schema, settings)
}
