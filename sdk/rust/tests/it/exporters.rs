use hardpoint_sdk::exporter::{Batch, DeliveryEffect, Event, Exporter, Verdict};
use hardpoint_sdk::request::ResponseHead;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, Delivered, delivery};
use hardpoint_sdk::{Effects, Failure, FailureKind, Machine, NoSettings, Request};

/// Sends, asks once more after a wait where it is told to, and counts its deliveries.
pub(crate) enum Patient {}

pub(crate) struct Delivery {
    events: u32,
    deliveries: u8,
}

impl Exporter for Patient {
    type Settings = NoSettings;
    type Delivery = Delivery;

    fn deliver(batch: Batch, _: NoSettings, state: Option<Vec<u8>>) -> Result<Delivery, Failure> {
        let deliveries = state.and_then(|state| state.first().copied()).unwrap_or(0);
        Ok(Delivery { events: batch.events.len() as u32, deliveries })
    }
}

impl Machine for Delivery {
    type Effect = DeliveryEffect;

    fn started(&mut self, out: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
        out.send(Request::post("https://example.com/"));
        Ok(())
    }

    fn resumed(&mut self, out: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
        self.started(out)
    }

    fn head(&mut self, head: ResponseHead, out: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
        match head.status {
            200 => {
                (0..self.events).for_each(|index| out.delivered(index));
                out.save(vec![self.deliveries + 1]);
            }
            202 => out.wait(250),
            400 => out.split(),
            401 => out.park("wrong key"),
            410 => (0..self.events).for_each(|index| out.drop_event(index, "gone")),
            429 => (0..self.events).for_each(|index| out.verdict(index, Verdict::RetryAfter(1_000))),
            status => return Err(Failure::of_status(status, "no")),
        }
        Ok(())
    }
}

fn run(statuses: &[u16]) -> Delivered {
    let event = |id: &str| Event { id: id.into(), kind: "a.b".into(), time: 1, body: "{}".into() };
    let batch = Batch { attempt: 1, now: 2, events: vec![event("evt_1"), event("evt_2")] };
    let script = delivery::<Patient>(batch, json!({})).state([4]);
    statuses.iter().fold(script, |script, status| script.answer(Answer::new(*status).chunk("{}"))).every_way()
}

#[test]
fn verdicts_are_gathered() {
    let done = run(&[200]);
    assert!(done.all_delivered(2));
    assert_eq!(done.saved, Some(vec![5]));
    assert!(run(&[400]).is_split);
    assert_eq!(run(&[401]).parked.as_deref(), Some("wrong key"));
    assert_eq!(run(&[410]).verdicts[&1], Verdict::Drop("gone".into()));
    assert_eq!(run(&[429]).verdicts[&0], Verdict::RetryAfter(1_000));
    assert_eq!(run(&[503]).failure.unwrap().kind, FailureKind::Overloaded);
}

#[test]
fn waits_are_over_at_once() {
    let done = run(&[202, 202, 200]);
    assert_eq!((done.waits.as_slice(), done.sent.len()), (&[250, 250][..], 3));
    assert!(done.all_delivered(2));
}
