//! What serves, while another version is approved and waits for something, and loses what it needs for a while: it
//! serves again once that is there, and the other one stays the next.

use super::*;

/// The second version is approved, with leave for a binding of the first that serves, and waits for the others.
async fn one_serves_and_one_is_next() -> World {
    let asks = [&["kv = true\n"][..], &["kv = true\n", "scratch = true\n"]];
    let numbered = [(0, "1.0.0"), (1, "2.0.0")].into_iter().zip(asks);
    let bytes = numbered.map(|((number, version), asks)| Bytes::new(number, version, asks)).collect();
    let mut world = World::new(true, bytes).await;
    world.take(&Step::Publish(0, Published::File(0))).await;
    world.take(&Step::Grant(None, None)).await;
    world.settle().await;
    world.take(&Step::Publish(1, Published::File(0))).await;
    world.take(&Step::Grant(Some(1), Some(0))).await;
    assert!(world.first_serves().await);
    world
}

impl World {
    /// Whether the first version serves; if not, whether or not it has to, nothing does. The second is next.
    async fn first_serves(&mut self) -> bool {
        let decision = self.settle().await;
        let (first, second) = (self.row(0).await, self.row(1).await);
        assert_eq!((first.state, second.state), (State::Active, State::PendingApproval));
        assert_eq!(candidate(&self.versions().await).unwrap().digest, second.digest);
        let serves = decision.load.contains(&first.digest);
        assert_eq!(decision.idle.is_some(), !serves, "{:?}", decision.idle);
        serves
    }
}

/// A fault in one host's hardpoint.toml is over once that is mended.
#[tokio::test]
async fn what_a_mistake_in_the_configuration_stopped_serves_once_it_is_mended() {
    type Fault = fn(&mut crate::config::Binding);
    let unfit: Fault = |binding| drop(binding.settings.insert("base".to_owned(), json!(1)));
    let not_granted: Fault = |binding| binding.grant = Some(Default::default());
    for fault in [unfit, not_granted] {
        let mut world = one_serves_and_one_is_next().await;
        let sound = world.desk.config.clone();
        let mut broken = Config::clone(&sound);
        broken.bindings.values_mut().for_each(fault);
        world.desk.config = Arc::new(broken);
        assert!(!world.first_serves().await);
        world.desk.config = sound;
        assert!(world.first_serves().await);
    }
}

/// The first version has lost all its bindings: the plugin's own by a command, and the one that was made since it
/// was bound to another address than what it was allowed to reach.
async fn one_lacks_and_one_is_next() -> World {
    let asks = [&[WISHES[0]][..], &[WISHES[0], "scratch = true\n"]];
    let numbered = [(0, "1.0.0"), (1, "2.0.0")].into_iter().zip(asks);
    let bytes = numbered.map(|((number, version), asks)| Bytes::new(number, version, asks)).collect();
    let mut world = World::new(false, bytes).await;
    for step in [Step::Publish(0, Published::File(0)), Step::Bind(0), Step::Grant(None, None)] {
        world.take(&step).await;
        world.settle().await;
    }
    world.take(&Step::Publish(1, Published::File(0))).await;
    world.take(&Step::Grant(Some(1), Some(0))).await;
    assert!(world.first_serves().await);
    world.take(&Step::Revoke(Some(0))).await;
    assert!(world.first_serves().await, "by the binding that was made");
    world.take(&Step::Bind(1)).await;
    assert!(!world.first_serves().await);
    world
}

/// What is allowed again by name serves again; the other one is still the next.
#[tokio::test]
async fn what_was_bound_to_another_address_serves_once_that_is_allowed() {
    let mut world = one_lacks_and_one_is_next().await;
    world.take(&Step::Grant(Some(0), Some(1))).await;
    assert!(world.first_serves().await);
}

/// Where nothing is approved to be next any more, a grant means what lacks something.
#[tokio::test]
async fn what_lacks_something_is_meant_once_the_next_one_is_discarded() {
    let mut world = one_lacks_and_one_is_next().await;
    world.take(&Step::Discard).await;
    assert!(world.settle().await.idle.is_some());
    assert_eq!((world.row(0).await.state, world.row(1).await.state), (State::Active, State::Removed));
    world.take(&Step::Grant(None, None)).await;
    let decision = world.settle().await;
    assert_eq!(decision.load, [world.bytes[0].digest.clone()]);
    assert_eq!(decision.idle, None);
}

/// Also beside a version that nobody approved, and that came while the first one lacked something.
#[tokio::test]
async fn what_lacked_something_serves_again_beside_what_nobody_approved() {
    let bytes = [&["kv = true\n"][..], &["kv = true\n", "scratch = true\n"]];
    let bytes = (0..).zip(bytes).map(|(number, asks)| Bytes::new(number, ["1.0.0", "2.0.0"][number], asks));
    let mut world = World::new(true, bytes.collect()).await;
    world.take(&Step::Publish(0, Published::File(0))).await;
    world.take(&Step::Grant(None, None)).await;
    world.settle().await;
    let sound = world.desk.config.clone();
    let mut broken = Config::clone(&sound);
    broken.bindings.values_mut().for_each(|binding| binding.grant = Some(Default::default()));
    world.desk.config = Arc::new(broken);
    assert!(world.settle().await.idle.is_some());
    for published in [Published::Upload, Published::File(0)] {
        world.take(&Step::Publish(1, published)).await;
        world.settle().await;
    }
    world.desk.config = sound;
    let decision = world.settle().await;
    assert_eq!((decision.load, decision.idle), (vec![world.bytes[0].digest.clone()], None));
}

