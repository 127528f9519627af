//! Whatever is published, granted, revoked, rolled back, paused and removed, in whatever order: what a live
//! binding may do is never more than what the version that serves asks for, nor than what an operator has
//! allowed and not taken back. What was allowed is kept here in sets of single requests, apart from the desk. And
//! what an operator went back to serves until somebody decides otherwise, whatever waits, whichever file goes and
//! whatever is tried again after a start; of two hosts, neither takes away what the other published, and no file that
//! goes takes the place of what came otherwise from it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use hardpoint_domain::grant::Permissions;
use hardpoint_domain::manifest::{Kind, Manifest};
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_store::plugins::{self, NewPlugin, Plugin, Source, State};
use hardpoint_store::{Durability, Lane, Store, StoreConfig, StoreError};
use proptest::prelude::*;
use proptest::test_runner::{TestRng, TestRunner};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::{Change, Decision, Loaded, candidate, decide, specs};
use crate::config::{Config, Sources};
use crate::service::events::Author;
use crate::service::plugins::bind::NewBinding;
use crate::service::plugins::plan::{Planned, plan};
use crate::service::plugins::{Desk, DeskError, is_revoked};
use crate::worker::reload::carry_out::carry_out;

mod folders;
mod races;

const ID: &str = "any";

/// One thing that some binding may do: a request, a secret at an address, a flag.
type Power = String;

/// What a version may ask for.
const WISHES: [&str; 8] = [
    "[[http]]\nhost = \"{settings.base}\"\n",
    "[[http]]\nhost = \"{settings.base}\"\nmethods = [\"GET\", \"POST\"]\npath = \"/x\"\n",
    "[[http]]\nhost = \"*.a.test\"\nmethods = [\"DELETE\", \"GET\"]\n",
    "[[http]]\nhost = \"d.test\"\npath = \"/v1\"\nmethods = [\"POST\"]\n",
    "[[secret]]\nname = \"k\"\naudience = \"{settings.base}\"\noptional = true\n",
    "[[secret]]\nname = \"l\"\naudience = \"https://d.test\"\n",
    "kv = true\n",
    "scratch = true\n",
];

/// The same requests for every permission there is.
fn requests() -> Vec<(&'static str, Url)> {
    let hosts = ["a.test", "b.a.test", "c.b.a.test", "d.test", "e.test"];
    let urls = hosts.iter().flat_map(|host| {
        ["/", "/v1", "/v1/x", "/x"].map(|path| Url::parse(&format!("https://{host}{path}")).unwrap())
    });
    urls.flat_map(|url| ["GET", "POST", "DELETE"].map(|method| (method, url.clone()))).collect()
}

fn powers(permissions: &Permissions) -> BTreeSet<Power> {
    let requests = requests().into_iter().filter(|(method, url)| permissions.permits(method, url).is_ok());
    let requests = requests.map(|(method, url)| format!("{method} {url}"));
    let secrets = permissions.secrets.iter().map(|secret| format!("{} to {}", secret.name, secret.audience));
    let flags = [("kv", permissions.kv), ("scratch", permissions.scratch)];
    let flags = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned());
    requests.chain(secrets).chain(flags).collect()
}

/// Bytes that somebody might publish.
#[derive(Clone, Debug)]
struct Bytes {
    digest: String,
    version: &'static str,
    manifest: String,
}

impl Bytes {
    fn new(number: usize, version: &'static str, asks: &[&str]) -> Self {
        let (flags, tables): (Vec<&str>, Vec<&str>) = asks.iter().partition(|wish| !wish.starts_with('['));
        let settings = "[settings]\ntype = \"object\"\n[settings.properties.base]\ntype = \"string\"\ndefault = \"https://a.test\"\n";
        let manifest = format!(
            "id = \"{ID}\"\nversion = \"{version}\"\nkind = \"tool\"\ndescription = \"x\"\n{}{}{settings}",
            flags.concat(),
            tables.concat()
        );
        Self { digest: format!("sha256:{number:064}"), version, manifest }
    }

