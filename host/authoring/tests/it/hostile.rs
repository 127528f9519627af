//! Guests in Python and JavaScript that harm, and that tell secrets, all in one running host: each call that
//! fails names its cause and says something to the author, the next is served, and the host stays as it was.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use hardpoint_authoring::toolchain::never_install;
use hardpoint_authoring::{Language, Project};
use hardpoint_domain::manifest::Kind;
use hardpoint_tests::client::Answer;
use hardpoint_tests::double::plain::Plain;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use hardpoint_tests::process::status_bytes;
use serde_json::{Value, json};

use super::host::Host as Cli;
use super::place::Place;
use super::served::serving;

const MANIFEST: &str = include_str!("hostile/plugin.toml");

/// What is asked of a guest, what the fault is called, and what its author reads of it in the plugin's log.
type Harm = (&'static str, &'static str, &'static [&'static str]);

const PYTHON: &[Harm] = &[
    ("spin", "cpu", &["stopped: it used more than 1000 ms of CPU time"]),
    ("allocate", "memory", &["plugin.py\", line", "MemoryError", "it wanted more than its 64 MiB of memory"]),
    ("recurse", "memory", &["stopped: it wanted more than its 64 MiB of memory"]),
    ("throw", "trap", &["plugin.py\", line", "in throw", "ValueError: there is no such moon: Vulcan"]),
    ("wrong-type", "trap", &["TypeError(\"'int' object is not an instance of 'str'\")"]),
    ("no-json", "trap", &["TypeError: Object of type object is not JSON serializable"]),
    ("bad-text", "trap", &["UnicodeEncodeError", "surrogates not allowed"]),
    ("answer-too-long", "output", &["stopped: it returned more than 1024 KiB"]),
    ("leave", "exit", &["stopped: it exited with code 1"]),
];

const JAVASCRIPT: &[Harm] = &[
    ("spin", "cpu", &["stopped: it used more than 1000 ms of CPU time"]),
    ("allocate", "memory", &["out of memory", "it wanted more than its 64 MiB of memory"]),
    ("recurse", "trap", &["InternalError: too much recursion", "deeper@", "plugin.js"]),
    ("throw", "trap", &["RangeError: there is no such moon: Vulcan", "throw@", "plugin.js"]),
    ("wrong-type", "trap", &["expected a string, received [object]"]),
    ("no-json", "trap", &["TypeError: BigInt value can't be serialized in JSON"]),
    ("nothing", "trap", &["TypeError: `call` returned nothing that becomes JSON"]),
    ("later", "trap", &["TypeError: `call` returned a promise"]),
    ("answer-too-long", "output", &["stopped: it returned more than 1024 KiB"]),
];

/// How much more than before the host may hold afterwards: less than one guest takes at once.
const SLACK: u64 = 48 << 20;

/// What one sandbox may hold, and what the host needs beside it to serve a call.
const ONE_SANDBOX: u64 = (64 << 20) + SLACK;

const TOKEN: &str = "s3cr3t-0123456789-token";

#[test]
#[allow(clippy::disallowed_methods, reason = "what the components cost is worth knowing")]
fn guests_that_harm_fail_alone_and_tell_no_secret() {
    let cli = Cli::named();
    let began = Instant::now();
    let languages = [Language::Python, Language::JavaScript];
    let guests = thread::scope(|scope| {
        languages.map(|language| scope.spawn(move || built(language))).map(|built| built.join().unwrap())
    });
    println!("{:.0} s to build both hostile guests", began.elapsed().as_secs_f64());
    let host = serve(&guests);
    cli.shares_code_of(&host);
    for (language, _) in guests {
        does_not_conform(&cli, &host.plugins_folder().join(format!("{}.wasm", id(language))));
    }
}

fn id(language: Language) -> String {
    format!("hostile-{language}")
}

