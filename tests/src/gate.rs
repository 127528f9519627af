//! Conditions that scripted behaviour waits for, in the place of delays.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Closed at first. Whoever waits goes on, one for each time it was opened.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets so many pass, now or later.
    pub fn let_pass(&self, count: usize) {
        self.0.add_permits(count);
    }

    /// Lets everyone pass from now on.
    pub fn open(&self) {
        self.0.close();
    }

    /// Waits for its turn.
    pub async fn pass(&self) {
        // An error says that the gate is open for good.
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}
