//! What the configuration says of plugins, judged by the plugins that are there: as `hardpoint config check`
//! reports it, and a host when it starts.

use std::collections::{BTreeMap, BTreeSet};

use hardpoint_domain::grant::Permissions;
use hardpoint_domain::manifest::{Kind, Manifest};
use hardpoint_domain::model::Model;
use hardpoint_domain::reach::Reach;
use hardpoint_runtime::Inspection;
use hardpoint_store::plugins::{self, Plugin, State};
use hardpoint_store::{Store, StoreError, organizations};

use super::arranged::Arranged;
use super::near::{but, near};
use super::plan::{Planned, Readiness, misdirected, plan, unfit, unnamed_secrets};
use crate::config::{Binding, Config, DeclaredPlugin, Problem, Written};
use crate::service::models::with_fallbacks;
use crate::worker::reload::decide::{meant, named};

mod names;

/// What is there already.
#[derive(Debug, Default)]
pub struct Known {
    /// What judges settings.
    judges: Vec<Judge>,
    /// Every version that was not removed: the plugin's id and its digest.
    versions: BTreeSet<(String, String)>,
    /// Versions that were: their files may still lie in the folder.
    removed: BTreeSet<(String, String)>,
    /// By plugin.
    kinds: BTreeMap<String, Kind>,
    /// Organisations that the configuration names and the store knows.
    organizations: BTreeSet<String>,
    /// Those that an operator paused.
    paused: BTreeSet<String>,
    arranged: Arranged,
}

/// What a version asks for.
#[derive(Debug)]
struct Judge {
    manifest: Manifest,
    /// The digest that a command about it has to name, where without it another one would be meant.
    named: Option<String>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Review {
    /// What keeps the host from doing what is written.
    pub problems: Vec<Problem>,
    /// What is about something that may come later.
    pub warnings: Vec<Problem>,
}

impl Known {
    /// What the store holds.
    ///
    /// # Errors
    /// The store's.
    pub async fn read(store: &Store, config: &Config) -> Result<Self, StoreError> {
        let mut conn = store.read().await?;
        let mut known = Self { arranged: Arranged::read(&mut conn).await?, ..Self::default() };
        for versions in plugins::list(&mut conn).await?.chunk_by(|one, next| one.id == next.id) {
            known.add_stored(versions);
        }
        let named = config.declared.values().filter_map(|declared| declared.reach.as_ref());
        for organization in named.flat_map(|reach| &reach.except) {
            if organizations::get(&mut conn, organization).await?.is_some() {
                known.organizations.insert(organization.clone());
            }
        }
        Ok(known)
    }

    /// Adds the versions of one plugin, newest first. The one that serves judges settings, or else the one that a
    /// command means.
    fn add_stored(&mut self, versions: &[Plugin]) {
        for row in versions {
            let known = if row.state == State::Removed { &mut self.removed } else { &mut self.versions };
            known.insert((row.id.clone(), row.digest.clone()));
        }
        self.paused.extend(versions.iter().find(|row| row.state == State::Paused).map(|row| row.id.clone()));
        let serving = versions.iter().find(|row| matches!(row.state, State::Active | State::Paused));
        let coming = || meant(versions).filter(|row| row.state != State::Rejected);
        let judge = serving.or_else(coming);
        self.judges.extend(judge.and_then(|row| {
            let manifest = Manifest::from_toml(&row.manifest).ok()?;
            Some(Judge { manifest, named: named(versions, row).map(str::to_owned) })
        }));
        let there = judge.or_else(|| versions.iter().find(|row| row.state != State::Removed));
        self.kinds.extend(there.map(|row| (row.id.clone(), row.kind)));
    }

