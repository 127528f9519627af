//! In which order versions come: what was published or approved last serves, and nothing older takes its place
//! without anybody's word.

use super::*;
use crate::service::events::Author;
use crate::service::plugins::bind::NewBinding;

const KV: &str = "kv = true\n";

/// Three versions that ask for the same; the first serves.
async fn the_first_serves() -> World {
    let bytes = ["1.0.0", "2.0.0", "3.0.0"].into_iter().enumerate();
    let mut world =
        World::new(false, bytes.map(|(number, version)| Bytes::new(number, version, &[KV])).collect()).await;
    world.take_all(&[Step::Publish(0, Published::File(0)), Step::Grant(None, None)]).await;
    assert_eq!(world.row(0).await.state, State::Active);
    world
}

impl World {
    /// Takes these steps, with nothing that follows between them; then lets follow what follows.
    async fn take_all(&mut self, steps: &[Step]) -> Decision {
        for step in steps {
            self.take(step).await;
        }
        self.settle().await
    }

    /// The version that serves, and the states of all.
    async fn serves_now(&mut self) -> (Option<usize>, Vec<State>) {
        let decision = self.settle().await;
        let mut states = Vec::new();
        for which in 0..self.bytes.len() {
            let versions = self.versions().await;
            let row = versions.into_iter().find(|row| row.digest == self.bytes[which].digest);
            states.push(row.map_or(State::Removed, |row| row.state));
        }
        let serves = self.bytes.iter().position(|bytes| decision.load.contains(&bytes.digest));
        (serves, states)
    }
}

const UPLOAD: Published = Published::Upload;

#[tokio::test]
async fn what_lost_its_grant_does_not_come_back_by_the_grant_of_the_next() {
    let mut world = the_first_serves().await;
    world.take_all(&[Step::Revoke(Some(0))]).await;
    world.take_all(&[Step::Publish(1, UPLOAD), Step::Grant(Some(1), None)]).await;
    let states = vec![State::Superseded, State::Active, State::Removed];
    assert_eq!(world.serves_now().await, (Some(1), states));
}

#[tokio::test]
async fn of_two_that_are_approved_before_either_serves_the_later_one_does() {
    let mut world = the_first_serves().await;
    let published = [1, 2].map(|which| [Step::Publish(which, UPLOAD), Step::Grant(Some(which), None)]);
    world.take_all(&published.concat()).await;
    let states = vec![State::Superseded, State::Superseded, State::Active];
    assert_eq!(world.serves_now().await, (Some(2), states));
    assert_eq!(world.told("plugin.activated").await["set_aside"], json!([world.bytes[1].digest]));
}

/// A file that asked for more than was allowed does not come in the place of what was allowed it later.
#[tokio::test]
async fn a_file_that_nobody_approved_does_not_come_after_what_somebody_did() {
    let bytes = [("1.0.0", &[][..]), ("2.0.0", &[KV]), ("3.0.0", &[KV])].into_iter().enumerate();
    let bytes = bytes.map(|(number, (version, asks))| Bytes::new(number, version, asks)).collect();
    let mut world = World::new(false, bytes).await;
    world.take_all(&[Step::Publish(0, Published::File(0))]).await;
    world.take_all(&[Step::Publish(1, Published::File(0))]).await;
    world.take_all(&[Step::Publish(2, UPLOAD), Step::Grant(Some(2), None)]).await;
    let states = vec![State::Superseded, State::Superseded, State::Active];
    assert_eq!(world.serves_now().await, (Some(2), states));
}

