//! What is refused.

use serde_json::{Map, Value, json};

use super::{KEY, PLACEHOLDER, error, error_with, signature, target};
use crate::double::script::Script;
use crate::double::vendor::Seen;

const MEMBERS: [&str; 8] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
    "labels",
];

const GENERATION: [&str; 14] = [
    "stopSequences",
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "thinkingConfig",
    "responseModalities",
    "candidateCount",
];

type Checked = Result<(), String>;

pub(super) fn refuse(seen: &Seen) -> Option<Script> {
    let invalid = |message: &str| Some(error(400, "INVALID_ARGUMENT", message));
    if seen.header("x-goog-api-key") != Some(KEY) {
        let info = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
            "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"},
        }]);
        let message = "API key not valid. Please pass a valid API key.";
        return Some(error_with(400, "INVALID_ARGUMENT", message, &info));
    }
    if seen.header("content-type") != Some("application/json") || !seen.body.is_object() {
        return invalid("Invalid JSON payload received.");
    }
    let checked = match (target(seen), seen.query.as_str()) {
        (Some((model, "generateContent")), "") | (Some((model, "streamGenerateContent")), "alt=sse") => {
            request(model, &seen.body)
        }
        (Some((model, "batchEmbedContents")), "") => embedding(model, &seen.body),
        _ => return Some(error(404, "NOT_FOUND", "Requested entity was not found.")),
    };
    checked.err().and_then(|message| invalid(&message))
}

fn known(value: &Value, names: &[&str], at: &str) -> Checked {
    for name in value.as_object().map(Map::keys).into_iter().flatten() {
        ensure(names.contains(&name.as_str()), || format!("Unknown name \"{name}\" at '{at}'"))?;
    }
    Ok(())
}

fn request(model: &str, body: &Value) -> Checked {
    known(body, &MEMBERS, "")?;
    let config = &body["generationConfig"];
    known(config, &GENERATION, "generation_config")?;
    let thinking = &config["thinkingConfig"];
    ensure(thinking["thinkingLevel"].is_null() || thinking["thinkingBudget"].is_null(), || {
        "You can only set only one of thinking budget and thinking level.".to_owned()
    })?;
    let is_json = config["responseMimeType"] == "application/json";
    let has_schema = config["responseSchema"].is_object() || config["responseJsonSchema"].is_object();
    ensure(is_json || !has_schema, || "response_schema needs application/json".to_owned())?;
    let functions = body["tools"][0]["functionDeclarations"].is_array();
    ensure(!(is_json && functions) || model.starts_with("gemini-3"), || {
        "Function calling with a response mime type: 'application/json' is unsupported".to_owned()
    })?;
    let contents = body["contents"].as_array().filter(|contents| !contents.is_empty());
    let contents = contents.ok_or("contents is not specified")?;
    let mut calls: Vec<&Value> = Vec::new();
    let turn =
        contents.iter().rposition(|it| it["role"] == "user" && it["parts"][0]["functionResponse"].is_null());
    for (at, content) in contents.iter().enumerate() {
        ensure(matches!(content["role"].as_str(), Some("user" | "model")), || {
            "Please use a valid role: user, model.".to_owned()
        })?;
        let parts = content["parts"].as_array().filter(|parts| !parts.is_empty());
        let parts = parts.ok_or_else(|| format!("contents[{at}].parts: must not be empty"))?;
        let of = |kind: &str| parts.iter().filter(|part| !part[kind].is_null()).collect::<Vec<_>>();
        let answers = of("functionResponse");
        ensure(answers.len() == calls.len() && (answers.is_empty() || answers.len() == parts.len()), || {
            "Please ensure that the number of function response parts is equal to the number of function \
             call parts of the function call turn."
                .to_owned()
        })?;
        for (call, answer) in calls.iter().zip(&answers) {
            let (call, answer) = (&call["functionCall"], &answer["functionResponse"]);
            let fits = call["name"] == answer["name"] && call["id"] == answer["id"];
            ensure(fits && answer["response"].is_object(), || "a function response does not fit".to_owned())?;
        }
        calls = of("functionCall");
        if let Some(first) = calls.first() {
            ensure(first["functionCall"]["args"].is_object(), || "args must be a struct".to_owned())?;
            let is_present = turn.is_none_or(|turn| at > turn) && model.starts_with("gemini-3");
            signed(first, is_present)?;
        }
    }
    Ok(())
}

fn signed(call: &Value, is_required: bool) -> Checked {
    let name = call["functionCall"]["name"].as_str().unwrap_or_default();
    match call["thoughtSignature"].as_str() {
        None if is_required => {
            Err(format!("Function call is missing a thought_signature in functionCall parts: {name}"))
        }
        None | Some(PLACEHOLDER) => Ok(()),
        Some(found) => ensure(found == signature(name), || "Corrupted thought signature.".to_owned()),
    }
}

fn embedding(model: &str, body: &Value) -> Checked {
    known(body, &["requests"], "")?;
    let requests = body["requests"].as_array().cloned().unwrap_or_default();
    ensure((1..=100).contains(&requests.len()), || {
        "BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch".to_owned()
    })?;
    for request in &requests {
        known(request, &["model", "content", "outputDimensionality", "taskType", "title"], "requests")?;
        let fits = request["model"] == format!("models/{model}")
            && request["content"]["parts"][0]["text"].is_string();
        ensure(fits, || "requests: model and content must be given".to_owned())?;
    }
    Ok(())
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(message()) }
}
