//! A version that this host's hardpoint.toml names as the only one: what is active for others is not its matter.

use super::*;
use crate::config::DeclaredPlugin;
use crate::service::events::Author;
use crate::service::plugins::DeskError;

impl World {
    /// As a host whose hardpoint.toml names these bytes.
    fn pin(&mut self, which: usize) {
        let mut config = Config::clone(&self.desk.config);
        let digest = Some(self.bytes[which].digest.clone());
        let pinned = DeclaredPlugin { enabled: true, digest, reach: None, limits: Default::default() };
        config.declared.insert(ID.to_owned(), pinned);
        self.desk.config = Arc::new(config);
    }

    async fn states(&self) -> Vec<State> {
        let versions = self.versions().await;
        let state = |bytes: &Bytes| versions.iter().find(|row| row.digest == bytes.digest).unwrap().state;
        self.bytes.iter().map(state).collect()
    }
}

/// Two versions that ask for nothing; the second serves, and the first did.
async fn the_second_serves() -> World {
    let bytes = ["1.0.0", "2.0.0"].into_iter().enumerate();
    let bytes = bytes.map(|(number, version)| Bytes::new(number, version, &[])).collect();
    let mut world = World::new(false, bytes).await;
    for which in [0, 1] {
        world.take(&Step::Publish(which, Published::File(0))).await;
        world.settle().await;
    }
    assert_eq!(world.states().await, [State::Superseded, State::Active]);
    world
}

#[tokio::test]
async fn what_one_host_names_serves_there_and_nothing_is_written() {
    let mut world = the_second_serves().await;
    world.pin(0);
    let before = world.revision().await;
    let decision = world.settle().await;
    assert_eq!(decision.load, [world.bytes[0].digest.clone()]);
    assert_eq!(world.revision().await, before);
}

/// Neither what is active nor what this host names in its place; and nothing comes back by itself.
#[tokio::test]
async fn what_is_named_and_revoked_serves_nowhere() {
    let mut world = the_second_serves().await;
    world.pin(0);
    let revoked = world.desk.revoke(&Author::cli(), ID, None).await.unwrap();
    assert!(revoked.stopped);
    assert!(revoked.again.unwrap().ends_with(&world.bytes[0].digest));
    let decision = world.settle().await;
    assert_eq!(decision.load, [""; 0]);
    assert_eq!(world.states().await, [State::Rejected, State::Rejected]);
}

/// What lacks something, and is named where nothing is active, does not come to wait at all hosts.
#[tokio::test]
async fn what_is_named_is_no_candidate_again() {
    let mut world = the_second_serves().await;
    world.desk.revoke(&Author::cli(), ID, None).await.unwrap();
    world.pin(0);
    let decision = world.settle().await;
    assert_eq!(decision.load, [world.bytes[0].digest.clone()], "it is this host's own matter");
    assert_eq!(world.states().await, [State::Superseded, State::Rejected]);
}

/// Naming bytes approves them, which is written where others can see it.
#[tokio::test]
async fn uploaded_bytes_that_are_named_are_approved() {
    let mut world = World::new(false, vec![Bytes::new(0, "1.0.0", &[])]).await;
    world.take(&Step::Publish(0, Published::Upload)).await;
    let unpinned = world.desk.config.clone();
    assert_eq!(world.settle().await.load, [""; 0]);
    world.pin(0);
    // Who named it is not in the book of those who approved.
    world.approved.insert(world.bytes[0].digest.clone());
    world.settle().await;
    let row = world.row(0).await;
    assert_eq!((row.state, row.approved_by.as_deref()), (State::Active, Some("hardpoint.toml")));
    world.desk.config = unpinned;
    assert_eq!(world.settle().await.load, [row.digest]);
}

#[tokio::test]
async fn nobody_goes_back_to_what_is_not_named() {
    let mut world = the_second_serves().await;
    world.pin(1);
    let refused = world.desk.roll_back(&Author::cli(), ID, None).await.unwrap_err();
    assert!(matches!(&refused, DeskError::State(reason) if reason.contains("lets only")), "{refused}");
    assert_eq!(world.states().await, [State::Superseded, State::Active]);
}

/// Decided while nothing was active, and written once another host had made something else so.
#[tokio::test]
async fn what_one_host_names_takes_nothing_from_what_another_made_active() {
    let bytes = ["1.0.0", "2.0.0"].into_iter().enumerate();
    let bytes = bytes.map(|(number, version)| Bytes::new(number, version, &[])).collect();
    let mut world = World::new(false, bytes).await;
    world.take(&Step::Publish(0, Published::Upload)).await;
    let named = world.row(0).await;
    world.take(&Step::Publish(1, Published::File(0))).await;
    world.settle().await;
    world.pin(0);
    assert!(!world.write(named, Change::Activate).await.unwrap());
    assert_eq!(world.states().await, [State::PendingApproval, State::Active]);
}