/// Whatever could not be loaded once, and can after a start.
#[tokio::test]
async fn what_was_rejected_before_does_not_come_after_a_start() {
    let mut world = the_first_serves().await;
    world.take_all(&[Step::Break(1), Step::Publish(1, UPLOAD), Step::Grant(Some(1), None)]).await;
    world.take_all(&[Step::Publish(2, UPLOAD), Step::Grant(Some(2), None)]).await;
    world.take_all(&[Step::Restart(0)]).await;
    let states = vec![State::Superseded, State::Rejected, State::Active];
    assert_eq!(world.serves_now().await, (Some(2), states));
    // What came since is tried.
    world.take_all(&[Step::Break(1), Step::Grant(Some(1), None)]).await;
    assert_eq!(world.row(1).await.state, State::Rejected);
    world.take_all(&[Step::Restart(0)]).await;
    let states = vec![State::Superseded, State::Active, State::Superseded];
    assert_eq!(world.serves_now().await, (Some(1), states));
}

/// What never loaded never was its version, also once it was gone back from: mended bytes come under its number.
#[tokio::test]
async fn mended_bytes_come_by_themselves_after_going_back() {
    let bytes = ["1.0.0", "2.0.0", "3.0.0", "3.0.0"].into_iter().enumerate();
    let bytes = bytes.map(|(number, version)| Bytes::new(number, version, &[])).collect();
    let mut world = World::new(false, bytes).await;
    for which in [0, 1] {
        world.take_all(&[Step::Publish(which, Published::File(0))]).await;
    }
    world.take_all(&[Step::Break(2), Step::Publish(2, Published::File(0))]).await;
    world.take_all(&[Step::RollBack(None)]).await;
    let failed = world.row(2).await;
    assert_eq!(failed.state, State::Rejected);
    assert!(failed.reason.is_some_and(|why| why.starts_with("set aside: ") && why.contains("went back to")));
    world.take_all(&[Step::Publish(3, Published::File(0))]).await;
    assert_eq!(world.serves_now().await.0, Some(3));
}

/// An upload that nobody approved stands in nobody's way, and a command without a digest means it.
#[tokio::test]
async fn what_nobody_approved_holds_nobody_up() {
    let mut world = the_first_serves().await;
    world.take_all(&[Step::Publish(1, UPLOAD), Step::Grant(Some(1), None), Step::Publish(2, UPLOAD)]).await;
    let states = vec![State::Superseded, State::Active, State::PendingApproval];
    assert_eq!(world.serves_now().await, (Some(1), states));
    // What it is to be bound under is a matter of the one that serves, and so has to be named.
    let new = NewBinding::default();
    let bound = world.desk.bind(&Author::cli(), ID, MADE, new).await.unwrap();
    let (serving, named) = (world.bytes[1].digest.clone(), bound.named.clone());
    assert_eq!(named, Some(serving.clone()));
    let remedy = bound.planned.remedy(ID, named.as_deref()).unwrap();
    assert_eq!(remedy, format!("hardpoint plugin grant {ID} --binding {MADE} --digest {serving}"));
    world.take_all(&[Step::Grant(None, None)]).await;
    let states = vec![State::Superseded, State::Superseded, State::Active];
    assert_eq!(world.serves_now().await, (Some(2), states));
}

/// The one that serves is allowed something again: the next one keeps what it was allowed.
#[tokio::test]
async fn a_grant_for_what_serves_takes_nothing_from_the_next() {
    let bytes = [("1.0.0", &[KV][..]), ("2.0.0", &[KV, "scratch = true\n"])].into_iter().enumerate();
    let bytes = bytes.map(|(number, (version, asks))| Bytes::new(number, version, asks)).collect();
    let mut world = World::new(false, bytes).await;
    world.take_all(&[Step::Publish(0, Published::File(0)), Step::Bind(0), Step::Grant(None, None)]).await;
    world.take_all(&[Step::Publish(1, Published::File(0)), Step::Grant(Some(1), Some(1))]).await;
    assert_eq!(world.row(1).await.state, State::PendingApproval);
    world.take_all(&[Step::Grant(Some(0), None)]).await;
    let arranged = world.desk.arranged().await.unwrap();
    assert!(arranged.grants[MADE].1.scratch);
}