/// A binding that only a missing secret or this host's hardpoint.toml holds up is live elsewhere: nobody takes over who
/// would lose it.
#[tokio::test]
async fn what_this_host_alone_lacks_is_lost_by_nobody() {
    let asks = [&["kv = true\n"][..], &["scratch = true\n"]];
    let bytes = (0..).zip(asks).map(|(number, asks)| Bytes::new(number, ["1.0.0", "2.0.0"][number], asks));
    let mut world = World::new(true, bytes.collect()).await;
    world.take(&Step::Publish(0, Published::File(0))).await;
    world.take(&Step::Grant(None, None)).await;
    world.settle().await;
    let mut here = Config::clone(&world.desk.config);
    here.bindings.values_mut().for_each(|binding| binding.grant = Some(Default::default()));
    here.bindings.get_mut("one").unwrap().grant.as_mut().unwrap().scratch = true;
    world.desk.config = Arc::new(here);
    world.take(&Step::Publish(1, Published::File(0))).await;
    assert!(world.settle().await.idle.is_some());
    assert_eq!((world.row(0).await.state, world.row(1).await.state), (State::Active, State::PendingApproval));
}

/// Two hosts on one store, one of which has a fault in its hardpoint.toml: neither writes what the other takes back.
#[tokio::test]
async fn hosts_with_different_configurations_come_to_rest() {
    let bytes = vec![Bytes::new(0, "1.0.0", &["kv = true\n"]), Bytes::new(1, "2.0.0", &["scratch = true\n"])];
    let mut world = World::new(true, bytes).await;
    let sound = world.desk.config.clone();
    let mut faulty = Config::clone(&sound);
    faulty
        .bindings
        .values_mut()
        .for_each(|binding| drop(binding.settings.insert("base".to_owned(), json!(1))));
    let faulty = Arc::new(faulty);
    // What waits, what serves at one of them, and what waits beside that.
    let steps =
        [Step::Publish(0, Published::File(0)), Step::Grant(None, None), Step::Publish(1, Published::File(0))];
    for step in steps {
        world.take(&step).await;
        world.settle().await;
        let mut last = None;
        for turn in 0..6 {
            world.desk.config = if turn % 2 == 0 { faulty.clone() } else { sound.clone() };
            world.settle().await;
            let now = world.revision().await;
            assert!(turn < 2 || last == Some(now), "after {step:?}, turn {turn}");
            last = Some(now);
        }
    }
    assert_eq!(world.row(0).await.state, State::Active);
}

/// A binding that what serves does not have here either holds no other version up.
#[tokio::test]
async fn what_is_held_up_here_anyway_is_no_loss() {
    let bytes = (0..2).map(|number| Bytes::new(number, ["1.0.0", "2.0.0"][number], &["kv = true\n"]));
    let mut world = World::new(true, bytes.collect()).await;
    let mut here = Config::clone(&world.desk.config);
    let faulty = here.bindings.get_mut("three").unwrap();
    faulty.settings.insert("base".to_owned(), json!(1));
    world.desk.config = Arc::new(here);
    world.take(&Step::Publish(0, Published::File(0))).await;
    world.take(&Step::Grant(None, None)).await;
    assert!(world.settle().await.idle.is_none());
    world.take(&Step::Publish(1, Published::File(0))).await;
    world.settle().await;
    assert_eq!((world.row(0).await.state, world.row(1).await.state), (State::Superseded, State::Active));
}

/// A secret that only this host lacks does not hide what nobody allowed: elsewhere the binding would be lost.
#[tokio::test]
async fn what_is_not_allowed_is_lost_though_a_secret_is_lacking_too() {
    let asks = [&[WISHES[4]][..], &["scratch = true\n", WISHES[4]]];
    let bytes = ["1.0.0", "2.0.0"].into_iter().enumerate();
    let bytes = bytes.map(|(number, version)| Bytes::new(number, version, asks[number])).collect();
    let mut world = World::new(true, bytes).await;
    let mut sound = Config::clone(&world.desk.config);
    sound.bindings.remove("three");
    let mut lacking = sound.clone();
    lacking.bindings.get_mut("one").unwrap().secrets.insert("k".to_owned(), "key".to_owned());
    world.desk.config = Arc::new(sound);
    world.take(&Step::Publish(0, Published::File(0))).await;
    world.take(&Step::Grant(None, None)).await;
    world.settle().await;
    world.desk.config = Arc::new(lacking);
    world.take(&Step::Publish(1, Published::File(0))).await;
    world.take(&Step::Grant(Some(1), Some(1))).await;
    world.settle().await;
    assert_eq!((world.row(0).await.state, world.row(1).await.state), (State::Active, State::PendingApproval));
}
