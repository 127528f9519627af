//! What is decided on is not always so any more when it is written: the bad orders, one after the other.

use super::*;

/// The first version serves, and the second waits with its approval: what the keeper would make active.
async fn one_serves_and_one_is_approved() -> (World, Plugin) {
    let bytes = vec![Bytes::new(0, "1.0.0", &[]), Bytes::new(1, "2.0.0", &[]), Bytes::new(2, "3.0.0", &[])];
    let mut world = World::new(false, bytes).await;
    world.take(&Step::Publish(0, Source::Folder)).await;
    world.settle().await;
    world.take(&Step::Publish(1, Source::Folder)).await;
    world.take(&Step::Grant(Some(1), None)).await;
    let next = world.row(1).await;
    assert_eq!((world.row(0).await.state, next.state), (State::Active, State::PendingApproval));
    (world, next)
}

impl World {
    async fn row(&self, which: usize) -> Plugin {
        let digest = &self.bytes[which].digest;
        self.versions().await.into_iter().find(|row| row.digest == *digest).unwrap()
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
        world.take(&Step::Publish(0, Source::Folder)).await;
        world.settle().await;
        world.take(&Step::Publish(1, Source::Folder)).await;
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