/// What is said to bring back what was revoked brings back nothing else, however many were stopped with it.
#[tokio::test]
async fn what_is_said_to_allow_it_again_means_what_served() {
    let bytes = ["1.0.0", "2.0.0"].into_iter().enumerate();
    let bytes = bytes.map(|(number, version)| Bytes::new(number, version, &[])).collect();
    let mut world = World::new(false, bytes).await;
    world.take_all(&[Step::Publish(0, Published::File(0))]).await;
    world.take_all(&[Step::Publish(1, UPLOAD)]).await;
    let revoked = world.desk.revoke(&Author::cli(), ID, None).await.unwrap();
    let digest = world.bytes[0].digest.clone();
    assert_eq!(revoked.again, Some(format!("hardpoint plugin grant {ID} --digest {digest}")));
    assert_eq!(world.told("plugin.revoked").await["version"], "1.0.0");
    world.take_all(&[Step::Grant(Some(0), None)]).await;
    assert_eq!(world.serves_now().await, (Some(0), vec![State::Active, State::Rejected]));
}

/// It comes before what was approved since, though it is tried again at the same time.
#[tokio::test]
async fn what_is_tried_again_stays_behind_what_was_approved_since() {
    let mut world = the_first_serves().await;
    world.take_all(&[Step::Break(1), Step::Publish(1, UPLOAD), Step::Grant(Some(1), None)]).await;
    assert_eq!(world.row(1).await.state, State::Rejected);
    for step in [Step::Publish(2, UPLOAD), Step::Grant(Some(2), None), Step::Restart(0)] {
        world.take(&step).await;
    }
    let states = vec![State::Superseded, State::Superseded, State::Active];
    assert_eq!(world.serves_now().await, (Some(2), states));
}

/// What was approved last, and could not be loaded when one before it was, is tried again and comes.
#[tokio::test]
async fn what_was_approved_last_comes_once_it_can_be_loaded() {
    let mut world = the_first_serves().await;
    let published = [1, 2].map(|which| [Step::Publish(which, UPLOAD), Step::Grant(Some(which), None)]);
    world.take(&Step::Break(2)).await;
    world.take_all(&published.concat()).await;
    let states = vec![State::Superseded, State::Active, State::Rejected];
    assert_eq!(world.serves_now().await, (Some(1), states));
    world.take_all(&[Step::Pause, Step::Resume, Step::Restart(0)]).await;
    let states = vec![State::Superseded, State::Superseded, State::Active];
    assert_eq!(world.serves_now().await, (Some(2), states));
}

/// Of two that could not be loaded the one that was approved last comes, whichever was tried first.
#[tokio::test]
async fn of_two_that_are_tried_again_the_later_one_serves() {
    let mut world = the_first_serves().await;
    for step in [Step::Break(1), Step::Break(2)] {
        world.take(&step).await;
    }
    let published = [1, 2].map(|which| [Step::Publish(which, UPLOAD), Step::Grant(Some(which), None)]);
    world.take_all(&published.concat()).await;
    assert_eq!(world.serves_now().await, (Some(0), vec![State::Active, State::Rejected, State::Rejected]));
    world.take_all(&[Step::Restart(0)]).await;
    let states = vec![State::Superseded, State::Superseded, State::Active];
    assert_eq!(world.serves_now().await, (Some(2), states));
}

/// A file that was copied back is the last word, over what could not be loaded before.
#[tokio::test]
async fn what_could_not_be_loaded_does_not_come_after_a_file_that_was_copied_back() {
    let mut world = the_first_serves().await;
    world.take_all(&[Step::Publish(1, Published::File(0))]).await;
    world.take_all(&[Step::Break(2), Step::Publish(2, UPLOAD), Step::Grant(Some(2), None)]).await;
    assert_eq!(world.row(2).await.state, State::Rejected);
    world.take_all(&[Step::Publish(0, Published::File(0))]).await;
    world.take_all(&[Step::Restart(0)]).await;
    let states = vec![State::Active, State::Superseded, State::Rejected];
    assert_eq!(world.serves_now().await, (Some(0), states));
}

