//! The deliveries to one endpoint that are under way on this host.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hardpoint_domain::webhook::window::Window;
use hardpoint_store::{Lane as Queue, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::service::webhooks::round::{Next, Round};
use crate::service::webhooks::send::{self, Letter, Tried};
use crate::state::App;

/// How long a lane waits for the store before it tries to write down again what became of its deliveries.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
/// How often it tries. The deliveries are made again when their claims have lapsed.
const TRIES: usize = 10;

/// A lane, as its keeper sees it.
#[derive(Debug)]
pub(super) struct Lane {
    endpoint_id: String,
    woken: AtomicBool,
    bell: Notify,
}

impl Lane {
    pub(super) fn new(endpoint_id: String) -> Self {
        Self { endpoint_id, woken: AtomicBool::new(false), bell: Notify::new() }
    }

    pub(super) fn endpoint_id(&self) -> &str {
        &self.endpoint_id
    }

    /// Something was queued for it.
    pub(super) fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
        self.bell.notify_one();
    }

    /// Whether something was queued since it last looked.
    pub(super) fn was_woken(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }
}

/// Sends what is due until nothing is.
pub(super) async fn run(app: Arc<App>, lane: Arc<Lane>) {
    let (mut under_way, mut window) = (JoinSet::new(), Window::default());
    let mut tried: Vec<Tried> = Vec::new();
    loop {
        lane.was_woken();
        tried.iter().for_each(|one| window.learn(one.outcome, one.attempt.duration_ms));
        let room = if app.stop.is_stopping() { 0 } else { window.size().saturating_sub(under_way.len()) };
        let next = match round(&app, &lane.endpoint_id, std::mem::take(&mut tried), room).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(%error, endpoint = lane.endpoint_id, "webhooks wait for the store");
                return;
            }
        };
        launch(&app, &mut under_way, next);
        if under_way.is_empty() {
            if lane.was_woken() {
                continue;
            }
            return;
        }
        tokio::select! {
            Some(ended) = under_way.join_next() => tried.extend(ended.ok()),
            () = lane.bell.notified() => {}
        }
        while let Some(ended) = under_way.try_join_next() {
            tried.extend(ended.ok());
        }
    }
}

/// A round in one transaction, tried again while the store is away.
async fn round(app: &App, endpoint_id: &str, tried: Vec<Tried>, room: usize) -> Result<Next, StoreError> {
    let mut tries = 0;
    loop {
        let round = Round {
            endpoint_id: endpoint_id.to_owned(),
            tried: tried.clone(),
            room,
            now: app.clock.now(),
            rng: app.rng.clone(),
            post: app.post.clone(),
        };
        tries += 1;
        match app.store.write(Queue::Bulk, |tx| Box::pin(round.run(tx))).await {
            Err(_) if tries < TRIES && !tried.is_empty() && !app.stop.is_stopping() => {
                sleep(AFTER_TROUBLE).await;
            }
            outcome => return outcome,
        }
    }
}

/// Sends what was claimed.
fn launch(app: &Arc<App>, under_way: &mut JoinSet<Tried>, next: Next) {
    let letter = Letter { url: next.url.into(), secrets: next.secrets.into(), body: None };
    for (delivery, body) in next.claimed {
        let (app, letter) = (app.clone(), Letter { body, ..letter.clone() });
        under_way.spawn(async move { send::attempt(&app, delivery, letter).await });
    }
}