    /// What it asks for with a binding's settings.
    fn asks(&self, settings: &Value) -> BTreeSet<Power> {
        powers(&Manifest::from_toml(&self.manifest).unwrap().permissions(settings).unwrap())
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// As a file, or an upload.
    Publish(usize, Published),
    /// A file goes.
    Unpublish(usize),
    /// It cannot be loaded from now on.
    Break(usize),
    /// One of the [`HOSTS`] starts anew, in another version: whatever could not be loaded now can.
    Restart(usize),
    Grant(Option<usize>, Option<usize>),
    Revoke(Option<usize>),
    RollBack(Option<usize>),
    /// With these settings, of [`BASES`].
    Bind(usize),
    Unbind,
    Pause,
    Resume,
    Discard,
    Remove,
}

/// Each may have two files for the plugin.
const HOSTS: [&str; 2] = ["one", "other"];

/// The files of all hosts: the even ones are of the first.
const FILES: usize = 4;

/// How bytes come.
#[derive(Clone, Copy, Debug)]
enum Published {
    /// As one of the [`FILES`].
    File(usize),
    Upload,
}

/// The binding that steps make and remove; the others are the plugin's own, or configured.
const MADE: &str = "made";

/// What its settings may say.
const BASES: [&str; 3] = ["https://a.test", "https://b.a.test/x", "https://e.test"];

fn life() -> impl Strategy<Value = (bool, Vec<Bytes>, Vec<Step>)> {
    let asks = prop::sample::subsequence(&WISHES[..], 0..4);
    let bytes = prop::collection::vec((prop::sample::select(&["1.0.0", "1.1.0", "2.0.0"][..]), asks), 4);
    let bytes = bytes.prop_map(|all| {
        let numbered = all.iter().enumerate();
        numbered.map(|(number, (version, asks))| Bytes::new(number, version, asks)).collect()
    });
    let which = || prop::option::of(0_usize..4);
    let binding = || prop_oneof![2 => Just(None), 1 => (0_usize..4).prop_map(Some)];
    let step = prop_oneof![
        6 => (0_usize..4, prop_oneof![3 => (0..FILES).prop_map(Published::File), 1 => Just(Published::Upload)])
            .prop_map(|(which, how)| Step::Publish(which, how)),
        3 => (0..FILES).prop_map(Step::Unpublish),
        1 => (0_usize..4).prop_map(Step::Break),
        1 => (0..HOSTS.len()).prop_map(Step::Restart),
        5 => (which(), binding()).prop_map(|(which, binding)| Step::Grant(which, binding)),
        2 => binding().prop_map(Step::Revoke),
        3 => which().prop_map(Step::RollBack),
        3 => (0_usize..BASES.len()).prop_map(Step::Bind),
        1 => Just(Step::Unbind),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => Just(Step::Discard),
        1 => Just(Step::Remove),
    ];
    // Most lives begin with something that serves: there is more to lose.
    let begins = [Step::Publish(0, Published::File(0)), Step::Grant(None, None)];
    let begins = prop_oneof![4 => Just(begins.to_vec()), 1 => Just(Vec::new())];
    let steps =
        (begins, prop::collection::vec(step, 1..20)).prop_map(|(begins, steps)| [begins, steps].concat());
    (any::<bool>(), bytes, steps)
}

/// A desk over a store of its own, and what it should have come to.
struct World {
    desk: Desk,
    rng: Arc<dyn Rng>,
    bytes: Vec<Bytes>,
    /// By name, with the settings. Those that there may be; which there are, [`World::is_there`] says.
    bindings: Vec<(&'static str, Value)>,
    /// Whether [`MADE`] is there.
    made: bool,
    /// What an operator has allowed each binding, and not taken back.
    allowed: BTreeMap<&'static str, BTreeSet<Power>>,
    /// What the configuration allows; no operator changes it.
    declared: BTreeMap<&'static str, BTreeSet<Power>>,
    approved: BTreeSet<String>,
    /// What each file holds, and which write that was.
    files: [Option<(String, usize)>; FILES],
    writes: usize,
    /// The file and digest that speak for the plugin in each host's folder.
    speaking: [Option<(usize, String)>; 2],
    /// What cannot be loaded.
    broken: BTreeSet<String>,
    /// What serves and must go on to, whichever file went.
    stays: Option<String>,
    /// By whose file a version is here.
    publishers: BTreeMap<String, usize>,
    /// Those that served, the last one last.
    served: Vec<String>,
    /// What an operator went back to, and nobody decided otherwise since.
    back: Option<String>,
    _folder: TempDir,
}

const BINDINGS: &str = r#"
[bindings.one]
plugin = "any"
[bindings.two]
plugin = "any"
settings = { base = "https://c.b.a.test/v1" }
[bindings.three]
plugin = "any"
grant = { http = ["GET https://*.a.test", "GET,POST https://a.test/x"], kv = true }
"#;

impl World {
    async fn new(bound: bool, bytes: Vec<Bytes>) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("hardpoint.toml");
        std::fs::write(&file, if bound { BINDINGS } else { "" }).unwrap();
        let config = Config::load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(Ticks(AtomicI64::new(1_700_000_000_000_000)));
        let opened = StoreConfig {
            data: folder.path().join("data"),
            blobs: None,
            url: None,
            durability: Durability::Process,
        };
        let store = Store::open(&opened, clock.clone()).await.unwrap();
        let mut bindings = match bound {
            false => vec![(ID, json!({}))],
            true => vec![
                ("one", json!({})),
                ("two", json!({ "base": "https://c.b.a.test/v1" })),
                ("three", json!({})),
            ],
        };
        bindings.push((MADE, json!({})));
        let grant = |(name, bound): (&String, &crate::config::Binding)| {
            let name = bindings.iter().find(|(known, _)| known == name)?.0;
            Some((name, powers(bound.grant.as_ref()?)))
        };
        let declared = config.bindings.iter().filter_map(grant).collect();
        let rng: Arc<dyn Rng> = Arc::new(Ticks(AtomicI64::new(0)));
        let desk = Desk { config: Arc::new(config), store, clock, rng: rng.clone() };
        let (allowed, approved) = Default::default();
        let (files, publishers, served, back) = Default::default();
        let (writes, speaking, broken, stays) = Default::default();
        Self {
            desk,
            rng,
            bytes,
            bindings,
            made: false,
            allowed,
            declared,
            approved,
            files,
            writes,
            speaking,
            broken,
            stays,
            publishers,
            served,
            back,
            _folder: folder,
        }
    }