/// A grant for what serves is not the last word on what comes.
#[tokio::test]
async fn what_could_not_be_loaded_comes_though_what_serves_was_allowed_something() {
    let mut world = the_first_serves().await;
    world.take_all(&[Step::Break(1), Step::Publish(1, UPLOAD), Step::Grant(Some(1), None)]).await;
    world.take_all(&[Step::Grant(Some(0), None), Step::Restart(0)]).await;
    let states = vec![State::Superseded, State::Active, State::Removed];
    assert_eq!(world.serves_now().await, (Some(1), states));
}

/// What was revoked stays so when its file goes and comes again.
#[tokio::test]
async fn what_was_revoked_does_not_come_back_with_its_file() {
    let bytes = vec![Bytes::new(0, "1.0.0", &[])];
    let mut world = World::new(false, bytes).await;
    world.take_all(&[Step::Publish(0, Published::File(0)), Step::Revoke(None)]).await;
    world.take_all(&[Step::Unpublish(0)]).await;
    world.take_all(&[Step::Publish(0, Published::File(0))]).await;
    assert_eq!(world.serves_now().await, (None, vec![State::Rejected]));
}

/// What is approved, and waits for leave for another binding, keeps what it was allowed when a third version goes, or
/// comes before it.
#[tokio::test]
async fn what_is_next_keeps_what_it_was_allowed() {
    const SCRATCH: &str = "scratch = true\n";
    let asks = [&[KV][..], &[KV, SCRATCH], &[KV]];
    let bytes = ["1.0.0", "2.0.0", "3.0.0"].into_iter().enumerate();
    let bytes: Vec<Bytes> =
        bytes.map(|(number, version)| Bytes::new(number, version, asks[number])).collect();
    let serves = [Step::Publish(0, Published::File(0)), Step::Bind(0), Step::Grant(None, None)];
    let third = [Step::Publish(2, UPLOAD), Step::Discard];
    let mut world = World::new(false, bytes.clone()).await;
    world.take_all(&serves).await;
    world.take_all(&[Step::Publish(1, UPLOAD), Step::Grant(Some(1), Some(1))]).await;
    world.take_all(&third).await;
    assert!(world.desk.arranged().await.unwrap().grants[MADE].1.scratch);
    // One that was approved before it, and could not be loaded yet.
    let mut world = World::new(false, bytes).await;
    world.take_all(&serves).await;
    world.take_all(&[Step::Publish(1, UPLOAD), Step::Publish(2, UPLOAD)]).await;
    for step in [Step::Grant(Some(2), None), Step::Grant(Some(1), Some(1))] {
        world.take(&step).await;
    }
    world.settle().await;
    assert_eq!(world.row(2).await.state, State::Active);
    assert!(world.desk.arranged().await.unwrap().grants[MADE].1.scratch);
    world.take_all(&[Step::Grant(Some(1), None)]).await;
    assert_eq!(world.row(1).await.state, State::Active);
}

/// The approval of what came by a file is none of what somebody uploads once that went.
#[tokio::test]
async fn an_upload_brings_no_old_approval_along() {
    let mut world = the_first_serves().await;
    world.take_all(&[Step::Unpublish(0)]).await;
    world.take_all(&[Step::Publish(1, UPLOAD), Step::Grant(Some(1), None)]).await;
    world.take_all(&[Step::Publish(0, UPLOAD)]).await;
    let states = vec![State::PendingApproval, State::Active, State::Removed];
    assert_eq!(world.serves_now().await, (Some(1), states));
    assert_eq!(world.row(0).await.approved_by, None);
}