    /// Adds a component of the folder. No host has looked at it yet, unless it was removed since: then none does.
    pub fn add(&mut self, component: Inspection) {
        let Inspection { manifest, digest, .. } = component;
        let version = (manifest.id.clone(), digest);
        if self.removed.contains(&version) {
            return;
        }
        self.kinds.insert(manifest.id.clone(), manifest.kind);
        // Another one may wait, and be meant.
        let is_alone = self.versions.iter().all(|other| other.0 != version.0 || *other == version);
        let named = (!is_alone).then(|| version.1.clone());
        self.versions.insert(version);
        if !self.judges.iter().any(|judge| judge.manifest == manifest) {
            self.judges.push(Judge { manifest, named });
        }
    }

    /// Judges the configuration.
    pub fn review(&self, config: &Config) -> Review {
        let mut review = Review::default();
        for Judge { manifest, named } in &self.judges {
            for planned in plan(config, &self.arranged, manifest) {
                review.problems.extend(misfits(config, manifest, &planned));
                review.problems.extend(secrets(config, manifest, &planned));
                review.warnings.extend(waits(config, manifest, &planned, named.as_deref()));
                review.warnings.extend(withheld(config, manifest, &planned));
                review.warnings.extend(unnamed(config, manifest, &planned));
            }
        }
        for (name, binding) in &config.bindings {
            review.warnings.extend(self.unasked(config, name, binding));
        }
        self.judge_models(config, &mut review);
        for (name, binding) in &config.bindings {
            let plugin = binding.plugin.as_str();
            if matches!(&binding.written, Written::Configuration { table, .. } if table.starts_with("bindings."))
                && !self.kinds.contains_key(plugin)
            {
                review.warnings.push(config.problem(format!("bindings.{name}.plugin"), self.absent(plugin)));
            }
        }
        for (id, declared) in &config.declared {
            self.judge(config, id, declared, &mut review);
        }
        review
    }

    /// What a binding's grant allows and no version of its plugin that is here asks for.
    fn unasked(&self, config: &Config, name: &str, binding: &Binding) -> Vec<Problem> {
        let (Some(grant), Written::Configuration { table, .. }) = (&binding.grant, &binding.written) else {
            return Vec::new();
        };
        let plugin = binding.plugin.as_str();
        let of_it = self.judges.iter().map(|judge| &judge.manifest).filter(|manifest| manifest.id == plugin);
        let planned: Vec<(&Manifest, Planned)> = of_it
            .flat_map(|manifest| {
                plan(config, &self.arranged, manifest).into_iter().map(move |one| (manifest, one))
            })
            .filter(|(_, planned)| planned.name == name)
            .collect();
        let may_be_asked = |one: &GrantedItem| {
            planned.iter().any(|(manifest, planned)| {
                // What no setting says yet, an export may.
                let is_open = one.is_http() && planned.asked.http.len() < manifest.http.len();
                let is_judged = !matches!(planned.readiness, Readiness::Unfit(_));
                is_open || !is_judged || !planned.asked.intersect(&one.permissions).is_empty()
            })
        };
        if planned.is_empty() {
            return Vec::new();
        }
        let unasked = granted_items(grant).into_iter().filter(|one| !may_be_asked(one));
        unasked
            .map(|GrantedItem { key, permissions }| {
                let what = permissions.describe().join(", ");
                let message = format!("plugin {plugin} never asks to {what}, so this changes nothing");
                config.problem(format!("{table}.grant.{key}"), message)
            })
            .collect()
    }

