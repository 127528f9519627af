use std::collections::VecDeque;

use super::answer::{Answer, Cut};
use super::sent::Sent;
use crate::failure::Failure;
use crate::machine::{Machine, Observation, Slot};
use crate::request::HttpRequest;

/// More calls than any script needs.
const MAX_CALLS: usize = 1_000_000;

/// What the driver must know of an effect.
pub(super) enum Step {
    Send(HttpRequest),
    /// Call again with `resumed`, at once.
    Resume,
    /// Call again with `resumed`, after what is under way: waiting takes longer than an answer.
    Wait,
    /// The exchange is over.
    Finish,
    /// Gathered by the caller.
    Done,
}

/// Drives a machine through a script. Answers belong to requests in the order these are sent; one answer is
/// told after the other. True if the machine finished, false if there was nothing left to tell it.
pub(super) fn drive<M: Machine>(
    machine: M,
    script: &[Answer],
    cut: Cut,
    sent: &mut Vec<Sent>,
    mut gather: impl FnMut(M::Effect) -> Step,
) -> Result<bool, Failure> {
    let slot = Slot::new(machine);
    let mut answers = script.iter();
    let mut queue = VecDeque::from([Observation::Started]);
    let mut calls = 0;
    while let Some(seen) = queue.pop_front() {
        calls += 1;
        assert!(calls < MAX_CALLS, "the machine asks to be called for ever");
        let (mut resumes, mut waits) = (0, 0);
        let mut is_finished = false;
        for effect in slot.advance(seen)? {
            assert!(!is_finished, "the machine asked for more after it finished");
            match gather(effect) {
                Step::Done => {}
                Step::Finish => is_finished = true,
                Step::Resume => resumes += 1,
                Step::Wait => waits += 1,
                Step::Send(request) => {
                    let exchange = request.exchange;
                    let is_under_way = queue.iter().any(|seen| number(seen) == Some(exchange));
                    assert!(!is_under_way, "exchange {exchange} is still under way");
                    sent.push(Sent::check(request));
                    let Some(answer) = answers.next() else {
                        panic!("the script has no answer to this request: {:?}", sent.last());
                    };
                    queue.extend(answer.observations(exchange, cut));
                }
            }
        }
        if is_finished {
            assert_eq!(answers.count(), 0, "the script has answers to requests that were never sent");
            return Ok(true);
        }
        assert!(resumes + waits <= 1, "the machine asked twice to be called again");
        if resumes == 1 {
            queue.push_front(Observation::Resumed);
        }
        if waits == 1 {
            queue.push_back(Observation::Resumed);
        }
    }
    assert_eq!(answers.count(), 0, "the script has answers to requests that were never sent");
    Ok(false)
}

fn number(seen: &Observation) -> Option<u32> {
    match seen {
        Observation::Head(head) => Some(head.exchange),
        Observation::Body(body) => Some(body.exchange),
        Observation::Ended(exchange) => Some(*exchange),
        Observation::Broken(failure) => Some(failure.exchange),
        Observation::Started | Observation::Resumed => None,
    }
}

/// Runs a script as it is, then cut at every single point, byte by byte, and by threes, and requires the same
/// outcome each time.
pub(super) fn every_way<T: PartialEq + std::fmt::Debug>(script: &[Answer], run: impl Fn(Cut) -> T) -> T {
    let whole = run(Cut::AsGiven);
    let longest = script.iter().map(Answer::length).max().unwrap_or(0);
    for at in 0..=longest {
        assert_eq!(run(Cut::At(at)), whole, "cut at byte {at}, it came out otherwise");
    }
    for size in [1, 2, 3, 7] {
        assert_eq!(run(Cut::Every(size)), whole, "in pieces of {size} bytes, it came out otherwise");
    }
    whole
}
