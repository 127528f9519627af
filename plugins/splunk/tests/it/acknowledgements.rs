use hardpoint_sdk::exporter::{Batch, Verdict};
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, Delivered, End};

use super::{NOW, accepted, acks, batch, event, events, ids, reply, state, success, to_splunk};

const ACK_URL: &str = "https://splunk.example.com:8088/services/collector/ack";

fn all(done: &Delivered, count: usize, verdict: &Verdict) -> bool {
    done.failure.is_none()
        && done.verdicts.len() == count
        && done.verdicts.values().all(|given| given == verdict)
}

/// Five times not yet: as long as one attempt waits.
fn patience(
    script: hardpoint_sdk::testing::Delivery<splunk::Splunk>,
    ack: u64,
) -> hardpoint_sdk::testing::Delivery<splunk::Splunk> {
    (0..5).fold(script, |script, _| script.answer(acks(&[(ack, false)])))
}

/// What is left of an attempt at so many events in which nothing was acknowledged.
fn interrupted(count: usize) -> Vec<u8> {
    let done = patience(to_splunk(events(count), json!({})).answer(accepted(7)), 7).run();
    assert!(all(&done, count, &Verdict::RetryAfter(5_000)), "{done:?}");
    done.saved.unwrap()
}

#[test]
fn delivered_once_acknowledged() {
    let script = to_splunk(events(3), json!({})).answer(accepted(0)).answer(acks(&[(0, false)]));
    let done = script.answer(acks(&[(0, true)])).every_way();
    assert!(done.all_delivered(3), "{done:?}");
    assert_eq!(done.waits, [1_000, 1_000]);
    let [sent, first, second] = &done.sent[..] else { panic!("{:?}", done.sent) };
    assert_eq!((first.url.as_str(), first.gzip), (ACK_URL, false));
    assert_eq!(first.json(), json!({ "acks": [0] }));
    assert_eq!(first, second);
    let channel = sent.header("x-splunk-request-channel").unwrap();
    assert_eq!(first.header("x-splunk-request-channel"), Some(channel));
    assert_eq!(first.header("authorization"), Some("Splunk {secret:hec_token}"));
    // The channel is kept, and nothing is open.
    assert_eq!(state(done.saved.as_ref()), json!({ "channel": channel }));
}

#[test]
fn what_is_open_is_kept_and_not_sent_again() {
    let saved = interrupted(2);
    let kept = state(Some(&saved));
    assert_eq!(kept["open"], json!([{ "ack": 7, "at": NOW, "events": ["evt_0", "evt_1"] }]));
    let again = || {
        to_splunk(Batch { attempt: 2, now: NOW + 15_000_000, ..events(2) }, json!({})).state(saved.clone())
    };
    // Asked for at once, on the same channel.
    let done = again().answer(acks(&[(7, true)])).every_way();
    assert!(done.all_delivered(2) && done.waits.is_empty() && done.sent.len() == 1, "{done:?}");
    assert_eq!(done.sent[0].url, ACK_URL);
    assert_eq!(done.sent[0].header("x-splunk-request-channel"), kept["channel"].as_str());
    assert_eq!(state(done.saved.as_ref()).get("open"), None);
    // Still nothing: it goes on waiting.
    let done = patience(again().answer(acks(&[(7, false)])), 7).run();
    assert!(all(&done, 2, &Verdict::RetryAfter(5_000)) && done.saved.is_none(), "{done:?}");
    assert!(done.sent.iter().all(|sent| sent.url == ACK_URL));
}

#[test]
fn only_what_is_new_is_sent() {
    let batch = Batch { now: NOW + 15_000_000, ..events(4) };
    let script =
        to_splunk(batch, json!({})).state(interrupted(2)).answer(acks(&[(7, false)])).answer(accepted(8));
    let done = script.answer(acks(&[(7, true), (8, false)])).answer(acks(&[(8, true)])).every_way();
    assert!(done.all_delivered(4), "{done:?}");
    assert_eq!(ids(&done.sent[1]), ["evt_2", "evt_3"]);
    assert_eq!(done.sent[2].json(), json!({ "acks": [7, 8] }));
    assert_eq!(done.sent[3].json(), json!({ "acks": [8] }));
}

