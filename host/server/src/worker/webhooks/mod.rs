//! Sends webhooks: a lane for each endpoint that something is due for, so that a slow or dead one delays nobody else.

mod lane;
mod places;
pub mod round;
pub mod sweep;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::webhook::window::Window;
use hardpoint_store::{StoreError, webhooks};
use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::service::webhooks::round::LEASE;
use crate::state::{App, stopped};
use lane::Lane;
use places::{Paces, Places};

/// How often the store is asked for what other hosts queued, and for what is due again.
const PERIOD: Duration = Duration::from_secs(1);
/// How long what is being sent may still take when the server stops. What is cut off is sent again.
const LAST: Duration = Duration::from_secs(5);

/// Sends webhooks until the server stops.
pub async fn run(app: Arc<App>) {
    let mut stopping = app.stop.subscribe();
    let mut looks = interval(PERIOD);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lanes = Lanes::default();
    loop {
        tokio::select! {
            told = app.store.told().next() => lanes.wake(&app, told),
            _ = looks.tick() => match with_work(&app).await {
                Ok(found) => lanes.wake(&app, found),
                Err(error) => tracing::warn!(%error, "webhooks wait for the store"),
            },
            Some(ended) = lanes.tasks.join_next_with_id() => match ended {
                Ok((task, pace)) => lanes.ended(&app, task, pace),
                Err(error) => {
                    tracing::error!(%error, "a lane of webhooks ended badly");
                    drop(lanes.forget(error.id()));
                }
            },
            () = stopped(&mut stopping) => break,
        }
    }
    let rest = async { while lanes.tasks.join_next().await.is_some() {} };
    drop(timeout(LAST, rest).await);
}

async fn with_work(app: &App) -> Result<BTreeSet<String>, StoreError> {
    let found = webhooks::with_work(&mut app.store.read().await?, app.clock.now(), LEASE).await?;
    Ok(found.into_iter().collect())
}

/// The lanes that are at work.
#[derive(Default)]
struct Lanes {
    tasks: JoinSet<Window>,
    places: Arc<Places>,
    paces: Paces,
    by_endpoint: HashMap<String, Arc<Lane>>,
    by_task: HashMap<Id, String>,
}

impl Lanes {
    /// Something was queued for these endpoints, or is due again: a lane that waits for a slow answer has to hear of it.
    fn wake(&mut self, app: &Arc<App>, endpoints: BTreeSet<String>) {
        if !app.drift.is_right() {
            return;
        }
        for id in endpoints {
            match self.by_endpoint.get(&id) {
                Some(lane) => lane.wake(),
                None => self.open(app, id),
            }
        }
    }

    fn open(&mut self, app: &Arc<App>, id: String) {
        let lane = Arc::new(Lane::new(id.clone()));
        let (places, pace) = (self.places.clone(), self.paces.of(&id));
        let task = self.tasks.spawn(lane::run(app.clone(), lane.clone(), places, pace)).id();
        self.by_task.insert(task, id.clone());
        self.by_endpoint.insert(id, lane);
    }

    /// A lane found nothing more to do. What was queued in that very moment it may have missed.
    fn ended(&mut self, app: &Arc<App>, task: Id, pace: Window) {
        let Some(lane) = self.forget(task) else { return };
        self.paces.note(lane.endpoint_id().to_owned(), pace);
        if lane.was_woken() {
            self.open(app, lane.endpoint_id().to_owned());
        }
    }

    fn forget(&mut self, task: Id) -> Option<Arc<Lane>> {
        let id = self.by_task.remove(&task)?;
        self.by_endpoint.remove(&id)
    }
}
