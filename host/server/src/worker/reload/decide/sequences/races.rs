//! What is decided on is not always so any more when it is written: the bad orders, one after the other.

use std::collections::HashSet;
use std::sync::Mutex;

use hardpoint_domain::manifest::Kind;
use hardpoint_store::plugins::{NewPlugin, Source};
use hardpoint_store::{events, revision};
use tokio::sync::oneshot;

use super::*;
use crate::service::events::Author;
use crate::service::plugins::DeskError;
use crate::worker::reload::scan::try_again;
use crate::worker::reload::whereabouts::Whereabouts;

/// Tells when it is first asked: the desk asks before it writes, and after what it reads before that.
struct Asked {
    clock: Arc<dyn Clock>,
    told: Mutex<Option<oneshot::Sender<()>>>,
}

impl Clock for Asked {
    fn now(&self) -> Timestamp {
        if let Some(told) = self.told.lock().unwrap().take() {
            told.send(()).unwrap();
        }
        self.clock.now()
    }
}

/// The first version serves, and the second waits with its approval: what the keeper would make active.
async fn one_serves_and_one_is_approved() -> (World, Plugin) {
    let bytes = vec![Bytes::new(0, "1.0.0", &[]), Bytes::new(1, "2.0.0", &[]), Bytes::new(2, "3.0.0", &[])];
    let mut world = World::new(false, bytes).await;
    world.take(&Step::Publish(0, Published::File(0))).await;
    world.settle().await;
    world.take(&Step::Publish(1, Published::File(0))).await;
    world.take(&Step::Grant(Some(1), None)).await;
    let next = world.row(1).await;
    assert_eq!((world.row(0).await.state, next.state), (State::Active, State::PendingApproval));
    (world, next)
}

impl World {
    pub(super) async fn row(&self, which: usize) -> Plugin {
        let digest = &self.bytes[which].digest;
        self.versions().await.into_iter().find(|row| row.digest == *digest).unwrap()
    }

    /// What the newest event of this kind tells.
    pub(super) async fn told(&self, kind: &str) -> Value {
        let mut conn = self.desk.store.read().await.unwrap();
        let all = events::list(&mut conn, None, None, 100).await.unwrap();
        let found = all.into_iter().find(|stored| stored.event.kind == kind).unwrap();
        serde_json::to_value(&found.event.after).unwrap()
    }

    pub(super) async fn revision(&self) -> i64 {
        revision(&mut self.desk.store.read().await.unwrap()).await.unwrap()
    }

    /// Lets a third version serve after the desk has looked, if it looks before its transaction, and before that
    /// transaction begins.
    async fn third_comes_before<T>(&self, act: impl AsyncFnOnce(Desk) -> T) -> T {
        let (holding, held) = oneshot::channel();
        let (asked, go_on) = oneshot::channel();
        let third = NewPlugin {
            id: ID.to_owned(),
            digest: self.bytes[2].digest.clone(),
            version: self.bytes[2].version.to_owned(),
            kind: Kind::Tool,
            size: 1,
            manifest: self.bytes[2].manifest.clone(),
            source: Source::Folder,
            file_name: Some("any.wasm".to_owned()),
        };
        let now = self.desk.clock.now();
        let first = self.desk.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                holding.send(()).unwrap();
                go_on.await.unwrap();
                plugins::upsert(tx, &third, State::PendingApproval, None, now).await?;
                plugins::set_active(tx, ID, &third.digest, now).await
            })
        });
        let clock = Arc::new(Asked { clock: self.desk.clock.clone(), told: Mutex::new(Some(asked)) });
        let desk = Desk { clock, ..self.desk.clone() };
        let second = async {
            held.await.unwrap();
            act(desk).await
        };
        let (first, second) = tokio::join!(first, second);
        assert!(first.unwrap());
        second
    }
}

#[tokio::test]
async fn the_keeper_brings_nothing_back_by_an_older_decision() {
    let (mut world, decided_on) = one_serves_and_one_is_approved().await;
    assert!(world.write(decided_on, Change::Activate).await.unwrap());
    assert_eq!(world.row(1).await.state, State::Active, "nobody was faster");

    let meanwhile = [
        (Step::Discard, State::Removed),
        (Step::Remove, State::Removed),
        (Step::Revoke(None), State::Rejected),
        // Nothing takes over from what was paused.
        (Step::Pause, State::PendingApproval),
    ];
    for (step, state) in meanwhile {
        let (mut world, decided_on) = one_serves_and_one_is_approved().await;
        world.take(&step).await;
        assert!(!world.write(decided_on, Change::Activate).await.unwrap(), "after {step:?}");
        assert_eq!(world.row(1).await.state, state, "after {step:?}");
    }
    // Nor to wait.
    let (mut world, decided_on) = one_serves_and_one_is_approved().await;
    world.take(&Step::Remove).await;
    assert!(!world.write(decided_on, Change::Wait("for nothing".to_owned())).await.unwrap());
    assert_eq!(world.row(1).await.state, State::Removed);
}

