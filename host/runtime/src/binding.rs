//! A generation with settings, permissions and secrets: a model's upstream, a destination, a tool.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::grant::Permissions;
use hardpoint_domain::limits::Limits;
use hardpoint_domain::manifest::{InstanceMode, Kind};
use hardpoint_domain::origin::Origin;
use hardpoint_domain::time::Timestamp;
use tokio::sync::OnceCell;

use crate::breaker::{Breaker, Trial};
use crate::door::Door;
use crate::egress::Holder;
use crate::error::Fault;
use crate::generation::Generation;
use crate::knowledge::KnowledgeCall;
use crate::log::{CallLog, LogLevel};
use crate::permits::{Permit, Places};
use crate::sandbox::{CallContext, CallState, Sandbox};
use crate::secret::{Secret, SecretSet};
use crate::stats::{LastError, Stats};
use crate::tool::ToolDescription;

/// Warm sandboxes kept for one binding, over all organisations.
const WARM_SANDBOXES: usize = 16;

/// What the server decides about a binding.
#[derive(Debug, Clone, PartialEq)]
pub struct BindingSpec {
    /// Its name; unique.
    pub name: String,
    /// The plugin's id.
    pub plugin: String,
    /// A JSON object, valid by the manifest's schema.
    pub settings: serde_json::Value,
    /// What the manifest asks ∩ what the operator allowed.
    pub permissions: Permissions,
    /// By the names that the manifest uses.
    pub secrets: BTreeMap<String, Secret>,
    /// Resolved limits.
    pub limits: Limits,
    /// Where the configuration says what it may do, if it does: then nothing widens that, not even for one
    /// call.
    pub declared: Option<String>,
}

/// A binding as it is live.
pub struct Binding {
    pub(crate) spec: BindingSpec,
    pub(crate) settings_text: String,
    pub(crate) limits: Limits,
    pub(crate) generation: Arc<Generation>,
    pub(crate) secrets: Arc<SecretSet>,
    breaker: Arc<Breaker>,
    places: Arc<Places>,
    door: Arc<Door>,
    /// None once the binding was replaced.
    warm: Mutex<Option<Vec<(String, Sandbox)>>>,
    /// Of a tool, once it was asked.
    pub(crate) description: OnceCell<ToolDescription>,
}

impl Binding {
    /// One that is live, as far as its plugin is open.
    pub(crate) fn new(spec: BindingSpec, generation: Arc<Generation>, places: Arc<Places>) -> Self {
        let door = Arc::clone(&generation.shared.door);
        Self::behind(door, spec, generation, places)
    }

    /// One that the host asks something by itself: open whomever its plugin is closed to.
    pub(crate) fn aside(spec: BindingSpec, generation: Arc<Generation>) -> Self {
        let places = Arc::new(Places::new(&spec.limits));
        Self::behind(Arc::default(), spec, generation, places)
    }

