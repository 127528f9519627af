//! The harness must notice what it is for.

use std::panic::catch_unwind;

use hardpoint_sdk::model::{CompletionEffect, CompletionRequest, FinishReason, ModelAdapter, NoEmbeddings};
use hardpoint_sdk::request::BodyBytes;
use hardpoint_sdk::serde::Deserialize;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, completion};
use hardpoint_sdk::{Effects, Failure, Machine, Request};

/// Breaks the rule that its settings name.
enum Unruly {}

#[derive(Deserialize)]
#[serde(crate = "hardpoint_sdk::serde")]
struct Settings {
    rule: String,
}

impl ModelAdapter for Unruly {
    type Settings = Settings;
    type Completion = Settings;
    type Embedding = NoEmbeddings;

    fn complete(_: CompletionRequest, settings: Settings) -> Result<Settings, Failure> {
        Ok(settings)
    }
}

impl Machine for Settings {
    type Effect = CompletionEffect;

    fn started(&mut self, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        let request = Request::get("https://example.com/");
        match self.rule.as_str() {
            "never finishes" | "counts pieces" => out.send(request),
            "goes on" => {
                out.finish(FinishReason::Stop);
                out.text("more");
            }
            "for ever" => out.again(),
            "twice" => {
                out.send(request.clone());
                out.send(request);
            }
            "method" => out.send(Request::new("get", "https://example.com/")),
            "url" => out.send(Request::get("/relative")),
            "space" => out.send(Request::get("https://example.com/a b")),
            "host's header" => out.send(request.header("Content-Length", "5")),
            "header name" => out.send(request.header("a b", "5")),
            "line break" => out.send(request.header("a", "b\r\nc: d")),
            _ => {}
        }
        Ok(())
    }

    fn resumed(&mut self, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        out.again();
        Ok(())
    }

    fn body(&mut self, body: BodyBytes, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        if self.rule == "counts pieces" {
            out.text(body.bytes.len().to_string());
        }
        Ok(())
    }

    fn ended(&mut self, _: u32, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        if self.rule == "counts pieces" {
            out.finish(FinishReason::Stop);
        }
        Ok(())
    }
}

fn complaint(rule: &str, answers: usize) -> String {
    let run = || {
        let request = CompletionRequest::new("m", Vec::new());
        let mut script = completion::<Unruly>(request, json!({ "rule": rule }));
        for _ in 0..answers {
            script = script.answer(Answer::new(200).chunk("abc"));
        }
        script.every_way();
    };
    let panic = catch_unwind(run).expect_err("the harness noticed nothing");
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).into()))
        .unwrap()
}

#[test]
fn broken_rules_are_noticed() {
    for (rule, answers, words) in [
        ("never finishes", 1, "did not finish"),
        ("never finishes", 0, "no answer to this request"),
        ("never finishes", 2, "never sent"),
        ("goes on", 0, "after it finished"),
        ("for ever", 0, "for ever"),
        ("twice", 2, "exchange 0 is still under way"),
        ("method", 1, "no method in capitals"),
        ("url", 1, "no absolute URL"),
        ("space", 1, "no absolute URL"),
        ("host's header", 1, "the header `content-length` is the host's"),
        ("header name", 1, "no header name"),
        ("line break", 1, "breaks the line"),
    ] {
        let complaint = complaint(rule, answers);
        assert!(complaint.contains(words), "{rule}: {complaint}");
    }
}

#[test]
fn what_depends_on_the_cut_is_noticed() {
    assert!(complaint("counts pieces", 1).contains("it came out otherwise"));
}