    /// Models that nobody answers, because this plugin and those of their fallbacks are switched off.
    fn silenced<'a>(&'a self, config: &'a Config, id: &'a str) -> impl Iterator<Item = &'a str> {
        let plugin_of = |model: &'a Model| self.plugin_behind(config, &model.binding);
        let is_off = move |model: &'a Model| self.off(config, plugin_of(model)).is_some();
        let models = config
            .models
            .iter()
            .filter(move |model| plugin_of(model) == id && with_fallbacks(&config.models, model).all(is_off));
        models.map(|model| model.id.as_str())
    }

    fn absent(&self, id: &str) -> String {
        format!("there is no plugin `{id}` here yet{}", but(&near(id, self.kinds.keys().map(String::as_str))))
    }

    /// What is declared of one plugin.
    fn judge(&self, config: &Config, id: &str, declared: &DeclaredPlugin, review: &mut Review) {
        let key = |member: &str| format!("plugins.{id}.{member}");
        let kind = self.kinds.get(id).copied();
        if kind.is_none() {
            review.warnings.push(config.problem(format!("plugins.{id}"), self.absent(id)));
        } else if let Some(digest) = &declared.digest
            && !self.versions.contains(&(id.to_owned(), digest.clone()))
        {
            let message = format!("no version of `{id}` that is here has this digest, so none of it serves");
            review.warnings.push(config.problem(key("digest"), message));
        }
        let is_open = |reach: &Reach| reach.others || !reach.except.is_empty();
        let closing = match &declared.reach {
            _ if !declared.enabled => Some("enabled"),
            Some(reach) if !is_open(reach) => Some("organizations"),
            _ => None,
        };
        for (closing, model) in
            closing.into_iter().flat_map(|key| self.silenced(config, id).map(move |m| (key, m)))
        {
            let message = format!("nobody answers for model `{model}`: nothing else serves it");
            review.warnings.push(config.problem(key(closing), message));
        }
        let named = declared.reach.iter().flat_map(|reach| &reach.except);
        for stranger in named.filter(|named| !self.organizations.contains(*named)) {
            let message = format!("there is no organisation `{stranger}` here yet");
            review.warnings.push(config.problem(key("organizations"), message));
        }
        if let Some(kind) = kind {
            let ceiling = config.plugins.ceilings.of(kind);
            let kind = word(kind);
            for (name, named, most) in ceiling.exceeded(&declared.limits) {
                let message = match most {
                    Some(most) => format!(
                        "{named} changes nothing: plugins of kind {kind} may have {most} at most; raise it under [plugins.ceilings.{kind}]"
                    ),
                    None => format!("changes nothing: plugins of kind {kind} have no such limit"),
                };
                review.problems.push(config.problem(key(&format!("limits.{name}")), message));
            }
        }
    }
}

fn word(kind: Kind) -> String {
    format!("{kind:?}").to_lowercase()
}