/// What was shown and is gone by the time somebody says yes stays gone, with nothing allowed for it.
#[tokio::test]
async fn a_version_that_is_gone_is_not_approved() {
    for step in [Step::Discard, Step::Remove] {
        let bytes = vec![Bytes::new(0, "1.0.0", &[]), Bytes::new(1, "2.0.0", &["kv = true\n"])];
        let mut world = World::new(false, bytes).await;
        world.take(&Step::Publish(0, Published::File(0))).await;
        world.settle().await;
        world.take(&Step::Publish(1, Published::File(0))).await;
        let shown = world.desk.preview(ID, None, None).await.unwrap();
        assert_eq!(shown.version.digest, world.bytes[1].digest);
        world.take(&step).await;
        let outcome = world.desk.grant_shown(&Author::cli(), ID, &shown).await;
        assert!(matches!(outcome, Err(DeskError::State(_))), "after {step:?}: {outcome:?}");
        let row = world.row(1).await;
        assert_eq!((row.state, row.approved_by), (State::Removed, None), "after {step:?}");
        assert!(world.desk.arranged().await.unwrap().grants.is_empty(), "after {step:?}");
        // Who looks again may have it.
        world.desk.grant(&Author::cli(), ID, Some(&shown.version.digest), None).await.unwrap();
        assert_eq!(world.row(1).await.state, State::PendingApproval);
    }
}

#[tokio::test]
async fn what_comes_while_a_plugin_is_removed_goes_with_it() {
    let (world, _) = one_serves_and_one_is_approved().await;
    world.third_comes_before(async |desk| desk.remove(&Author::cli(), ID).await).await.unwrap();
    let states: Vec<State> = world.versions().await.into_iter().map(|row| row.state).collect();
    assert_eq!(states, [State::Removed; 3]);
}

#[tokio::test]
async fn going_back_starts_from_what_serves_then() {
    let (mut world, next) = one_serves_and_one_is_approved().await;
    world.write(next, Change::Activate).await.unwrap();
    let back = world.third_comes_before(async |desk| desk.roll_back(&Author::cli(), ID, None).await).await;
    assert_eq!(back.unwrap().version.version, "2.0.0");
    let told = world.told("plugin.rolled_back").await;
    assert_eq!(told["from"]["version"], "3.0.0", "{told}");
}

/// Two hosts on one PostgreSQL would each decide on what the other is about to change. The lock is the revision's
/// row, so that whoever takes it first raises the revision even where there turns out to be nothing to do.
#[tokio::test]
async fn the_desk_locks_before_it_looks() {
    let (mut world, next) = one_serves_and_one_is_approved().await;
    world.take(&Step::Discard).await;
    assert_ne!(next.state, world.row(1).await.state);
    for nothing_to_do in [Step::Discard, Step::Resume, Step::RollBack(None)] {
        let before = world.revision().await;
        world.take(&nothing_to_do).await;
        assert_eq!(world.revision().await, before + 1, "{nothing_to_do:?}");
    }
}

/// And so does what follows from the folder.
#[tokio::test]
async fn the_keeper_locks_before_it_looks() {
    let (mut world, _) = one_serves_and_one_is_approved().await;
    let before = world.revision().await;
    world.take(&Step::Publish(0, Published::File(0))).await;
    assert_eq!(world.revision().await, before + 1);
    let again = world
        .desk
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { try_again(tx, None, &HashSet::new()).await }));
    again.await.unwrap();
    assert_eq!(world.revision().await, before + 2);
}

/// Going back, thinking better of it, and going back all the same.
#[tokio::test]
async fn what_served_can_be_gone_back_to_after_it_was_discarded() {
    let (mut world, next) = one_serves_and_one_is_approved().await;
    world.write(next, Change::Activate).await.unwrap();
    for _ in 0..2 {
        world.take(&Step::RollBack(None)).await;
        let waits = world.row(0).await;
        assert_eq!(waits.state, State::PendingApproval);
        world.take(&Step::Discard).await;
        let discarded = world.row(0).await;
        assert_eq!((discarded.state, discarded.reason), (State::Superseded, None));
        assert_eq!(discarded.approved_by, waits.approved_by);
    }
    world.take(&Step::Remove).await;
    world.take(&Step::Publish(1, Published::File(0))).await;
    world.settle().await;
    // Since it was removed it never served.
    world.take(&Step::Publish(0, Published::File(0))).await;
    world.take(&Step::Discard).await;
    let discarded = world.row(0).await;
    assert_eq!((discarded.state, discarded.approved_by), (State::Removed, None));
}

