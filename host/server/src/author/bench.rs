//! A workbench: one component in a runtime of its own, with all it asks for and secrets that are none.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hardpoint_domain::grant::Permissions;
use hardpoint_domain::limits::Limits;
use hardpoint_domain::manifest::Manifest;
use hardpoint_domain::origin::Origin;
use hardpoint_runtime::egress::EgressConfig;
use hardpoint_runtime::{
    Binding, BindingSpec, CallContext, CompilerCommand, Generation, HostServices, KvBackend, KvError,
    KvSpace, Runtime, RuntimeConfig, Secret, Tape, misfits,
};
use serde_json::{Map, Value};

use crate::system;

/// The organisation on whose behalf everything is tried.
const ORGANIZATION: &str = "workbench";

/// One component, loaded.
pub struct Bench {
    runtime: Runtime,
    generation: Arc<Generation>,
    /// What its `kv` holds.
    pub kv: Arc<MemoryKv>,
}

impl Bench {
    /// Loads a component beside a tape that plays, or listens. Below `home` is what `plugin call` has compiled
    /// already: an author who tries both waits once.
    ///
    /// # Errors
    /// What is wrong with the component.
    pub async fn open(
        component: Bytes,
        home: &Path,
        compiler: CompilerCommand,
        egress: EgressConfig,
        tape: Arc<dyn Tape>,
    ) -> anyhow::Result<Self> {
        let kv = Arc::new(MemoryKv::default());
        let services = HostServices { clock: system::clock(), rng: system::rng(), kv: kv.clone() };
        let config = RuntimeConfig {
            sandboxes: 16,
            egress: EgressConfig { tape: Some(tape), ..egress },
            ..RuntimeConfig::new(home.join("cache"), compiler)
        };
        let runtime = Runtime::new(config, services).context("the sandbox cannot be set up")?;
        let generation =
            runtime.load(component).await.map_err(|error| anyhow!("it cannot be loaded: {error}"))?;
        Ok(Self { runtime, generation, kv })
    }

    /// The component's manifest.
    pub fn manifest(&self) -> &Manifest {
        self.generation.manifest()
    }

    /// Binds the component with these settings, the manifest's defaults for what they leave out, and all that
    /// it asks for. Secrets are what `secret` says.
    ///
    /// # Errors
    /// Settings that do not fit.
    pub fn bind(
        &self,
        settings: &Map<String, Value>,
        secret: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Arc<Binding>> {
        let manifest = self.manifest();
        // As a server binds it.
        let settings = manifest.with_defaults(&Value::Object(settings.clone()));
        if let Some(schema) = &manifest.settings
            && let Some((path, reason)) =
                misfits(schema, &settings).map_err(anyhow::Error::msg)?.into_iter().next()
        {
            return Err(anyhow!("the settings do not fit: `{path}`: {reason}"));
        }
        let permissions = manifest
            .permissions(&settings)
            .map_err(|error| anyhow!("the settings do not fit: {}", error.reason))?;
        let secrets = secrets(&permissions, secret);
        let limits =
            Limits::resolve(manifest.kind, &manifest.limits, &Limits::default_ceiling(manifest.kind));
        let name = manifest.id.clone();
        let spec = BindingSpec {
            name: name.clone(),
            plugin: name.clone(),
            settings,
            permissions,
            secrets,
            limits,
            declared: None,
        };
        // Bound anew each time, so that nothing of an earlier trial is left.
        self.runtime.publish(vec![Arc::clone(&self.generation)], Vec::new());
        self.runtime.publish(vec![Arc::clone(&self.generation)], vec![spec]);
        self.runtime.snapshot().binding(&name).cloned().context("it was bound and is not there")
    }

    /// On whose behalf a trial is made.
    pub fn context() -> CallContext {
        CallContext { request_id: "workbench".to_owned(), organization: ORGANIZATION.to_owned() }
    }
}

fn secrets(permissions: &Permissions, value: impl Fn(&str) -> Option<String>) -> BTreeMap<String, Secret> {
    let given = permissions.secrets.iter().filter_map(|rule| {
        let audience: Origin = rule.audience.clone();
        value(&rule.name).map(|text| (rule.name.clone(), Secret::new(text, audience)))
    });
    given.collect()
}

/// Values in memory.
#[derive(Debug, Default)]
pub struct MemoryKv(Mutex<BTreeMap<String, Vec<u8>>>);

impl MemoryKv {
    /// Puts these in the place of all others.
    pub fn replace(&self, values: impl IntoIterator<Item = (String, Vec<u8>)>) {
        *self.values() = values.into_iter().collect();
    }

    fn values(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KvBackend for MemoryKv {
    fn get<'a>(&'a self, _: KvSpace<'a>, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, KvError>> {
        Box::pin(std::future::ready(Ok(self.values().get(key).cloned())))
    }

    fn set<'a>(&'a self, _: KvSpace<'a>, key: &'a str, value: Vec<u8>) -> BoxFuture<'a, Result<(), KvError>> {
        self.values().insert(key.to_owned(), value);
        Box::pin(std::future::ready(Ok(())))
    }

    fn delete<'a>(&'a self, _: KvSpace<'a>, key: &'a str) -> BoxFuture<'a, Result<(), KvError>> {
        self.values().remove(key);
        Box::pin(std::future::ready(Ok(())))
    }

    fn keys<'a>(
        &'a self,
        _: KvSpace<'a>,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<String>, KvError>> {
        let fits = |key: &&String| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
        let keys = self.values().keys().filter(fits).take(limit as usize).cloned().collect();
        Box::pin(std::future::ready(Ok(keys)))
    }
}
