//! Waiting for a condition. What waits is bounded, so that a test that hangs fails and says where.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How long a test waits for what should come at once. Generous: it is no measurement.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for the future; fails the test if it takes too long.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {} s for {what}", PATIENCE.as_secs()),
    }
}

/// Asks again and again until there is an answer; fails the test if there is none for too long.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ask().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {} s for {what}", PATIENCE.as_secs());
        // What is asked about happens in another process: there is nothing to be woken by.
        sleep(Duration::from_millis(10)).await;
    }
}
