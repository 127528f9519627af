//! How deliveries to one endpoint go on beside what is written down of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use futures_util::poll;
use hardpoint_domain::event::{Actor, Event, Target};
use hardpoint_domain::time::{Clock, Timestamp};
use hardpoint_domain::webhook::answer::Outcome;
use hardpoint_domain::webhook::breaker::{Breaker, THRESHOLD};
use hardpoint_domain::webhook::schedule::LIFE;
use hardpoint_server::service::webhooks::round::LEASE;
use hardpoint_server::service::webhooks::send::Tried;
use hardpoint_server::worker::webhooks::round::{self, Batch};
use hardpoint_server::worker::webhooks::sweep;
use hardpoint_store::outbox::{self, Attempt, Claimed, Delivery, State};
use hardpoint_store::testing::{damage, raw};
use hardpoint_store::{Lane, Window, webhooks};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::{Semaphore, oneshot};

use crate::delivery_metrics::metric;
use crate::support::{TestApp, turned};

const PATIENCE: Duration = Duration::from_secs(60);

/// A host, and an endpoint that accepts so many deliveries and answers 500 from then on.
struct Scene {
    app: TestApp,
    endpoint: String,
    arrived: Arc<AtomicUsize>,
    /// So many answers it may still give.
    answers: Arc<Semaphore>,
    happened: AtomicUsize,
}

impl Scene {
    async fn start(accepts: usize) -> Self {
        Self::answering(accepts, Semaphore::MAX_PERMITS).await
    }

    /// One that answers so many deliveries, and then hangs.
    async fn answering(accepts: usize, answers: usize) -> Self {
        let (arrived, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(answers)));
        let (count, may_answer) = (arrived.clone(), answers.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Router::new().fallback(move || async move {
            let is_accepted = count.fetch_add(1, Ordering::SeqCst) < accepts;
            may_answer.acquire().await.unwrap().forget();
            if is_accepted { StatusCode::NO_CONTENT } else { StatusCode::INTERNAL_SERVER_ERROR }
        });
        tokio::spawn(crate::exports::axum_serve(listener, service));
        let allowed = format!("[egress]\nallow_internal_webhooks = [\"{address}\"]\n");
        let app = TestApp::with(&allowed, &[]).await;
        Self { arrived, answers, ..Self::of(app, &format!("http://{address}/")).await }
    }

    /// A host that sends to this address.
    async fn of(app: TestApp, url: &str) -> Self {
        let wanted = json!({ "url": url, "events": ["workspace.updated"] });
        let made = app.post("/api/v1/webhook_endpoints", &wanted).await.expect(201);
        let endpoint = made["id"].as_str().unwrap().to_owned();
        let (arrived, answers) = (Arc::default(), Arc::new(Semaphore::new(0)));
        Self { app, endpoint, arrived, answers, happened: AtomicUsize::new(0) }
    }