/// A project made of the tool's template with other sources in it.
fn built(language: Language) -> (Language, Vec<u8>) {
    let place = Place::new();
    let folder = place.path().join("project");
    hardpoint_authoring::new(Kind::Tool, &id(language), language, &folder).unwrap();
    let replace = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    replace("plugin.toml", &MANIFEST.replace("{{id}}", &id(language)));
    match language {
        Language::Python => replace("plugin.py", include_str!("hostile/plugin.py")),
        _ => replace("plugin.js", include_str!("hostile/plugin.js")),
    }
    let project = Project::open(&folder).unwrap();
    let component = project.build(&never_install).unwrap_or_else(|error| panic!("{error}"));
    let plugin = project.pack(&component, None).unwrap();
    (language, fs::read(plugin).unwrap())
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::disallowed_methods, reason = "what the components cost is worth knowing")]
async fn serve(guests: &[(Language, Vec<u8>)]) -> Host {
    let outside = Plain::start().await.unwrap();
    outside.on("/", Script::new().bytes(format!("you sent {TOKEN}")));
    let mut options = Options::new().config(&outside_of(&outside)).env("HARDPOINT__LOG__LEVEL", "trace");
    for (language, _) in guests {
        options = options.config(&binding(&id(*language), &outside.server().origin()));
    }
    let host = Host::start(options).await;
    let began = Instant::now();
    for (language, component) in guests {
        host.drop_plugin(&id(*language), component);
    }
    for (language, _) in guests {
        serving(&host, &id(*language)).await;
    }
    println!("{:.0} s to load them", began.elapsed().as_secs_f64());
    let began = Instant::now();
    for (language, _) in guests {
        let guest = Guest { host: &host, id: id(*language) };
        guest.harms(if *language == Language::Python { PYTHON } else { JAVASCRIPT }).await;
        guest.reflects().await;
    }
    println!("{:.1} s of harm", began.elapsed().as_secs_f64());
    host
}

/// The suite that every template passes finds these: they know none of what it asks them to do, and trap.
fn does_not_conform(cli: &Cli, plugin: &Path) {
    let found = cli.test(plugin, &["--conformance"]).expect_err("it conforms");
    assert!(found.contains("FAILED  arguments of the schema") && found.contains("plugin_trap"), "{found}");
}

fn outside_of(outside: &Plain) -> String {
    let (address, origin) = (outside.server().address(), outside.server().origin());
    format!(
        "[egress]\nallow_internal = [\"{address}\"]\n\n\
         [secrets.outside]\nvalue = \"{TOKEN}\"\naudience = \"{origin}\"\n"
    )
}

/// With all that the guest asks for.
fn binding(id: &str, origin: &str) -> String {
    format!(
        "[bindings.{id}]\nplugin = \"{id}\"\nsettings = {{ target = \"{origin}/\" }}\n\
         secrets = {{ token = \"outside\" }}\n\n\
         [bindings.{id}.grant]\nhttp = [\"GET {origin}\"]\nsecrets = [\"token\"]\n"
    )
}

/// A hostile guest that is served.
struct Guest<'h> {
    host: &'h Host,
    id: String,
}

