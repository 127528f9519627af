use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::log::Level;
use hardpoint_sdk::schemars::JsonSchema;
use hardpoint_sdk::serde::{Deserialize, Serialize};
use hardpoint_sdk::serde_json::{Value, from_str, json};
use hardpoint_sdk::testing::{Answer, Double, call, describe, replay_tool};
use hardpoint_sdk::tool::{self, Tool, ToolError};
use hardpoint_sdk::{Request, http, kv, log, secret};

/// Asks for a forecast, and remembers it.
enum Weather {}

#[derive(Deserialize)]
#[serde(crate = "hardpoint_sdk::serde")]
struct Settings {
    #[serde(default)]
    name: String,
}

/// Where and for how long.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "hardpoint_sdk::serde")]
#[schemars(crate = "hardpoint_sdk::schemars")]
struct Arguments {
    /// A city.
    city: String,
    /// How to count degrees.
    #[serde(default)]
    unit: Unit,
    #[allow(dead_code, reason = "it is there for the schema")]
    days: Option<u8>,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, Serialize)]
#[serde(crate = "hardpoint_sdk::serde", rename_all = "lowercase")]
#[schemars(crate = "hardpoint_sdk::schemars")]
enum Unit {
    #[default]
    Celsius,
    Fahrenheit,
}

#[derive(Serialize)]
#[serde(crate = "hardpoint_sdk::serde")]
struct Forecast {
    degrees: i64,
    unit: Unit,
}

impl Tool for Weather {
    type Settings = Settings;
    type Arguments = Arguments;

    fn description(settings: &Settings) -> String {
        format!("The weather, by {}.", settings.name)
    }

    fn call(arguments: Arguments, _: Settings) -> Result<String, ToolError> {
        if let Some(known) = kv::get(&arguments.city)? {
            return String::from_utf8(known).map_err(|error| ToolError::Failed(error.to_string()));
        }
        let query = http::form([("q", arguments.city.as_str())]);
        let request = Request::get(format!("https://weather.example.com/?{query}"));
        let response = http::send(request.header("x-key", secret("key")))?;
        if !response.is_success() {
            log::warn("no forecast");
            return Err(ToolError::Failed(format!("status {}: {}", response.status, response.text())));
        }
        let body: Value = response.json()?;
        let forecast =
            Forecast { degrees: body["degrees"].as_i64().unwrap_or_default(), unit: arguments.unit };
        let answer = tool::json(&forecast)?;
        kv::set(&arguments.city, answer.as_bytes())?;
        Ok(answer)
    }
}

#[test]
fn a_schema_comes_from_the_type() {
    let definition = describe::<Weather>(json!({ "name": "us" })).unwrap();
    assert_eq!(definition.description, "The weather, by us.");
    let schema: Value = from_str(&definition.parameters).unwrap();
    let expected = json!({
        "type": "object",
        "description": "Where and for how long.",
        "required": ["city"],
        "properties": {
            "city": { "type": "string", "description": "A city." },
            "unit": { "type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius",
                      "description": "How to count degrees." },
            "days": { "type": ["integer", "null"], "format": "uint8", "minimum": 0, "maximum": 255 },
        },
    });
    assert_eq!(schema, expected);
}

#[test]
fn it_asks_once_and_remembers() {
    let host = Double::new().answer(Answer::json(200, &json!({ "degrees": 21 })));
    for _ in 0..2 {
        let answer = call::<Weather>(json!({ "city": "Z\u{fc}rich" }), json!({})).unwrap();
        assert_eq!(answer, r#"{"degrees":21,"unit":"celsius"}"#);
    }
    let sent = host.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].url, "https://weather.example.com/?q=Z%C3%BCrich");
    assert_eq!(sent[0].header("x-key"), Some("{secret:key}"));
    assert!(host.value("Z\u{fc}rich").is_some());
}

#[test]
fn failures_reach_the_model() {
    let refused = call::<Weather>(json!({ "unit": "kelvin" }), json!({})).unwrap_err();
    assert!(
        matches!(&refused, ToolError::InvalidArguments(message) if message.contains("kelvin")),
        "{refused:?}"
    );
    let host = Double::new()
        .answer(Answer::new(500).chunk("oops"))
        .answer(Answer::failed(TransportFailureKind::Timeout));
    let fail = || call::<Weather>(json!({ "city": "Bern" }), json!({})).unwrap_err();
    assert_eq!(fail(), ToolError::Failed("status 500: oops".into()));
    assert_eq!(fail(), ToolError::Failed("took too long".into()));
    assert_eq!(fail(), ToolError::Failed("the script has no answer to request 3".into()));
    assert_eq!(host.log(), [(Level::Warn, "no forecast".to_owned())]);
    drop(host);
    let no_double = fail();
    assert!(matches!(no_double, ToolError::Failed(message) if message.contains("testing::Double")));
}

#[test]
fn the_store_of_the_double_keeps_the_host_s_rules() {
    let _host = Double::new().with("a/2", "x").with("a/1", "x").with("b", "x");
    assert_eq!(kv::keys("a/", None).unwrap(), ["a/1", "a/2"]);
    assert_eq!(kv::keys("a/", Some("a/1")).unwrap(), ["a/2"]);
    kv::remove("a/1").unwrap();
    kv::remove("a/1").unwrap();
    assert_eq!(kv::get("a/1").unwrap(), None);
    assert!(matches!(kv::set("k", &vec![0; 65 * 1024]), Err(kv::Error::TooLarge(_))));
    assert!(matches!(kv::set(&"k".repeat(513), b""), Err(kv::Error::TooLarge(_))));
}

/// As in the sandbox: a failure is the tool's own, however the answer broke off before.
#[test]
fn a_recording_of_a_tool_is_replayed() {
    let recording = json!({
        "about": "no answer",
        "call": {"arguments": {"city": "Bern"}},
        "exchanges": [{
            "request": {"method": "GET", "url": "https://weather.example.com/?q=Bern"},
            "answer": {"broken": "timeout"},
        }],
        "expect": {"failure": {"kind": "failed"}},
    });
    replay_tool::<Weather>(&recording.to_string());
}