    /// Whether there is such a binding.
    fn is_there(&self, name: &str) -> bool {
        name != MADE || self.made
    }

    /// Does it, if it can be done, and notes what the operator said by it.
    async fn take(&mut self, step: &Step) {
        let author = Author::cli();
        let before = self.versions().await;
        let digest = |which: &Option<usize>| which.map(|which| self.bytes[which].digest.clone());
        let binding =
            |which: &Option<usize>| Some(self.bindings.get((*which)?).unwrap_or(&self.bindings[0]).0);
        let goes_on = matches!(
            step,
            Step::Unpublish(_) | Step::Break(_) | Step::Restart(_) | Step::Pause | Step::Resume
        );
        if !goes_on {
            self.back = None;
        }
        self.stays = None;
        match step {
            Step::Publish(which, Published::File(file)) => self.publish(*which, *file).await,
            Step::Publish(which, Published::Upload) => self.upload(*which).await,
            Step::Unpublish(file) => self.unpublish(*file).await,
            Step::Break(which) => self.broken.extend(digest(&Some(*which))),
            Step::Restart(host) => self.restart(*host).await,
            Step::Grant(which, bound) => {
                let (digest, bound) = (digest(which), binding(bound));
                let granted = self.desk.grant(&author, ID, digest.as_deref(), bound).await;
                let Some(granted) = done(granted) else { return };
                let bytes = self.bytes.iter().find(|bytes| bytes.digest == granted.version.digest).unwrap();
                for (name, settings) in &self.bindings {
                    if self.is_there(name) && bound.is_none_or(|bound| bound == *name) {
                        self.allowed.entry(name).or_default().extend(bytes.asks(settings));
                    }
                }
                if !matches!(granted.version.state, State::Active | State::Paused | State::PendingApproval) {
                    self.publishers.remove(&granted.version.digest);
                }
                self.approved.insert(granted.version.digest);
            }
            Step::Revoke(bound) => {
                let bound = binding(bound);
                if done(self.desk.revoke(&author, ID, bound).await).is_some() {
                    self.allowed.retain(|name, _| bound.is_some_and(|bound| bound != *name));
                }
            }
            Step::RollBack(which) => {
                let digest = digest(which);
                let row = self.desk.roll_back(&author, ID, digest.as_deref()).await;
                let Some(back) = done(row) else { return };
                let back = back.version.digest;
                if digest.is_none() {
                    let is_before = |digest: &&String| {
                        let row = before.iter().find(|row| row.digest == **digest);
                        row.is_some_and(|row| row.state == State::Superseded && row.served_at.is_some())
                    };
                    assert_eq!(self.served.iter().rfind(is_before), Some(&back), "the one before");
                }
                self.publishers.remove(&back);
                self.approved.insert(back.clone());
                self.back = Some(back);
            }
            Step::Bind(which) => {
                let settings = json!({ "base": BASES[*which] });
                let Value::Object(members) = settings.clone() else { unreachable!() };
                let new = NewBinding { settings: members, ..NewBinding::default() };
                if done(self.desk.bind(&author, ID, MADE, new).await).is_some() {
                    self.made = true;
                    self.bindings.retain(|(name, _)| *name != MADE);
                    self.bindings.push((MADE, settings));
                }
            }
            Step::Unbind => {
                if done(self.desk.unbind(&author, ID, MADE).await).is_some() {
                    self.made = false;
                    self.allowed.remove(MADE);
                }
            }
            Step::Pause => drop(done(self.desk.pause(&author, ID).await)),
            Step::Resume => {
                if let Some(resumed) = done(self.desk.resume(&author, ID).await) {
                    self.serves(resumed.digest);
                }
            }
            Step::Discard => {
                let gone = done(self.desk.discard(&author, ID, None).await);
                if let Some(gone) = gone.filter(|gone| gone.version.served_at.is_none()) {
                    self.approved.remove(&gone.version.digest);
                }
            }
            Step::Remove => {
                if done(self.desk.remove(&author, ID).await).is_some() {
                    self.allowed.clear();
                    self.approved.clear();
                    self.made = false;
                }
            }
        }
    }

