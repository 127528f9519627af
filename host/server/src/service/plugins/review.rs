//! What the configuration says of plugins, judged by the plugins that are there: as `hardpoint config check`
//! reports it, and a host when it starts.

use std::collections::{BTreeMap, BTreeSet};

use hardpoint_domain::manifest::{Kind, Manifest};
use hardpoint_runtime::Inspection;
use hardpoint_store::plugins::{self, State};
use hardpoint_store::{Store, StoreError, organizations};

use super::arranged::Arranged;
use super::plan::{Planned, Readiness, plan, unfit};
use crate::config::{Config, DeclaredPlugin, Problem, Written};

/// What is there already.
#[derive(Debug, Default)]
pub struct Known {
    /// What judges settings.
    manifests: Vec<Manifest>,
    /// Every version, whatever its state: the plugin's id and its digest.
    versions: BTreeSet<(String, String)>,
    /// By plugin.
    kinds: BTreeMap<String, Kind>,
    /// Organisations that the configuration names and the store does not know.
    strangers: BTreeSet<String>,
    arranged: Arranged,
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
        for row in plugins::list(&mut conn).await?.into_iter().filter(|row| row.state != State::Removed) {
            if matches!(row.state, State::Active | State::Paused) {
                known.manifests.extend(Manifest::from_toml(&row.manifest).ok());
            }
            known.kinds.insert(row.id.clone(), row.kind);
            known.versions.insert((row.id, row.digest));
        }
        let named = config.declared.values().filter_map(|declared| declared.reach.as_ref());
        for organization in named.flat_map(|reach| &reach.except) {
            if organizations::get(&mut conn, organization).await?.is_none() {
                known.strangers.insert(organization.clone());
            }
        }
        Ok(known)
    }

    /// Adds a component that no host has looked at yet.
    pub fn add(&mut self, component: Inspection) {
        let Inspection { manifest, digest, .. } = component;
        self.kinds.insert(manifest.id.clone(), manifest.kind);
        self.versions.insert((manifest.id.clone(), digest));
        if !self.manifests.contains(&manifest) {
            self.manifests.push(manifest);
        }
    }

    /// Judges the configuration.
    pub fn review(&self, config: &Config) -> Review {
        let mut review = Review::default();
        let ids = self.kinds.keys().cloned();
        review.problems.extend(config.unbound(&ids.chain(self.arranged.names()).collect()));
        for manifest in &self.manifests {
            for planned in plan(config, &self.arranged, manifest) {
                review.problems.extend(misfits(config, manifest, &planned));
            }
        }
        for (name, binding) in &config.bindings {
            let plugin = binding.plugin.as_str();
            if matches!(&binding.written, Written::Configuration { table, .. } if table.starts_with("bindings."))
                && !self.kinds.contains_key(plugin)
            {
                review.warnings.push(config.problem(format!("bindings.{name}.plugin"), absent(plugin)));
            }
        }
        for (id, declared) in &config.declared {
            self.judge(config, id, declared, &mut review);
        }
        review
    }

    /// What is declared of one plugin.
    fn judge(&self, config: &Config, id: &str, declared: &DeclaredPlugin, review: &mut Review) {
        let key = |member: &str| format!("plugins.{id}.{member}");
        let kind = self.kinds.get(id).copied();
        if kind.is_none() {
            review.warnings.push(config.problem(format!("plugins.{id}"), absent(id)));
        } else if let Some(digest) = &declared.digest
            && !self.versions.contains(&(id.to_owned(), digest.clone()))
        {
            let message = format!("no version of `{id}` that is here has this digest, so none of it serves");
            review.warnings.push(config.problem(key("digest"), message));
        }
        for stranger in declared.reach.iter().flat_map(|reach| &reach.except) {
            if self.strangers.contains(stranger) {
                let message = format!("there is no organisation `{stranger}`");
                review.problems.push(config.problem(key("organizations"), message));
            }
        }
        if let Some(kind) = kind {
            let ceiling = config.plugins.ceilings.of(kind);
            let kind = format!("{kind:?}").to_lowercase();
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

fn absent(id: &str) -> String {
    format!("there is no plugin `{id}` here yet")
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
