//! Attempts, fallbacks, failures midway, cancellation.

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn the_first_answer_is_passed_on() {
    let script = Script::new(vec![play([text("Three"), text(""), text("."), used(9, 2), STOP])]);
    let mut run = run(&[&script], false, &[]);
    run.open().await.unwrap();
    assert_eq!((run.model(), run.plugin().as_str()), ("first", "script@1.0.0"));
    assert_eq!(shown(&mut run).await, [text("Three"), text("."), STOP]);
    assert_eq!(run.usage(), Usage { input_tokens: 9, output_tokens: 2, ..Usage::default() });
    assert_eq!(script.asked()[0].1, "first-upstream");
    assert!(run.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn transient_failures_are_tried_again_after_growing_waits() {
    let midway = Scene::Play(vec![Ok(used(5, 0)), Ok(text("")), Err(failure(FailureKind::Reset))]);
    let script = Script::new(vec![
        Scene::Refuse(failure(FailureKind::Upstream)),
        midway,
        play([text("Three"), used(9, 1), STOP]),
    ]);
    let mut run = run(&[&script], false, &[]);
    let begun = Instant::now();
    run.open().await.unwrap();
    let waited = begun.elapsed();
    assert!(
        (Duration::from_millis(299)..Duration::from_millis(303)).contains(&waited),
        "100 ms, then 200 ms: {waited:?}"
    );
    assert_eq!(shown(&mut run).await, [text("Three"), STOP]);
    assert_eq!(run.usage().input_tokens, 9, "what failed attempts told is not counted");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_within_its_bound() {
    let asked_for = |seconds| {
        let mut busy = failure(FailureKind::RateLimited);
        busy.retry_after = Some(Duration::from_secs(seconds));
        Scene::Refuse(busy)
    };
    let script = Script::new(vec![asked_for(7), play([STOP])]);
    let mut patient = run(&[&script], false, &[]);
    let begun = Instant::now();
    patient.open().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(7));

    let script = Script::new(vec![asked_for(11)]);
    let mut run = run(&[&script], false, &[]);
    let begun = Instant::now();
    assert_eq!(run.open().await.unwrap_err().retry_after, Some(Duration::from_secs(11)));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_next_model_answers_when_attempts_are_used_up() {
    let refuse = || Scene::Refuse(failure(FailureKind::Overloaded));
    let first = Script::new(vec![refuse(), refuse(), refuse()]);
    let second = Script::new(vec![play([text("Three"), STOP])]);
    let mut run = run(&[&first, &second], false, &[]);
    run.open().await.unwrap();
    assert_eq!(run.model(), "second");
    assert_eq!((first.asked().len(), second.asked()[0].1.as_str()), (3, "second-upstream"));
    assert_eq!(shown(&mut run).await, [text("Three"), STOP]);
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_and_where_by_kind() {
    use FailureKind::*;
    // Attempts at the first model, and whether the second is asked.
    let table = [
        (InvalidRequest, 1, false),
        (ContentFiltered, 1, false),
        (Unsupported, 1, true),
        (Authentication, 1, true),
        (Denied, 1, true),
        (Plugin, 1, true),
        (Timeout, 1, true),
        (Busy, 1, true),
        (Paused, 1, true),
        (RateLimited, 3, true),
        (Upstream, 3, true),
        (Protocol, 3, true),
        (Connect, 3, true),
    ];
    for (kind, attempts, falls_back) in table {
        let first = Script::new((0..3).map(|_| Scene::Refuse(failure(kind))).collect());
        let second = Script::new(vec![play([STOP])]);
        let mut run = run(&[&first, &second], false, &[]);
        assert_eq!(run.open().await.is_ok(), falls_back, "{kind:?}");
        assert_eq!(
            (first.asked().len(), second.asked().len()),
            (attempts, usize::from(falls_back)),
            "{kind:?}"
        );
    }
    let only = Script::new((0..3).map(|_| Scene::Refuse(failure(Busy))).collect());
    run(&[&only], false, &[]).open().await.unwrap_err();
    assert_eq!(only.asked().len(), 3, "with nowhere else to go, room is waited for");
    let only = Script::new(vec![Scene::Refuse(failure(Paused))]);
    run(&[&only], false, &[]).open().await.unwrap_err();
    assert_eq!(only.asked().len(), 1, "the end of a pause is not");
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_the_trouble_of_the_model_asked_for_is_told() {
    let first = Script::new(vec![Scene::Refuse(failure(FailureKind::Authentication))]);
    let second = Script::new(vec![Scene::Refuse(failure(FailureKind::Denied))]);
    let mut run = run(&[&first, &second], false, &[]);
    assert_eq!(run.open().await.unwrap_err().kind, FailureKind::Authentication);
}

#[tokio::test(start_paused = true)]
async fn after_the_first_delta_a_failure_is_final() {
    let first = Script::new(vec![Scene::Play(vec![Ok(text("Thr")), Err(failure(FailureKind::Reset))])]);
    let second = Script::new(Vec::new());
    let mut run = run(&[&first, &second], false, &[]);
    run.open().await.unwrap();
    assert_eq!(rest(&mut run).await, [Ok(text("Thr")), Err(failure(FailureKind::Reset))]);
    assert!(second.asked().is_empty());
    assert_eq!(first.under_way(), 0);
    assert_eq!(run.usage().output_tokens, 1, "three bytes were written");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_end_is_a_failure() {
    let script = Script::new(vec![play([text("Thr")])]);
    let mut run = run(&[&script], false, &[]);
    run.open().await.unwrap();
    let seen = rest(&mut run).await;
    assert_eq!(seen[1].as_ref().unwrap_err().kind, FailureKind::Plugin);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_run_ends_its_completion_and_what_was_streamed_is_known() {
    let script = Script::new(vec![Scene::Stall(vec![text("Three is the"), text(" answer")])]);
    let mut run = run(&[&script], false, &[]);
    run.open().await.unwrap();
    run.next().await.unwrap().unwrap();
    run.next().await.unwrap().unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(60), run.next()).await.is_err());
    assert_eq!(script.under_way(), 1);
    let (asked, streamed) = ("How much is 1 + 2?".len() as u64, "Three is the answer".len() as u64);
    let usage = run.usage();
    assert_eq!((usage.input_tokens, usage.output_tokens), (asked.div_ceil(4), streamed.div_ceil(4)));
    drop(run);
    assert_eq!(script.under_way(), 0);
}
