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