/// What is wrong with the secrets of a binding that stands in the configuration: those that the plugin does not
/// ask for, and those that may not go where it wants them.
fn secrets(config: &Config, manifest: &Manifest, planned: &Planned) -> Vec<Problem> {
    let (Some(table), Some(binding)) = (planned.table(), &planned.written) else { return Vec::new() };
    let wrong = |(name, secret): (&String, &String)| {
        let message = if !manifest.secret.iter().any(|wish| wish.name == *name) {
            let known: Vec<&str> = manifest.secret.iter().map(|wish| wish.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!("plugin {} {} asks for no such secret, but for {known}", manifest.id, manifest.version)
        } else {
            let wish = planned.asked.secrets.iter().find(|wish| wish.name == *name)?;
            let secret = config.secrets.get(secret).filter(|secret| secret.audience != wish.audience)?;
            misdirected(wish, secret)
        };
        Some(config.problem(format!("{table}.secrets.{name}"), message))
    };
    binding.secrets.iter().filter_map(wrong).collect()
}

/// One thing that a grant in the configuration allows.
struct GrantedItem {
    /// `http.0`, `kv`.
    key: String,
    /// It alone.
    permissions: Permissions,
}

impl GrantedItem {
    fn is_http(&self) -> bool {
        !self.permissions.http.is_empty()
    }
}

/// What a grant allows, one by one, but for secrets: those that a plugin does not ask for are problems already.
fn granted_items(grant: &Permissions) -> Vec<GrantedItem> {
    let nothing = Permissions::default;
    let http = grant.http.iter().enumerate().map(|(at, rule)| GrantedItem {
        key: format!("http.{at}"),
        permissions: Permissions { http: vec![rule.clone()], ..nothing() },
    });
    let flags = [
        ("kv", Permissions { kv: grant.kv, ..nothing() }),
        ("index", Permissions { index: grant.index, ..nothing() }),
        ("embed", Permissions { embed: grant.embed, ..nothing() }),
        ("scratch", Permissions { scratch: grant.scratch, ..nothing() }),
    ];
    let flags = flags.into_iter().filter(|(_, permissions)| !permissions.is_empty());
    http.chain(flags.map(|(key, permissions)| GrantedItem { key: key.to_owned(), permissions })).collect()
}

/// What a binding of the configuration waits for: what its grant there leaves out, which nobody can allow by command,
/// or what nobody allowed where it has none.
fn waits(config: &Config, manifest: &Manifest, planned: &Planned, named: Option<&str>) -> Option<Problem> {
    let (Some(table), Readiness::Pending(missing)) = (planned.table(), &planned.readiness) else {
        return None;
    };
    let (id, version, missing) = (&manifest.id, &manifest.version, missing.join(", nor to "));
    let waits = format!("plugin {id} {version} waits: it is not allowed to {missing}");
    if planned.declared {
        return Some(config.problem(format!("{table}.grant"), format!("{waits}; add it here")));
    }
    // One that is switched off waits for nothing.
    let remedy = planned.remedy(id, named).filter(|_| config.declared_off(id).is_none())?;
    Some(config.problem(table, format!("{waits}; allow it with `{remedy}`, or under [{table}.grant]")))
}

/// Secrets that a binding of the configuration names and its grant there leaves out: a plugin that can do without
/// them serves, and fails once it wants one.
fn withheld(config: &Config, manifest: &Manifest, planned: &Planned) -> Vec<Problem> {
    let (Some(table), Some(binding), true) = (planned.table(), &planned.written, planned.declared) else {
        return Vec::new();
    };
    if planned.readiness != Readiness::Ready {
        return Vec::new();
    }
    let is_granted = |name: &String| planned.permissions.secrets.iter().any(|granted| granted.name == *name);
    let is_asked = |name: &String| manifest.secret.iter().any(|wish| wish.name == *name);
    let names = binding.secrets.keys().filter(|name| is_asked(name) && !is_granted(name));
    names
        .map(|name| {
            let message = format!(
                "plugin {} may not use the secret `{name}`, which is named above; add it here",
                manifest.id
            );
            config.problem(format!("{table}.grant.secrets"), message)
        })
        .collect()
}

/// Secrets that a binding of the configuration needs and does not name: it serves, and its calls fail.
fn unnamed(config: &Config, manifest: &Manifest, planned: &Planned) -> Vec<Problem> {
    let Some(table) = planned.table().filter(|_| config.declared_off(&manifest.id).is_none()) else {
        return Vec::new();
    };
    let told = unnamed_secrets(manifest, planned).into_iter();
    told.map(|message| config.problem(format!("{table}.secrets"), message)).collect()
}

/// What is wrong with the settings of a binding that stands in the configuration.
fn misfits(config: &Config, manifest: &Manifest, planned: &Planned) -> Vec<Problem> {
    let (Some(table), Readiness::Unfit(reason)) = (planned.table(), &planned.readiness) else {
        return Vec::new();
    };
    let (id, version) = (&manifest.id, &manifest.version);
    let problem = |path: &str, reason: &str| {
        let dot = if path.is_empty() { "" } else { "." };
        config.problem(format!("{table}.settings{dot}{path}"), format!("for plugin {id} {version}, {reason}"))
    };
    match unfit(manifest, &planned.settings) {
        Ok(misfits) if !misfits.is_empty() => {
            misfits.iter().map(|(path, reason)| problem(path, reason)).collect()
        }
        _ => vec![problem("", reason)],
    }
}