    fn behind(door: Arc<Door>, spec: BindingSpec, generation: Arc<Generation>, places: Arc<Places>) -> Self {
        Self {
            settings_text: spec.settings.to_string(),
            limits: spec.limits.clone(),
            secrets: Arc::new(SecretSet::new(spec.secrets.clone())),
            spec,
            generation,
            breaker: Arc::default(),
            places,
            door,
            warm: Mutex::new(Some(Vec::new())),
            description: OnceCell::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The version of the plugin that serves it.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// What kind of plugin it binds.
    pub fn kind(&self) -> Kind {
        self.generation.manifest().kind
    }

    /// What it may do.
    pub fn permissions(&self) -> &Permissions {
        &self.spec.permissions
    }

    /// The limits of its calls.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Its settings.
    pub fn settings(&self) -> &serde_json::Value {
        &self.spec.settings
    }

    /// Where a secret of its own may be sent; none where none stands for the name.
    pub fn secret_audience(&self, name: &str) -> Option<&Origin> {
        self.spec.secrets.get(name).map(Secret::audience)
    }

    /// Where the configuration says what it may do, if it does.
    pub fn declared(&self) -> Option<&str> {
        self.spec.declared.as_deref()
    }

    /// As refusals name it.
    pub(crate) fn holder(&self) -> Holder<'_> {
        Holder { binding: self.name(), plugin: &self.spec.plugin, declared: self.declared() }
    }

    /// Whether its plugin is open to this organisation at the moment.
    pub fn admits(&self, organization: &str) -> bool {
        self.door.admits(organization)
    }

    /// Whether its breaker refuses calls at the moment.
    pub fn is_broken(&self) -> bool {
        self.paused_until().is_some()
    }

    /// Until when its breaker refuses some organisation's calls; none where it refuses nobody's.
    pub fn paused_until(&self) -> Option<Timestamp> {
        self.breaker.open_until(self.generation.host.services.clock.now())
    }

    /// `id@version`, for headers and records.
    pub fn plugin_version(&self) -> String {
        let manifest = self.generation.manifest();
        format!("{}@{}", manifest.id, manifest.version)
    }

    /// A sandbox for one call or exchange: from the warm pool where the manifest asks for one, else fresh.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        context: CallContext,
        secrets: Arc<SecretSet>,
    ) -> Result<Sandbox, Failure> {
        let trial = self.admit(&context)?;
        let permit = self.places.calls.acquire(&context.organization).await?;
        if let Some(mut sandbox) = self.checkout(&context.organization) {
            sandbox.renew(context, secrets, permit, trial);
            return Ok(sandbox);
        }
        let called = context.clone();
        let mut state = CallState::new(Arc::clone(self), context, secrets);
        state.trial = trial;
        self.fresh(state, permit).await.map_err(|fault| self.blame(fault, &called))
    }

    /// A fresh sandbox for one search or removal of a retriever.
    pub(crate) async fn enter_to_search(
        self: &Arc<Self>,
        context: CallContext,
        knowledge: KnowledgeCall,
    ) -> Result<Sandbox, Failure> {
        let trial = self.admit(&context)?;
        let permit = self.places.searches.acquire(&context.organization).await?;
        let called = context.clone();
        let mut state = self.state(self.limits.searching(), context, knowledge);
        state.trial = trial;
        self.fresh(state, permit).await.map_err(|fault| self.blame(fault, &called))
    }

    /// A fresh sandbox for one ingestion of a retriever. No breaker is asked, and none learns what comes of it: what
    /// makes a parser fail is the document, and five that are broken must not end an organisation's searches.
    pub(crate) async fn enter_to_ingest(
        self: &Arc<Self>,
        context: CallContext,
        knowledge: KnowledgeCall,
    ) -> Result<Sandbox, Failure> {
        if !self.admits(&context.organization) {
            return Err(self.closed());
        }
        let permit = self.places.calls.acquire(&context.organization).await?;
        let called = context.clone();
        let state = self.state(self.limits.clone(), context, knowledge);
        self.fresh(state, permit).await.map_err(|fault| self.note_fault(fault, &called))
    }

    /// Whether the plugin is open to the caller, and its breaker lets the call through.
    fn admit(&self, context: &CallContext) -> Result<Option<Trial>, Failure> {
        if !self.admits(&context.organization) {
            return Err(self.closed());
        }
        let now = self.generation.host.services.clock.now();
        let admitted = self.breaker.admit(&context.organization, &context.request_id, now);
        admitted.map_err(|pause| self.broken(pause))
    }

    fn state(self: &Arc<Self>, limits: Limits, context: CallContext, knowledge: KnowledgeCall) -> CallState {
        let secrets = Arc::clone(&self.secrets);
        let mut state = CallState::within(limits, Arc::clone(self), context, secrets);
        state.knowledge = Some(knowledge);
        state
    }

    async fn fresh(&self, mut state: CallState, permit: Permit) -> Result<Sandbox, Fault> {
        state.prepare_scratch()?;
        Sandbox::open(&self.generation.host.engine, state, Some(permit)).await
    }

    /// A call or an exchange went well, as far as the sandbox goes: the organisation's breaker learns of it.
    pub(crate) fn served(&self, organization: &str) {
        self.breaker.succeeded(organization);
    }

