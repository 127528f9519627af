//! Jobs that are done beside each other, each in a task of its own, so that none waits for another.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::sleep;

use crate::state::stopped;

/// The jobs that are under way here, with what is to be known of each meanwhile.
pub(super) struct Crew<T> {
    tasks: JoinSet<()>,
    running: HashMap<Id, T>,
}

impl<T> Crew<T> {
    /// Nobody is at work yet.
    pub(super) fn new() -> Self {
        Self { tasks: JoinSet::new(), running: HashMap::new() }
    }

    /// What is under way.
    pub(super) fn running(&mut self) -> impl ExactSizeIterator<Item = &T> {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(ended);
        }
        self.running.values()
    }

    /// Begins with another job.
    pub(super) fn begin(&mut self, job: T, work: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(work);
        self.running.insert(task.id(), job);
    }

    /// Waits until there may be something to do: a job has ended, somebody rang, so long is over, or the server is to stop.
    pub(super) async fn rest<B>(
        &mut self,
        bell: &mut watch::Receiver<B>,
        stopping: &mut watch::Receiver<bool>,
        wait: Duration,
    ) {
        tokio::select! {
            _ = bell.changed() => {}
            Some(ended) = self.tasks.join_next_with_id() => self.forget(ended),
            () = sleep(wait) => {}
            () = stopped(stopping) => {}
        }
    }

    /// Waits for what is under way. Each ends by itself soon after the server is to stop.
    pub(super) async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.running.remove(&task);
    }
}