    /// So many events, in one transaction.
    async fn happen(&self, events: usize) {
        let now = self.app.app().clock.now();
        let organization = self.app.get("/api/v1/org").await.expect(200)["id"].as_str().unwrap().to_owned();
        let event = |number| Event {
            organization_id: Some(organization.clone()),
            ..Event::new(
                format!("evt_{number:04}"),
                now,
                "workspace.updated",
                Actor::system(),
                Target::new("workspace", "ws_1"),
            )
        };
        let first = self.happened.fetch_add(events, Ordering::SeqCst);
        let all: Vec<Event> = (first..first + events).map(event).collect();
        let write = self.app.app().store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                for event in &all {
                    tx.append(event, &[]).await?;
                }
                Ok(())
            })
        });
        write.await.unwrap();
    }

    /// Waits until so many were sent.
    async fn arrive(&self, sent: usize) {
        let arrived = async {
            while self.arrived.load(Ordering::SeqCst) < sent {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, arrived).await.expect("it is sent");
    }

    /// So that nothing is sent but what a test sends itself; or everything again.
    fn is_left_alone(&self, is_so: bool) {
        let database = if is_so { Timestamp::from_micros(i64::MAX) } else { Timestamp::from_micros(0) };
        self.app.app().drift.note(Timestamp::from_micros(0), database);
    }

    /// From here on nothing more is sent.
    async fn switch_off(&self) {
        let endpoint = format!("/api/v1/webhook_endpoints/{}", self.endpoint);
        let off = json!({ "enabled": false });
        self.app.ask(self.app.key(), Method::PUT, &endpoint, Some(&off)).await.expect(200);
    }

    /// Has a round written, as a lane does.
    async fn round(&self, batch: Batch) -> Vec<Claimed> {
        round::write(self.app.app(), self.endpoint.clone(), batch).await.unwrap().claimed
    }

    /// What was claimed and failed, of an endpoint that was switched off meanwhile.
    async fn failed(&self) -> Tried {
        let delivery = self.round(Batch { room: 1, ..Batch::default() }).await.remove(0).delivery;
        self.switch_off().await;
        self.is_left_alone(false);
        Tried {
            attempt: Attempt { at: delivery.accepted_at, status: Some(500), error: None, duration_ms: 1 },
            delivery,
            outcome: Outcome::Failed,
            retry_after: None,
            is_refused: false,
            is_lost: false,
            url: "http://127.0.0.1:1/".into(),
        }
    }

    /// Deliveries that are so far, once all of them are as they should be.
    async fn deliveries(&self, state: State, is_so: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
        let asked = async {
            loop {
                let mut conn = self.app.app().store.read().await.unwrap();
                let window = Window { limit: 1_000, offset: 0 };
                let (found, _) = outbox::list(&mut conn, &self.endpoint, Some(state), window).await.unwrap();
                if is_so(&found) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("it comes so far")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_a_crowd_is_sent_once() {
    let scene = Scene::start(usize::MAX).await;
    scene.happen(500).await;
    let made = scene.deliveries(State::Delivered, |made| made.len() == 500).await;
    assert!(made.iter().all(|one| one.attempt == 1 && one.attempts.len() == 1 && one.claim_id.is_none()));
    assert_eq!(scene.arrived.load(Ordering::SeqCst), 500);
}

/// By the time the endpoint fails all others have been claimed. Few of them are sent any more: its breaker opens, and
/// none keeps its claim.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_claimed_ahead_is_given_back_to_an_endpoint_that_fails() {
    let scene = Scene::start(12).await;
    scene.happen(60).await;
    let is_over = |open: &[Delivery]| {
        let failed = open.iter().filter(|one| one.last_error.is_some()).count();
        failed >= 5 && open.iter().all(|one| one.claim_id.is_none())
    };
    let open = scene.deliveries(State::Open, is_over).await;
    assert_eq!(open.len(), 48);
    let endpoint = scene.app.get(&format!("/api/v1/webhook_endpoints/{}", scene.endpoint)).await.expect(200);
    assert_eq!(endpoint["status"], "failing");
    let unsent = open.iter().filter(|one| one.attempt == 0 && one.attempts.is_empty()).count();
    let arrived = scene.arrived.load(Ordering::SeqCst);
    assert!(unsent >= 24 && arrived + unsent == 60, "{arrived} were sent, and {unsent} were not");
}

/// A host whose clock is wrong would take from others what they are at work on. (That nothing comes only time can show.)
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_by_a_host_whose_clock_is_far_off() {
    let scene = Scene::start(usize::MAX).await;
    let drift = &scene.app.app().drift;
    drift.note(Timestamp::from_micros(0), Timestamp::from_micros(i64::MAX));
    scene.happen(3).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let open = scene.deliveries(State::Open, |open| open.len() == 3).await;
    assert!(open.iter().all(|one| one.claim_id.is_none() && one.attempt == 0));
    drift.note(Timestamp::from_micros(0), Timestamp::from_micros(0));
    scene.deliveries(State::Delivered, |made| made.len() == 3).await;
}

/// It would drop what every host has still to send. A clock that is right finds the same three too old.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_given_up_by_a_host_whose_clock_is_far_off() {
    let scene = Scene::start(usize::MAX).await;
    let (app, drift) = (&scene.app, &scene.app.app().drift);
    drift.note(Timestamp::from_micros(0), Timestamp::from_micros(i64::MAX));
    scene.happen(3).await;
    scene.switch_off().await;
    app.clock().advance(Duration::from_secs(75 * 3_600));
    sweep::sweep(app.app()).await.unwrap();
    scene.deliveries(State::Open, |open| open.len() == 3).await;
    drift.note(Timestamp::from_micros(0), Timestamp::from_micros(0));
    sweep::sweep(app.app()).await.unwrap();
    scene.deliveries(State::Dropped, |dropped| dropped.len() == 3).await;
}

/// Its clock stepped by days while an attempt went on, and that fails.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_not_given_up_by_a_clock_that_is_far_off() {
    let scene = Scene::answering(0, 0).await;
    scene.happen(1).await;
    let before = scene.deliveries(State::Open, |open| open.len() == 1).await.remove(0);
    scene.arrive(1).await;
    scene.app.app().drift.note(Timestamp::from_micros(0), Timestamp::from_micros(i64::MAX));
    scene.app.clock().advance(Duration::from_secs(80 * 3_600));
    scene.answers.add_permits(1);
    let open = scene.deliveries(State::Open, |open| open[0].claim_id.is_none()).await.remove(0);
    assert_eq!((open.due_at, open.attempt, open.attempts.len()), (before.due_at, 0, 0));
}

/// What is under way may have arrived: it is not cut off because nothing more can be claimed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_goes_on_though_nothing_can_be_claimed() {
    let scene = Scene::answering(usize::MAX, 0).await;
    let sql = async |text: &'static str| {
        let write =
            scene.app.app().store.write(Lane::Bulk, move |tx| Box::pin(async move { raw(tx, text).await }));
        write.await.unwrap();
    };
    scene.happen(1).await;
    scene.arrive(1).await;
    sql(damage::NO_SECRETS).await;
    scene.happen(1).await;
    let failed = async {
        while metric(&scene.app, "webhook_rounds_failed_total").await < Some(1.0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, failed).await.expect("a round fails");
    sql(damage::SECRETS_AGAIN).await;
    scene.answers.add_permits(2);
    let made = scene.deliveries(State::Delivered, |made| made.len() == 2).await;
    assert!(made.iter().all(|one| one.attempt == 1), "{made:?}");
    assert_eq!(scene.arrived.load(Ordering::SeqCst), 2);
}