impl Guest<'_> {
    async fn call(&self, what: &str, told: &str) -> Answer {
        let path = format!("/api/v1/tools/{}/call", self.id);
        self.host.client().post(&path, &json!({ "arguments": { "do": what, "told": told } })).await
    }

    /// A good call, in an instance that knows nothing of earlier ones.
    async fn behaves(&self, after: &str) {
        let good = self.call("count", "").await;
        assert_eq!(good.expect(200)["result"], 1, "{} after {after}", self.id);
    }

    /// What `/plugins/{id}` says of it.
    async fn view(&self) -> Value {
        self.host.client().get(&format!("/api/v1/plugins/{}", self.id)).await.expect(200)["live"].clone()
    }

    /// What it logged in one request.
    async fn log_of(&self, request: &str) -> String {
        let path = format!("/api/v1/plugins/{}/logs?limit=1000", self.id);
        let logs = self.host.client().get(&path).await.expect(200);
        let lines = logs["data"].as_array().expect("lines").iter();
        let own = lines.filter(|line| line["request_id"] == request);
        own.filter_map(|line| line["message"].as_str()).collect::<Vec<_>>().join("\n")
    }

    async fn harms(&self, table: &[Harm]) {
        self.behaves("nothing").await;
        let before = self.host.memory();
        for (what, cause, told) in table {
            let (peak, faults) = (self.peak(), self.faults(cause).await);
            self.harms_once(what, cause, told).await;
            assert_eq!(self.faults(cause).await, faults + 1, "{} {what}", self.id);
            self.behaves(what).await;
            assert!(
                self.peak() <= peak.max(before + ONE_SANDBOX),
                "{} {what}: {} MiB",
                self.id,
                self.peak() >> 20
            );
        }
        self.host.memory_below(before + SLACK).await;
    }

    /// The caller learns the class of the cause, an operator what happened, an author why.
    async fn harms_once(&self, what: &str, cause: &str, told: &[&str]) {
        let answer = self.call(what, "").await;
        assert_eq!(answer.status, 502, "{} {what}: {}", self.id, answer.text());
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "plugin_failed", "{} {what}: {error}", self.id);
        let request = answer.header("request-id").expect("answers name their request");
        let log = self.log_of(request).await;
        assert_eq!(error["details"]["cause"], *cause, "{} {what}: {error}", self.id);
        let newest = &self.view().await["errors"][0];
        assert_eq!((&newest["cause"], &newest["request_id"]), (&json!(cause), &json!(request)), "{newest}");
        for words in told {
            assert!(log.contains(words), "{} {what} says nothing of `{words}`:\n{log}", self.id);
        }
    }

    async fn faults(&self, cause: &str) -> u64 {
        self.view().await["faults"][cause].as_u64().unwrap_or(0)
    }

    /// The most memory that the host ever held.
    fn peak(&self) -> u64 {
        status_bytes(self.host.pid(), "VmHWM")
    }

    /// What came back for a secret, and what a caller says that it is, stands in no answer and in no log.
    async fn reflects(&self) {
        let told = self.call("reflect", TOKEN).await.expect(200);
        assert_eq!(told["result"], json!(["you sent [redacted]", "[redacted]"]));
        let refused = self.call("reflect-in-refusal", TOKEN).await.expect(422);
        assert_eq!(refused["error"]["message"], "refused: [redacted]", "{refused}");
        let failed = self.call("reflect-in-failure", TOKEN).await.expect(502);
        assert!(failed.to_string().contains("failed: [redacted]"), "{failed}");
        let thrown = self.call("reflect-in-exception", TOKEN).await;
        assert!(thrown.status == 502 && !thrown.text().contains(TOKEN), "{}", thrown.text());

        let client = self.host.client();
        let logs = client.get(&format!("/api/v1/plugins/{}/logs?limit=1000", self.id)).await.text();
        for line in ["logged: you sent [redacted], [redacted]", "printed: you sent [redacted], [redacted]"] {
            assert!(logs.contains(line), "{line}: {logs}");
        }
        assert!(logs.contains("thrown: [redacted]"), "{logs}");
        let view = client.get(&format!("/api/v1/plugins/{}", self.id)).await.text();
        // The host's own log has, at this level, what the guest said, and before what became of the request.
        let request = thrown.header("request-id").expect("answers name their request");
        let has =
            |log: &str, words: &str| log.lines().any(|line| line.contains(request) && line.contains(words));
        let own = until("the host's log to have it all", || async {
            let log = self.host.log();
            has(&log, "request failed").then_some(log)
        });
        let own = own.await;
        assert!(has(&own, "thrown: [redacted]"), "the host's log is not all there is");
        for (place, text) in [("logs", logs), ("the view", view), ("the host's log", own)] {
            assert!(!text.contains(TOKEN), "{}: {place} has the secret", self.id);
        }
    }
}