#[test]
fn sent_again_after_the_time_for_acknowledgements() {
    let at = |now: u64| {
        let batch = Batch { now, ..events(2) };
        to_splunk(batch, json!({ "acknowledgement_timeout_s": 30 }))
            .state(interrupted(2))
            .answer(acks(&[(7, false)]))
    };
    // To the second: not before, and then on the same channel under a new id. It is asked for once more first.
    let done = patience(at(NOW + 19_000_000), 7).run();
    assert!(done.sent.iter().all(|sent| sent.url == ACK_URL), "{done:?}");
    let done = at(NOW + 30_000_001).answer(accepted(8)).answer(acks(&[(8, true)])).every_way();
    assert!(done.all_delivered(2), "{done:?}");
    assert_eq!(ids(&done.sent[1]), ["evt_0", "evt_1"]);
    // Within an attempt, too: 1 and 1 s after 29.
    let script = at(NOW + 29_000_000).answer(acks(&[(7, false)])).answer(acks(&[(7, false)]));
    let done = script.answer(accepted(8)).answer(acks(&[(8, true)])).run();
    assert!(done.all_delivered(2), "{done:?}");
    assert_eq!(done.sent[3].url, "https://splunk.example.com:8088/services/collector/event");
    // Told late is told in time.
    let batch = Batch { now: NOW + 3_600_000_000, ..events(2) };
    let done = to_splunk(batch, json!({})).state(interrupted(2)).answer(acks(&[(7, true)])).run();
    assert!(done.all_delivered(2));
}

#[test]
fn an_acknowledgement_is_remembered_for_events_that_are_offered_later() {
    // Splunk tells it once; the second half comes after that.
    let half = |from: usize| batch((from..from + 2).map(|number| event(number, "{}")).collect());
    let first = to_splunk(half(0), json!({})).state(interrupted(4)).answer(acks(&[(7, true)])).run();
    assert!(first.all_delivered(2), "{first:?}");
    let saved = first.saved.unwrap();
    assert_eq!(state(Some(&saved))["open"], json!([{ "at": NOW, "events": ["evt_2", "evt_3"] }]));
    let second = to_splunk(half(2), json!({})).state(saved).run();
    assert!(second.all_delivered(2) && second.sent.is_empty(), "{second:?}");
    assert_eq!(state(second.saved.as_ref()).get("open"), None);
}

#[test]
fn what_is_too_old_and_of_other_events_is_forgotten() {
    let other = || batch(vec![event(9, "{}")]);
    let now = |now: u64| Batch { now, ..other() };
    let fresh = to_splunk(now(NOW + 300_000_000), json!({})).state(interrupted(2)).answer(success()).run();
    assert!(fresh.all_delivered(1) && fresh.saved.is_none(), "what is open stays as it is: {fresh:?}");
    let old = to_splunk(now(NOW + 300_000_001), json!({})).state(interrupted(2)).answer(success()).run();
    assert_eq!(state(old.saved.as_ref()).get("open"), None);
}

#[test]
fn required_off_and_auto() {
    let with = |mode: &str| to_splunk(events(2), json!({ "acknowledgement": mode }));
    let done = with("required").answer(success()).run();
    assert!(done.parked.is_some_and(|reason| reason.contains("`required`")) && done.verdicts.is_empty());
    assert!(with("auto").answer(success()).run().all_delivered(2));
    let done = with("off").answer(accepted(3)).run();
    assert!(done.all_delivered(2) && done.saved.is_none(), "{done:?}");
    assert_eq!(done.sent[0].header("x-splunk-request-channel"), None);
    // Where nothing beside `/event` is granted nobody can be asked.
    let settings =
        json!({ "acknowledgement": "required", "intake_url": "https://a.example/services/collector/event" });
    let done = to_splunk(events(1), settings).answer(accepted(3)).run();
    assert!(done.parked.is_some_and(|reason| reason.contains("ends in /services/collector")));
}