/// By when each served, not by when somebody last thought of it.
#[tokio::test]
async fn what_was_discarded_is_not_the_version_before() {
    let bytes = vec![
        Bytes::new(0, "1.0.0", &["kv = true\n"]),
        Bytes::new(1, "2.0.0", &[]),
        Bytes::new(2, "3.0.0", &[]),
    ];
    let mut world = World::new(false, bytes).await;
    world.take(&Step::Publish(0, Published::File(0))).await;
    world.take(&Step::Grant(Some(0), None)).await;
    for next in [1, 2] {
        world.settle().await;
        world.take(&Step::Publish(next, Published::File(0))).await;
    }
    world.settle().await;
    world.take(&Step::RollBack(Some(0))).await;
    world.take(&Step::Discard).await;
    let back = world.desk.roll_back(&Author::cli(), ID, None).await.unwrap();
    assert_eq!(back.version.version, "2.0.0");
}

/// Where the active version fails on this host, the one before is loaded for it, if that may serve; nothing is loaded
/// only to be thrown away.
#[tokio::test]
async fn only_what_may_serve_is_loaded_in_the_place_of_another() {
    for (asks, may_serve) in [(&[][..], true), (&["kv = true\n"][..], false)] {
        let bytes = vec![Bytes::new(0, "1.0.0", asks), Bytes::new(1, "2.0.0", &[])];
        let mut world = World::new(false, bytes).await;
        world.take(&Step::Publish(0, Published::File(0))).await;
        world.take(&Step::Grant(None, None)).await;
        world.settle().await;
        world.take(&Step::Publish(1, Published::File(0))).await;
        world.settle().await;
        let [before, active] = [0, 1].map(|which| world.bytes[which].digest.clone());
        assert_eq!((world.row(0).await.state, world.row(1).await.state), (State::Superseded, State::Active));
        let (versions, arranged) = (world.versions().await, world.desk.arranged().await.unwrap());
        let loaded = |digest: &str| match digest == active {
            true => Loaded::Failed("for nothing".to_owned()),
            false => Loaded::NotYet,
        };
        let decision = decide(&world.desk.config, &versions, &arranged, &loaded);
        assert_eq!(decision.load.contains(&before), may_serve, "{:?}", decision.load);
        assert_eq!(decision.changes, [], "the row stays as it is: others may do better");
    }
}

/// What may serve and has only to be loaded is not overtaken by what serves and lost something, here or on a host that
/// has its bytes.
#[tokio::test]
async fn what_has_only_to_be_loaded_is_not_overtaken() {
    let bytes = vec![Bytes::new(0, "1.0.0", &["kv = true\n"]), Bytes::new(1, "2.0.0", &[])];
    let mut world = World::new(false, bytes).await;
    world.take(&Step::Publish(0, Published::File(0))).await;
    world.take(&Step::Grant(None, None)).await;
    world.settle().await;
    world.take(&Step::Revoke(Some(0))).await;
    world.take(&Step::Publish(1, Published::File(0))).await;
    let (config, coming) = (&world.desk.config, world.row(1).await);
    let whereabouts = Whereabouts::of(config, world.desk.store.blobs(), &coming);
    let lack = whereabouts.bytes(&coming.digest).await.unwrap_err();
    let (versions, arranged) = (world.versions().await, world.desk.arranged().await.unwrap());
    for loaded in [Loaded::NotYet, Loaded::Missing(lack)] {
        let decision = decide(config, &versions, &arranged, &|_| loaded.clone());
        assert_eq!((decision.changes, decision.load), (vec![], vec![coming.digest.clone()]), "{loaded:?}");
    }
}

/// Other bytes of the same version came after it was decided on.
#[tokio::test]
async fn what_needs_a_word_by_now_does_not_become_active() {
    let bytes = (0..2).map(|number| Bytes::new(number, "1.0.0", &[])).collect();
    let mut world = World::new(false, bytes).await;
    world.take(&Step::Publish(0, Published::File(0))).await;
    let decided_on = world.row(0).await;
    world.take(&Step::Publish(1, Published::Upload)).await;
    assert!(!world.write(decided_on, Change::Activate).await.unwrap());
    assert_eq!(world.row(0).await.state, State::PendingApproval);
}
