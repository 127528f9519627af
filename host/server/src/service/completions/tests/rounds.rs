//! The host's own tool loop.

use hardpoint_domain::message::{ToolCall, ToolChoice};

use super::*;

fn more(index: u32, arguments: &str) -> Delta {
    Delta::ToolCall(ToolCallPiece { index, id: None, name: None, arguments: arguments.to_owned() })
}

fn answers(request: &CompletionRequest) -> Vec<(Option<&str>, &str)> {
    let of_tools = request.messages.iter().filter(|message| message.role == Role::Tool);
    let text = |message: &'_ Message| match message.content.as_slice() {
        [ContentPart::Text(_)] => {}
        other => panic!("{other:?}"),
    };
    of_tools
        .inspect(|message| text(message))
        .map(|message| match &message.content[0] {
            ContentPart::Text(text) => (message.tool_call_id.as_deref(), text.as_str()),
            ContentPart::Image { .. } => unreachable!(),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_hosts_tools_are_called_and_the_model_goes_on() {
    let script = Script::new(vec![
        play([
            Delta::Reasoning("I had better count.".to_owned()),
            text("Let me see. "),
            call(0, "call_a", "sum", "{\"of\":"),
            more(0, "[1,2]}"),
            used(10, 5),
            CALLS,
        ]),
        play([text("It is "), text("three."), used(20, 4), STOP]),
    ]);
    let mut run = run(&[&script], true, &[]);
    run.open().await.unwrap();
    let reasoning = Delta::Reasoning("I had better count.".to_owned());
    assert_eq!(
        shown(&mut run).await,
        [reasoning, text("Let me see. "), text("It is "), text("three."), STOP]
    );
    assert_eq!(run.usage(), Usage { input_tokens: 30, output_tokens: 9, ..Usage::default() });

    let asked = script.asked();
    let [(first, _), (second, _)] = asked.as_slice() else { panic!("{} rounds", asked.len()) };
    assert_eq!(first.messages.len(), 1);
    let [_, said, answer] = second.messages.as_slice() else { panic!("{:?}", second.messages) };
    let calls = [ToolCall {
        id: "call_a".to_owned(),
        name: "sum".to_owned(),
        arguments: "{\"of\":[1,2]}".to_owned(),
    }];
    assert_eq!((said.role, said.tool_calls.as_slice()), (Role::Assistant, calls.as_slice()));
    assert_eq!(said.content, [ContentPart::Text("Let me see. ".to_owned())]);
    assert_eq!(said.reasoning.as_deref(), Some("I had better count."));
    assert_eq!(answer.tool_call_id.as_deref(), Some("call_a"));
    assert_eq!(answers(second), [(Some("call_a"), "3, from {\"of\":[1,2]}")]);
}

#[tokio::test(start_paused = true)]
async fn failures_of_tools_are_data_for_the_model_in_the_order_of_the_calls() {
    let script = Script::new(vec![
        play([call(0, "a", "broken", "{}"), call(1, "b", "sum", ""), call(2, "c", "fly", "{}"), STOP]),
        play([text("Sorry."), STOP]),
    ]);
    let mut run = run(&[&script], true, &[]);
    run.open().await.unwrap();
    assert_eq!(shown(&mut run).await, [text("Sorry."), STOP]);
    assert_eq!(
        answers(&script.asked()[1].0),
        [
            (Some("a"), r#"{"error":{"message":"the disk is full","type":"tool_failed"}}"#),
            (Some("b"), "3, from {}"),
            (Some("c"), r#"{"error":{"message":"there is no tool named fly","type":"unknown_tool"}}"#),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_clients_calls_pass_on_and_end_the_answer() {
    let script = Script::new(vec![play([
        call(0, "a", "sum", "{}"),
        call(1, "b", "lamp", "{\"on\""),
        more(1, ":true}"),
        // Some providers finish with `stop` all the same.
        STOP,
    ])]);
    let mut run = run(&[&script], true, &["lamp"]);
    run.open().await.unwrap();
    assert_eq!(shown(&mut run).await, [call(0, "b", "lamp", "{\"on\""), more(0, ":true}"), CALLS]);
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_tools_of_the_host_every_call_is_the_clients() {
    let script = Script::new(vec![play([call(0, "a", "sum", "{}"), CALLS])]);
    let mut run = run(&[&script], false, &[]);
    run.open().await.unwrap();
    assert_eq!(shown(&mut run).await, [call(0, "a", "sum", "{}"), CALLS]);
}

#[tokio::test(start_paused = true)]
async fn a_cut_off_call_is_not_made() {
    let length = Delta::Finish(FinishReason::Length);
    let script = Script::new(vec![play([call(0, "a", "sum", "{\"of"), length.clone()])]);
    let mut run = run(&[&script], true, &[]);
    run.open().await.unwrap();
    assert_eq!(shown(&mut run).await, [length]);
}

#[tokio::test(start_paused = true)]
async fn the_last_round_has_no_tools_and_ends_the_loop() {
    let again = || play([call(0, "a", "sum", "{}"), used(1, 1), CALLS]);
    let script = Script::new(vec![again(), again(), again()]);
    let mut only_hosts = run(&[&script], true, &[]);
    only_hosts.open().await.unwrap();
    assert_eq!(shown(&mut only_hosts).await, [Delta::Finish(FinishReason::Length)]);
    assert_eq!(only_hosts.usage().total(), 6);
    let choices: Vec<_> = script.asked().into_iter().map(|(request, _)| request.tool_choice).collect();
    assert_eq!(choices, [None, None, Some(ToolChoice::None)]);

    let script = Script::new(vec![again(), again(), play([STOP])]);
    let mut with_clients = run(&[&script], true, &["lamp"]);
    with_clients.open().await.unwrap();
    shown(&mut with_clients).await;
    let counts: Vec<_> = script.asked().into_iter().map(|(request, _)| request.tools.len()).collect();
    assert_eq!(counts, [3, 3, 1], "the client's own tool stays");
}

#[tokio::test(start_paused = true)]
async fn a_forced_call_is_forced_once() {
    for choice in [ToolChoice::Required, ToolChoice::Function("sum".to_owned())] {
        let script = Script::new(vec![play([call(0, "a", "sum", "{}"), CALLS]), play([text("3"), STOP])]);
        let forced = CompletionRequest { tool_choice: Some(choice.clone()), ..request() };
        let mut run = run_of(forced, &[&script], true, &[]);
        run.open().await.unwrap();
        shown(&mut run).await;
        let choices: Vec<_> = script.asked().into_iter().map(|(request, _)| request.tool_choice).collect();
        assert_eq!(choices, [Some(choice), Some(ToolChoice::Auto)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_round_is_tried_again_but_not_elsewhere_once_the_client_saw_something() {
    let refuse = || Scene::Refuse(failure(FailureKind::Upstream));
    let calling = || play([text("Let me see. "), call(0, "a", "sum", "{}"), CALLS]);
    let first = Script::new(vec![calling(), refuse(), play([text("3"), STOP])]);
    let second = Script::new(Vec::new());
    let mut mended = run(&[&first, &second], true, &[]);
    mended.open().await.unwrap();
    assert_eq!(shown(&mut mended).await, [text("Let me see. "), text("3"), STOP]);

    let first = Script::new(vec![calling(), refuse(), refuse(), refuse()]);
    let mut lost = run(&[&first, &second], true, &[]);
    lost.open().await.unwrap();
    assert_eq!(rest(&mut lost).await, [Ok(text("Let me see. ")), Err(failure(FailureKind::Upstream))]);
    assert!(second.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_later_round_may_go_elsewhere_while_the_client_saw_nothing() {
    let refused = Scene::Refuse(failure(FailureKind::Timeout));
    let first = Script::new(vec![play([call(0, "a", "sum", "{}"), used(4, 4), CALLS]), refused]);
    let second = Script::new(vec![play([text("3"), used(6, 1), STOP])]);
    let mut run = run(&[&first, &second], true, &[]);
    run.open().await.unwrap();
    assert_eq!(shown(&mut run).await, [text("3"), STOP]);
    assert_eq!((run.model(), run.usage().total()), ("second", 15));
    // Each round is charged at the prices of the model that answered it.
    assert_eq!(run.bill().cost().micros(), 8 + 2 * 7);
    assert_eq!(answers(&second.asked()[0].0).len(), 1, "with what the tools answered");
}

#[tokio::test(start_paused = true)]
async fn beginning_goes_on_until_there_is_something_to_see() {
    let calling = || play([call(0, "a", "sum", "{}"), CALLS]);
    let first = Script::new(vec![calling(), Scene::Refuse(failure(FailureKind::Plugin))]);
    let second = Script::new(vec![calling(), play([text("3"), STOP])]);
    let mut run = run(&[&first, &second], true, &[]);
    run.begin().await.unwrap();
    assert_eq!(run.model(), "second", "known before anything is sent");
    assert_eq!(shown(&mut run).await, [text("3"), STOP]);

    let failing = Script::new(vec![calling(), Scene::Refuse(failure(FailureKind::Plugin))]);
    let refused = super::run(&[&failing], true, &[]).begin().await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Plugin, "and can still be answered with a status");
}