#[test]
fn acknowledgements_switched_off_in_the_meantime() {
    let off = || reply(400, 14, "ACK is disabled");
    let done = to_splunk(events(2), json!({})).answer(accepted(1)).answer(off()).every_way();
    assert!(done.all_delivered(2) && state(done.saved.as_ref()).get("open").is_none(), "{done:?}");
    let required = json!({ "acknowledgement": "required" });
    let done = to_splunk(events(2), required).answer(accepted(1)).answer(off()).every_way();
    assert_eq!(done.parked.as_deref(), Some("Splunk answered 400, code 14 (ACK is disabled)"));
    assert!(done.saved.is_some());
}

#[test]
fn trouble_while_asking_loses_nothing() {
    use TransportFailureKind::{Connect, Denied, Reset, Timeout};
    for trouble in [
        Answer::new(503),
        reply(503, 9, "Server is busy"),
        reply(503, 19, "HEC is unhealthy, ack service unavailable"),
        Answer::failed(Connect),
        Answer::failed(Timeout),
        Answer::failed(Reset),
    ] {
        let done = to_splunk(events(2), json!({})).answer(accepted(7)).answer(trouble).every_way();
        assert!(all(&done, 2, &Verdict::RetryAfter(5_000)), "{done:?}");
        assert_eq!(state(done.saved.as_ref())["open"][0]["ack"], 7);
    }
    for trouble in [
        reply(403, 4, "Invalid token"),
        reply(400, 10, "Data channel is missing"),
        reply(400, 6, "Invalid data format"),
        Answer::new(404),
        Answer::failed(Denied),
    ] {
        let done = to_splunk(events(2), json!({})).answer(accepted(7)).answer(trouble).every_way();
        assert!(done.parked.is_some() && done.verdicts.is_empty(), "{done:?}");
        assert_eq!(state(done.saved.as_ref())["open"][0]["ack"], 7);
    }
    // Trouble before anything new was sent holds that back, too.
    let batch = Batch { now: NOW + 1, ..events(4) };
    let done = to_splunk(batch, json!({})).state(interrupted(2)).answer(Answer::new(500)).run();
    assert!(all(&done, 4, &Verdict::RetryAfter(5_000)) && done.sent.len() == 1, "{done:?}");
}

#[test]
fn answers_that_cannot_be_read_tell_nothing() {
    for body in ["", "{", "[]", r#"{"acks":[7]}"#, r#"{"acks":{"7":"true"}}"#, r#"{"acks":{"7":1,"8":true}}"#]
    {
        let script = to_splunk(events(1), json!({})).answer(accepted(7)).answer(Answer::new(200).chunk(body));
        let done = script.answer(acks(&[(7, true)])).run();
        assert!(done.all_delivered(1) && done.waits.len() == 2, "{body}: {done:?}");
    }
    // Of an answer that breaks off, what is there may be all: it is asked for again.
    let broken = Answer::new(200).chunk(r#"{"acks":{"7":tr"#).end(End::Broken(TransportFailureKind::Reset));
    let script = to_splunk(events(1), json!({})).answer(accepted(7)).answer(broken);
    assert!(script.answer(acks(&[(7, true)])).run().all_delivered(1));
}

#[test]
fn an_acknowledgement_id_that_was_lost_on_the_way() {
    let broken = Answer::new(200).chunk(r#"{"text":"Succ"#).end(End::Broken(TransportFailureKind::Reset));
    let done = to_splunk(events(2), json!({})).answer(broken.clone()).every_way();
    assert!(all(&done, 2, &Verdict::RetryAfter(5_000)), "{done:?}");
    let done = to_splunk(events(2), json!({ "acknowledgement": "off" })).answer(broken).every_way();
    assert!(done.all_delivered(2));
}

#[test]
fn a_splunk_that_was_started_anew_counts_from_the_beginning() {
    let batch = Batch { now: NOW + 1, ..events(3) };
    let script = to_splunk(batch, json!({})).state(interrupted(2)).answer(acks(&[(7, false)]));
    // The same id for something else: of what waited for it nothing will be told any more.
    let done = script.answer(accepted(7)).answer(accepted(8)).answer(acks(&[(7, true), (8, true)])).run();
    assert_eq!(
        (ids(&done.sent[1]), ids(&done.sent[2])),
        (vec!["evt_2".into()], vec!["evt_0".into(), "evt_1".into()])
    );
    assert!(done.all_delivered(3), "{done:?}");
}