/// The last word is the last one, also by a clock that is behind.
#[tokio::test]
async fn what_was_approved_last_serves_whatever_the_clock_says() {
    let mut world = the_first_serves().await;
    for step in [Step::Publish(1, UPLOAD), Step::Publish(2, UPLOAD), Step::Grant(Some(1), None)] {
        world.take(&step).await;
    }
    world.desk.clock = Arc::new(Ticks(AtomicI64::new(1_600_000_000_000_000)));
    world.take_all(&[Step::Grant(Some(2), None)]).await;
    let states = vec![State::Superseded, State::Superseded, State::Active];
    assert_eq!(world.serves_now().await, (Some(2), states));
}

/// Its file is written once more: that is a word of its own.
#[tokio::test]
async fn what_was_set_aside_comes_when_its_file_is_written_again() {
    let mut world = the_first_serves().await;
    world.take_all(&[Step::Break(1), Step::Publish(1, Published::File(0))]).await;
    world.take_all(&[Step::Publish(2, UPLOAD), Step::Grant(Some(2), None)]).await;
    world.take_all(&[Step::Restart(0)]).await;
    let states = vec![State::Superseded, State::Rejected, State::Active];
    assert_eq!(world.serves_now().await, (Some(2), states));
    let row = world.row(1).await;
    assert!(row.reason.is_some_and(|why| why.starts_with("set aside:") && why.ends_with("broken")));
    world.take_all(&[Step::Publish(1, Published::File(0))]).await;
    assert_eq!(world.serves_now().await.0, Some(1));
}

/// Bytes that nobody could load never were that version: others may be.
#[tokio::test]
async fn what_was_set_aside_holds_on_to_no_version() {
    let numbers = ["1.0.0", "2.0.0", "3.0.0", "2.0.0"].into_iter().enumerate();
    let bytes = numbers.map(|(number, version)| Bytes::new(number, version, &[])).collect();
    let mut world = World::new(false, bytes).await;
    world.take_all(&[Step::Publish(0, Published::File(0))]).await;
    world.take_all(&[Step::Break(1), Step::Publish(1, Published::File(0))]).await;
    world.take_all(&[Step::Publish(2, Published::File(0))]).await;
    assert_eq!(world.serves_now().await.0, Some(2));
    world.take_all(&[Step::Publish(3, Published::File(0))]).await;
    assert_eq!(world.serves_now().await.0, Some(3));
}

/// What is approved and could not be loaded has what it was allowed when it is tried again; and so has what waits, when
/// something else was allowed to what serves since.
#[tokio::test]
async fn what_is_next_keeps_it_though_it_could_not_be_loaded_or_something_was_said_since() {
    const SCRATCH: &str = "scratch = true\n";
    let asks = [&[KV][..], &[KV, SCRATCH], &[KV]];
    let bytes = ["1.0.0", "2.0.0", "3.0.0"].into_iter().enumerate();
    let bytes: Vec<Bytes> =
        bytes.map(|(number, version)| Bytes::new(number, version, asks[number])).collect();
    let mut world = World::new(false, bytes.clone()).await;
    world.take_all(&[Step::Publish(0, Published::File(0)), Step::Grant(None, None)]).await;
    for step in [Step::Break(1), Step::Publish(1, UPLOAD), Step::Publish(2, UPLOAD)] {
        world.take(&step).await;
    }
    world.take_all(&[Step::Grant(Some(2), None), Step::Grant(Some(1), None)]).await;
    assert_eq!(world.serves_now().await.0, Some(2));
    world.take_all(&[Step::Restart(0)]).await;
    assert_eq!(world.serves_now().await.0, Some(1));

    let mut world = World::new(false, bytes).await;
    let serves = [Step::Publish(0, Published::File(0)), Step::Bind(0), Step::Grant(None, None)];
    world.take_all(&serves).await;
    world.take_all(&[Step::Publish(1, UPLOAD), Step::Grant(Some(1), Some(1))]).await;
    world.take_all(&[Step::Pause, Step::Resume, Step::Publish(2, UPLOAD), Step::Discard]).await;
    assert!(world.desk.arranged().await.unwrap().grants[MADE].1.scratch);
}