    async fn upload(&mut self, which: usize) {
        let new = self.new_version(which, Source::Upload);
        let (now, digest) = (self.desk.clock.now(), new.digest.clone());
        let written = self.desk.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let known = plugins::get(tx, &new.id, &new.digest).await?;
                let is_there = known.as_ref().is_some_and(|known| known.state != State::Removed);
                if !is_there {
                    plugins::upsert(tx, &new, State::PendingApproval, None, now).await?;
                }
                if known.is_some_and(|known| known.state == State::Removed) {
                    plugins::set_state(tx, &new.id, &new.digest, State::PendingApproval, None, now).await?;
                }
                Ok(is_there)
            })
        });
        if !written.await.unwrap() {
            self.publishers.remove(&digest);
        }
    }

    fn new_version(&self, which: usize, source: Source) -> NewPlugin {
        let bytes = self.bytes[which].clone();
        let file_name = Some(if source == Source::Folder { "any.wasm" } else { "upload.wasm" }.to_owned());
        NewPlugin {
            id: ID.to_owned(),
            digest: bytes.digest,
            version: bytes.version.to_owned(),
            kind: Kind::Tool,
            size: 1,
            manifest: bytes.manifest,
            source,
            file_name,
        }
    }

    /// It serves from now on.
    fn serves(&mut self, digest: String) {
        self.served.retain(|served| *served != digest);
        self.served.push(digest);
    }

    async fn versions(&self) -> Vec<Plugin> {
        plugins::versions(&mut self.desk.store.read().await.unwrap(), ID).await.unwrap()
    }

    /// Lets everything follow that follows; whatever has to be loaded loads at once, or not at all.
    async fn settle(&mut self) -> Decision {
        for _ in 0..8 {
            let (versions, arranged) = (self.versions().await, self.desk.arranged().await.unwrap());
            let waits = |row: &Plugin| row.state == State::PendingApproval;
            let loaded = |digest: &str| match self.broken.contains(digest) {
                true if versions.iter().any(|row| row.digest == digest && waits(row)) => {
                    Loaded::Failed("broken".to_owned())
                }
                _ => Loaded::NotYet,
            };
            let mut decision = decide(&self.desk.config, &versions, &arranged, &loaded);
            let next = candidate(&versions).filter(|next| decision.load.contains(&next.digest));
            if let Some(next) = next {
                self.check_approval(next, &versions);
                decision.changes.push((next.digest.clone(), Change::Activate));
            }
            if decision.changes.is_empty() {
                return decision;
            }
            for (digest, change) in decision.changes {
                let row = versions.iter().find(|row| row.digest == digest).unwrap().clone();
                assert!(self.write(row, change).await.unwrap(), "nobody else is here");
            }
        }
        panic!("nothing comes of it")
    }

    /// Bytes that were uploaded, or are others than their version had, serve once they were approved.
    fn check_approval(&self, next: &Plugin, versions: &[Plugin]) {
        let was_loaded = |row: &Plugin| row.state != State::Rejected || is_revoked(row);
        let others = versions
            .iter()
            .any(|row| row.version == next.version && row.digest != next.digest && was_loaded(row));
        let needs_approval = others || next.source == Source::Upload;
        assert!(!needs_approval || self.approved.contains(&next.digest), "{next:?} beside {versions:?}");
    }

    /// As the keeper does it: false where it was not to be done any more.
    async fn write(&mut self, row: Plugin, change: Change) -> Result<bool, StoreError> {
        let (now, rng, config) = (self.desk.clock.now(), self.rng.clone(), self.desk.config.clone());
        if let Change::Reject(reason) = &change {
            assert!(self.broken.contains(&row.digest), "{reason}");
            self.back.take_if(|back| *back == row.digest);
        }
        let activated = (change == Change::Activate).then(|| row.digest.clone());
        if activated.is_some() {
            // What an older version had beyond this is not to come again by itself, nor what a binding had
            // that there is no more.
            let gone: Vec<_> =
                self.bindings.iter().map(|(name, _)| *name).filter(|name| !self.is_there(name)).collect();
            self.allowed.retain(|name, _| !gone.contains(name));
            let asks = self.bytes.iter().find(|bytes| bytes.digest == row.digest).unwrap();
            for (name, settings) in &self.bindings {
                let asked = asks.asks(settings);
                self.allowed.entry(name).or_default().retain(|power| asked.contains(power));
            }
        }
        let write = self.desk.store.write(Lane::Request, move |tx| {
            Box::pin(async move { carry_out(tx, &config, &row, &change, now, &*rng).await })
        });
        let is_written = write.await?;
        if is_written && let Some(digest) = activated {
            self.serves(digest);
        }
        Ok(is_written)
    }

    /// What came otherwise than by the file that went serves on.
    async fn check_stays(&self) {
        let Some(stays) = &self.stays else { return };
        let versions = self.versions().await;
        let row = versions.iter().find(|row| row.digest == *stays).unwrap();
        assert!(matches!(row.state, State::Active | State::Paused), "{row:?} had to stay: {versions:?}");
    }

    /// What was gone back to serves, or is the only one that waits, for what is not allowed it or until the plugin
    /// is resumed.
    async fn check_back(&self) {
        let Some(back) = &self.back else { return };
        let versions = self.versions().await;
        let row = versions.iter().find(|row| row.digest == *back).unwrap();
        let is_paused = versions.iter().any(|row| row.state == State::Paused);
        let manifest = Manifest::from_toml(&row.manifest).unwrap();
        let planned = plan(&self.desk.config, &self.desk.arranged().await.unwrap(), &manifest);
        let may_serve = !planned.is_empty() && planned.iter().all(Planned::is_ready);
        match row.state {
            State::Active | State::Paused => {}
            State::PendingApproval => {
                assert!(is_paused || !may_serve, "{row:?} does not serve: {versions:?}");
                assert_eq!(candidate(&versions), Some(row));
            }
            _ => panic!("{row:?} was gone back to: {versions:?}"),
        }
        let others = versions.iter().filter(|other| other.digest != *back);
        let waiting: Vec<_> = others.filter(|row| row.state == State::PendingApproval).collect();
        assert!(waiting.is_empty(), "{waiting:?} wait beside {row:?}");
    }

    /// What is live now, and that none of it is too wide; gives how many powers there are.
    async fn check(&self, decision: &Decision) -> usize {
        let versions = self.versions().await;
        let serving: Vec<&Plugin> =
            versions.iter().filter(|row| decision.load.contains(&row.digest)).collect();
        let [serving] = serving[..] else {
            assert!(serving.is_empty(), "{serving:?}");
            return 0;
        };
        assert_eq!(serving.state, State::Active);
        let manifest = Manifest::from_toml(&serving.manifest).unwrap();
        let bytes = self.bytes.iter().find(|bytes| bytes.digest == serving.digest).unwrap();
        let planned = plan(&self.desk.config, &self.desk.arranged().await.unwrap(), &manifest);
        let mut count = 0;
        for spec in specs(&self.desk.config, &manifest, &planned) {
            let (name, settings) = self.bindings.iter().find(|(name, _)| *name == spec.name).unwrap();
            let (has, asked) = (powers(&spec.permissions), bytes.asks(settings));
            let nothing = BTreeSet::new();
            let allowed = self.declared.get(name).or(self.allowed.get(name)).unwrap_or(&nothing);
            let beyond = |side: &BTreeSet<Power>| has.difference(side).cloned().collect::<Vec<_>>();
            assert_eq!(beyond(&asked), [""; 0], "{name} has what {} does not ask for", serving.version);
            assert_eq!(beyond(allowed), [""; 0], "{name} of {} has what nobody allows", serving.version);
            count += has.len();
        }
        count
    }
}

/// What came of it; nothing where it made no sense.
fn done<T>(outcome: Result<T, DeskError>) -> Option<T> {
    match outcome {
        Ok(done) => Some(done),
        Err(DeskError::Store(error)) => panic!("{error}"),
        Err(_) => None,
    }
}

#[test]
fn no_sequence_yields_more_than_is_asked_and_allowed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let (cases, powers) = (config.cases as usize, Cell::new(0));
    // The same each time, or others, as many as `PROPTEST_CASES` says.
    let known = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, known),
    };
    let outcome = runner.run(&life(), |(bound, bytes, steps)| {
        runtime.block_on(async {
            let mut world = World::new(bound, bytes).await;
            for step in &steps {
                world.take(step).await;
                let decision = world.settle().await;
                powers.set(powers.get() + world.check(&decision).await);
                world.check_back().await;
                world.check_stays().await;
            }
            world.desk.store.close().await;
        });
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    // Something has to be allowed for there to be too much of it.
    assert!(powers.get() > cases, "{} powers in {cases} cases", powers.get());
}

/// Never the same twice.
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1, Relaxed))
    }
}

impl Rng for Ticks {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.fetch_add(1, Relaxed).to_be_bytes()[..chunk.len()]);
        }
    }
}