/// Else nothing of it could be sent any more, again and again: an attempt must not outlast its claim.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_waited_long_begins_when_it_is_made() {
    let scene = Scene::start(usize::MAX).await;
    scene.is_left_alone(true);
    scene.happen(1).await;
    let ((begin, begun), (end, ended)) = (oneshot::channel(), oneshot::channel());
    let store = scene.app.app().store.clone();
    let before_it = tokio::spawn(async move {
        let write = store.write(Lane::Bulk, move |_| {
            Box::pin(async move {
                begin.send(()).unwrap();
                ended.await.unwrap();
                Ok(())
            })
        });
        write.await
    });
    begun.await.unwrap();
    let mut waits = Box::pin(scene.round(Batch { room: 1, ..Batch::default() }));
    assert!(poll!(&mut waits).is_pending());
    scene.app.clock().advance(Duration::from_secs(60));
    let least = scene.app.clock().now().plus(LEASE);
    end.send(()).unwrap();
    let claimed = waits.await;
    before_it.await.unwrap().unwrap();
    assert!(claimed[0].delivery.lease_until >= Some(least), "{:?}", claimed[0].delivery.lease_until);
}

/// The clock was right when it was compared, and days ahead when what failed was written down.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_judged_by_the_time_that_was_compared() {
    let scene = Scene::start(0).await;
    scene.is_left_alone(true);
    scene.happen(1).await;
    let failed = scene.failed().await;
    let accepted = failed.delivery.accepted_at;
    turned(2 * LIFE, scene.round(Batch { tried: vec![failed], ..Batch::default() })).await;
    assert!(scene.app.clock().now().since(accepted) > LIFE);
    let after = scene.deliveries(State::Open, |open| open.len() == 1).await.remove(0);
    assert_eq!((after.state, after.attempts.len()), (State::Open, 1));
    assert!(after.due_at.since(accepted) < Duration::from_secs(10), "{after:?}");
}

/// Given back it would be sent again at once, for as long as the database is slow.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_and_cannot_be_judged_keeps_its_claim() {
    let Some(app) = TestApp::on_postgres("").await else { return };
    let scene = Scene::of(app, "https://example.com/").await;
    scene.is_left_alone(true);
    scene.happen(1).await;
    let failed = scene.failed().await;
    let claim = failed.delivery.claim_id.clone();
    // So long the database takes to tell the time.
    turned(Duration::from_secs(2), scene.round(Batch { tried: vec![failed], ..Batch::default() })).await;
    let after = scene.deliveries(State::Open, |open| open.len() == 1).await.remove(0);
    assert_eq!((after.claim_id, after.attempts.len()), (claim, 0));
}

/// The same of what is swept.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_told_by_the_time_that_was_compared() {
    let scene = Scene::start(0).await;
    scene.is_left_alone(true);
    scene.happen(3).await;
    scene.switch_off().await;
    scene.is_left_alone(false);
    turned(2 * LIFE, sweep::sweep(scene.app.app())).await.unwrap();
    scene.deliveries(State::Open, |open| open.len() == 3).await;
    sweep::sweep(scene.app.app()).await.unwrap();
    scene.deliveries(State::Dropped, |dropped| dropped.len() == 3).await;
}

/// By a clock that was ahead. All that fails until then would be sent again at once, and five times in a row.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_recovered_later_recovered_now() {
    let scene = Scene::start(0).await;
    let store = &scene.app.app().store;
    let ahead = scene.app.clock().now().plus(Duration::from_secs(3_600));
    let recovered = Breaker { recovered_at: Some(ahead), ..Breaker::default() };
    let id = scene.endpoint.clone();
    let write = store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { webhooks::set_health(tx, &id, &recovered).await })
    });
    write.await.unwrap();
    scene.happen(1).await;
    let over = async {
        loop {
            let mut conn = store.read().await.unwrap();
            let endpoint = webhooks::get(&mut conn, &scene.endpoint).await.unwrap().unwrap();
            let breaker = Breaker::from(&endpoint.health);
            if breaker.recovered_at.is_none() {
                return breaker;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let breaker = tokio::time::timeout(PATIENCE, over).await.expect("all that failed before was tried");
    assert!(!breaker.is_open() && (1..THRESHOLD).contains(&breaker.failures), "{breaker:?}");
}