    /// The end of a tool's call that went well: a warm sandbox goes back to its pool, unless its memory has filled
    /// up so far that a later call could fail for what earlier ones left behind. State machines are never kept: what
    /// their last exchange left behind would stay in their memory.
    pub(crate) fn leave(&self, mut sandbox: Sandbox) {
        let organization = sandbox.state().context.organization.clone();
        self.served(&organization);
        if self.generation.manifest().instance != InstanceMode::Warm || !sandbox.state().limiter.has_room() {
            return;
        }
        sandbox.rest();
        // A closed pool takes nothing: the binding was replaced while this call was under way.
        let mut pool = self.pool();
        let Some(warm) = pool.as_mut() else { return };
        if warm.len() >= WARM_SANDBOXES {
            warm.remove(0);
        }
        warm.push((organization, sandbox));
    }

    /// The plugin's own verdict that it cannot do what was asked: counted, and no fault of its sandbox.
    pub(crate) fn failed(&self, failure: Failure, context: &CallContext) -> Failure {
        self.note(failure.kind.as_str(), &failure.message, context, Stats::failed);
        failure
    }

    fn note(&self, cause: &str, message: &str, context: &CallContext, into: fn(&Stats, LastError)) {
        let error = LastError {
            time: self.generation.host.services.clock.now(),
            request_id: context.request_id.clone(),
            cause: cause.to_owned(),
            message: self.secrets.redact_text(message).into_owned(),
        };
        into(&self.generation.shared.stats, error);
    }

    /// The end of a call that the sandbox stopped: counted, logged, told to the breaker.
    pub(crate) fn blame(&self, fault: Fault, context: &CallContext) -> Failure {
        let now = self.generation.host.services.clock.now();
        if fault.is_the_plugins() {
            self.breaker.faulted(&context.organization, &context.request_id, now);
        }
        self.note_fault(fault, context)
    }

    /// The same without the breaker.
    pub(crate) fn note_fault(&self, fault: Fault, context: &CallContext) -> Failure {
        self.note(fault.cause(), &fault.to_string(), context, Stats::faulted);
        let log = CallLog::new(
            Arc::clone(&self.generation),
            context.request_id.clone(),
            Arc::clone(&self.secrets),
            self.limits.log,
        );
        log.write(LogLevel::Error, &format!("stopped: {fault}"));
        fault.into_failure(&self.generation.manifest().id)
    }

    /// Gives the sandbox of a call back, or throws it away and names the fault.
    pub(crate) fn end<T>(
        &self,
        sandbox: Sandbox,
        outcome: Result<wasmtime::Result<T>, Fault>,
        context: &CallContext,
    ) -> Result<T, Failure> {
        match sandbox.settle(outcome) {
            Ok(answer) => {
                self.leave(sandbox);
                Ok(answer)
            }
            Err(fault) => {
                drop(sandbox);
                Err(self.blame(fault, context))
            }
        }
    }

    /// Throws the warm sandboxes away and keeps none from now on; called when the binding is replaced.
    pub(crate) fn cool(&self) {
        // Dropped outside the lock: a sandbox holds its binding.
        let warm = self.pool().take();
        drop(warm);
    }

    fn checkout(&self, organization: &str) -> Option<Sandbox> {
        if self.generation.manifest().instance != InstanceMode::Warm {
            return None;
        }
        let mut pool = self.pool();
        let warm = pool.as_mut()?;
        let found = warm.iter().rposition(|(owner, _)| owner == organization)?;
        Some(warm.swap_remove(found).1)
    }

    /// Services do not offer it to those whom it does not serve; this is for the one that forgets to ask.
    fn closed(&self) -> Failure {
        let message = format!("plugin {} is not enabled for this organisation", self.spec.plugin);
        Failure::new(FailureKind::Denied, message)
    }

    fn broken(&self, pause: std::time::Duration) -> Failure {
        let message = format!(
            "binding {} is paused after repeated faults of plugin {}: see `hardpoint plugin inspect {}`",
            self.spec.name, self.spec.plugin, self.spec.plugin
        );
        let mut failure = Failure::new(FailureKind::Paused, message);
        failure.retry_after = Some(pause);
        failure
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Option<Vec<(String, Sandbox)>>> {
        self.warm.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} -> {:?}", self.spec.name, self.generation)
    }
}
