//! One snapshot a request, and old generations that go away.

use std::time::Duration;

use hardpoint_domain::grant::Permissions;
use hardpoint_domain::message::Delta;

use crate::support::{TestRuntime, context, repacked, request, spec};

fn version(number: u32) -> String {
    format!("id = \"hostile-model\"\nversion = \"{number}.0.0\"\nkind = \"model\"\ndescription = \"x\"\n")
}

#[tokio::test]
async fn a_request_keeps_its_version_and_the_next_one_has_the_new() {
    let test = TestRuntime::start();
    let mut generations = Vec::new();
    for number in 1..=2 {
        generations.push(test.runtime.load(repacked("hostile-model", &version(number))).await.unwrap());
    }
    let second = generations.pop().unwrap();
    let first = generations.pop().unwrap();
    let publish = |generation: &std::sync::Arc<hardpoint_runtime::Generation>| {
        let spec = spec(generation, Permissions::default());
        test.runtime.publish(vec![generation.clone()], vec![spec]);
    };
    publish(&first);
    let old = test.runtime.snapshot().binding("hostile-model").unwrap().clone();
    let mut completion = old.complete(context(), &request("text for ever"), "m").await.unwrap();
    assert!(matches!(completion.next().await, Some(Ok(Delta::Text(_)))));

    publish(&second);
    let new = test.runtime.snapshot().binding("hostile-model").unwrap().clone();
    assert_eq!(new.plugin_version(), "hostile-model@2.0.0");
    assert!(matches!(completion.next().await, Some(Ok(Delta::Text(_)))), "the stream goes on");
    assert_eq!(first.live(), 1);
    assert!(first.is_retired() && !second.is_retired());

    drop(completion);
    assert_eq!(first.live(), 0);
    drop((old, first));
    assert!(test.runtime.draining().is_empty(), "nothing refers to the old version any more");
}

#[tokio::test]
async fn a_stream_that_outlives_the_drain_is_stopped() {
    let test = TestRuntime::with(|config| config.drain_streams = Duration::from_secs(60));
    let binding = test.bind("hostile-model", Permissions::default()).await;
    // Not before: where the guest has to be compiled first, the compiler's time would be over at once.
    tokio::time::pause();
    let mut completion = binding.complete(context(), &request("text for ever"), "m").await.unwrap();
    assert!(matches!(completion.next().await, Some(Ok(_))));
    test.runtime.publish(Vec::new(), Vec::new());
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert!(matches!(completion.next().await, Some(Ok(_))));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let failure = loop {
        match completion.next().await {
            Some(Ok(_)) => {}
            Some(Err(failure)) => break failure,
            None => panic!("it ended as if nothing had happened"),
        }
    };
    assert_eq!(failure.code.as_deref(), Some("plugin_retired"), "{failure}");
}

/// What is taken out of service for a while is not on its way out any more once it is back, however often.
#[tokio::test]
async fn what_comes_back_into_service_does_not_drain() {
    let test = TestRuntime::with(|config| config.drain_streams = Duration::from_secs(60));
    let generation = test.load("hostile-model").await;
    let publish = || {
        let spec = spec(&generation, Permissions::default());
        test.runtime.publish(vec![generation.clone()], vec![spec]);
        test.runtime.snapshot().binding("hostile-model").unwrap().clone()
    };
    publish();
    // Not before: where the guest has to be compiled first, the compiler's time would be over at once.
    tokio::time::pause();
    for away in [1, 45, 90] {
        test.runtime.publish(Vec::new(), Vec::new());
        assert!(generation.is_retired());
        tokio::time::sleep(Duration::from_secs(away)).await;
        let binding = publish();
        assert!(!generation.is_retired() && test.runtime.draining().is_empty());
        let mut completion = binding.complete(context(), &request("text for ever"), "m").await.unwrap();
        assert!(matches!(completion.next().await, Some(Ok(_))));
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert!(matches!(completion.next().await, Some(Ok(_))), "after {away} s away");
    }
}
