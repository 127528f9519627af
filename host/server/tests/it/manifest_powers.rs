//! What a manifest asks for, key by key: what it says is what the sandbox may do once an operator has allowed
//! it, and nothing beside it. From the manifest's text through plan and grant to the wire.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::exports::axum_serve;
use crate::support::{TestApp, echo, repacked};

/// The value of the secret, wherever one is configured.
const VALUE: &str = "the-configured-value";

/// A server that keeps the lines of its requests, with the credential that came along.
#[derive(Clone, Default)]
struct Double(Arc<Mutex<Vec<String>>>);

impl Double {
    /// One at a port of the loopback interface, and its address.
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let double = Self::default();
        let router = Router::new().fallback(taken).with_state(double.clone());
        tokio::spawn(async move { axum_serve(listener, router).await });
        (double, address)
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

async fn taken(State(double): State<Double>, request: Request) -> &'static str {
    let credential = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let line = format!("{} {} {}", request.method(), request.uri().path(), credential.unwrap_or_default());
    double.0.lock().unwrap().push(line.trim_end().to_owned());
    "taken"
}

/// The probing tool, asking for this.
fn prober(asks: &str) -> bytes::Bytes {
    repacked(
        "prober",
        &format!(
            "id = \"prober\"\nversion = \"1.0.0\"\nkind = \"tool\"\ndescription = \"x\"\nkv = true\n{asks}"
        ),
    )
}

/// A server with the probing tool, asking for this and allowed all of it.
async fn granted(asks: &str) -> TestApp {
    granted_with(&config(""), asks).await
}

/// As it is, with more of the configuration.
fn config(more: &str) -> String {
    format!("[egress]\nallow_internal = [\"127.0.0.1\", \"localhost\"]\n{more}")
}

async fn granted_with(toml: &str, asks: &str) -> TestApp {
    let app = TestApp::with(toml, &[("prober.wasm", prober(asks))]).await;
    let waiting = app.plugin("prober").await;
    assert_eq!(waiting["state"], "pending_approval", "{waiting}");
    let body = json!({ "digest": waiting["digest"] });
    let approved = app.post("/api/v1/plugins/prober/approve", &body).await.expect(200);
    assert_eq!(approved["state"], "active", "{approved}");
    app
}

async fn told(app: &TestApp, arguments: Value) -> Value {
    let body = json!({ "arguments": arguments });
    app.post("/api/v1/tools/prober/call", &body).await.expect(200)["result"].clone()
}

async fn send(app: &TestApp, method: &str, url: &str) -> Value {
    told(app, json!({ "do": "send", "method": method, "url": url })).await
}

/// Sends what is asked for and what is not; only the former arrives, and the latter was refused for that.
async fn tries(app: &TestApp, double: &Double, asked: &[(&str, &str)], not_asked: &[(&str, &str)]) {
    for (method, url) in asked {
        let came = send(app, method, url).await;
        assert_eq!(came["status"], 200, "{method} {url}: {came}");
    }
    assert_eq!(double.take().len(), asked.len());
    for (method, url) in not_asked {
        let came = send(app, method, url).await;
        assert_eq!(came["error"], "TransportFailureKind::Denied", "{method} {url}: {came}");
        let why = came["message"].as_str().unwrap();
        assert!(why.contains("is not granted"), "{method} {url}: {why}");
    }
    assert_eq!(double.take(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_were_not_asked_for_are_not_reached() {
    let (double, address) = Double::start().await;
    let port = address.rsplit_once(':').unwrap().1;
    let app = granted(&format!("[[http]]\nhost = \"127.0.0.1\"\nscheme = \"http\"\nport = {port}\n")).await;
    let (here, there) = (format!("http://{address}/"), format!("http://localhost:{port}/"));
    let below = format!("http://a.127.0.0.1.example.com:{port}/");
    tries(&app, &double, &[("GET", &here)], &[("GET", &there), ("GET", &below)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_that_were_not_asked_for_are_not_reached() {
    let ((double, here), (other, there)) = (Double::start().await, Double::start().await);
    let port = here.rsplit_once(':').unwrap().1;
    let app = granted(&format!("[[http]]\nhost = \"127.0.0.1\"\nscheme = \"http\"\nport = {port}\n")).await;
    let (asked, not_asked) = (format!("http://{here}/"), format!("http://{there}/"));
    tries(&app, &double, &[("GET", &asked)], &[("GET", &not_asked), ("GET", "http://127.0.0.1/")]).await;
    assert_eq!(other.take(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn schemes_that_were_not_asked_for_are_not_spoken() {
    let (double, address) = Double::start().await;
    let port = address.rsplit_once(':').unwrap().1;
    let (plain, tls) = (format!("http://{address}/"), format!("https://{address}/"));
    let app = granted(&format!("[[http]]\nhost = \"127.0.0.1\"\nscheme = \"http\"\nport = {port}\n")).await;
    tries(&app, &double, &[("GET", &plain)], &[("GET", &tls)]).await;
    // Where it is left out nothing goes over the wire in the clear.
    let app = granted(&format!("[[http]]\nhost = \"127.0.0.1\"\nport = {port}\n")).await;
    tries(&app, &double, &[], &[("GET", &plain)]).await;
    let came = send(&app, "GET", &tls).await;
    assert!(came["error"] != "TransportFailureKind::Denied" && came["status"].is_null(), "{came}");
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_were_not_asked_for_are_not_used() {
    let (double, address) = Double::start().await;
    let (port, url) = (address.rsplit_once(':').unwrap().1, format!("http://{address}/"));
    let rule = format!("[[http]]\nhost = \"127.0.0.1\"\nscheme = \"http\"\nport = {port}\n");
    let app = granted(&format!("{rule}methods = [\"POST\"]\n")).await;
    let others = ["GET", "DELETE", "post", "PUT"].map(|method| (method, url.as_str()));
    tries(&app, &double, &[("POST", &url)], &others).await;
    let app = granted(&rule).await;
    tries(&app, &double, &[("GET", &url)], &[("POST", &url), ("HEAD", &url)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_were_not_asked_for_are_not_reached() {
    let (double, address) = Double::start().await;
    let port = address.rsplit_once(':').unwrap().1;
    let rule = format!("[[http]]\nhost = \"127.0.0.1\"\nscheme = \"http\"\nport = {port}\npath = \"/v1\"\n");
    let app = granted(&rule).await;
    let [asked, not_asked] = [
        ["/v1", "/v1/x", "/v1?a=/", "/x/../v1"].as_slice(),
        ["/", "/v10", "/V1", "/v1/../x", "/v1/%2e%2e/x", "/v1/..%2fx", "/v1/..;/x", "//v1"].as_slice(),
    ]
    .map(|paths| paths.iter().map(|path| format!("http://{address}{path}")).collect::<Vec<_>>());
    let [asked, not_asked] =
        [&asked, &not_asked].map(|urls| urls.iter().map(|url| ("GET", url.as_str())).collect::<Vec<_>>());
    tries(&app, &double, &asked, &not_asked).await;
}

/// A configured secret, bound under this name, for this address.
fn secret(name: &str, address: &str) -> String {
    config(&format!(
        "[secrets.configured]\nvalue = \"{VALUE}\"\naudience = \"http://{address}\"\n\
         [bindings.prober]\nplugin = \"prober\"\nsecrets = {{ {name} = \"configured\" }}\n"
    ))
}

/// Requests to these addresses and a secret of this name.
fn asks_secret(name: &str, audience: &str, addresses: &[&str]) -> String {
    let rule = |address: &&str| {
        let port = address.rsplit_once(':').unwrap().1;
        format!("[[http]]\nhost = \"127.0.0.1\"\nscheme = \"http\"\nport = {port}\n")
    };
    let rules: String = addresses.iter().map(rule).collect();
    format!("{rules}[[secret]]\nname = \"{name}\"\naudience = \"http://{audience}\"\n")
}

async fn send_token(app: &TestApp, address: &str) -> Value {
    told(app, json!({ "do": "send", "url": format!("http://{address}/"), "token": true })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_by_the_name_that_was_asked_for() {
    let (double, address) = Double::start().await;
    let app = granted_with(&secret("token", &address), &asks_secret("token", &address, &[&address])).await;
    assert_eq!(send_token(&app, &address).await["status"], 200);
    assert_eq!(double.take(), [format!("GET / Bearer {VALUE}")]);
    // The same value, under a name that the guest does not say.
    let app = granted_with(&secret("other", &address), &asks_secret("other", &address, &[&address])).await;
    let refused = send_token(&app, &address).await;
    assert!(refused["message"].as_str().unwrap().contains("the secret `token` is not granted"), "{refused}");
    assert_eq!(double.take(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_to_the_audience_that_was_asked_for() {
    let ((double, here), (other, there)) = (Double::start().await, Double::start().await);
    let app = granted_with(&secret("token", &here), &asks_secret("token", &here, &[&here, &there])).await;
    assert_eq!(send_token(&app, &here).await["status"], 200);
    assert_eq!(double.take(), [format!("GET / Bearer {VALUE}")]);
    let refused = send_token(&app, &there).await;
    assert_eq!(refused["error"], "TransportFailureKind::Denied", "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("may be sent to"), "{refused}");
    // Without the secret it may go there.
    assert_eq!(send(&app, "GET", &format!("http://{there}/")).await["status"], 200);
    assert_eq!(other.take(), ["GET /"]);
    // What the operator keeps for one address is given to no plugin that wants it for another.
    let app = granted_with(&secret("token", &here), &asks_secret("token", &there, &[&here, &there])).await;
    for address in [&here, &there] {
        let refused = send_token(&app, address).await;
        assert_eq!(refused["error"], "TransportFailureKind::Denied", "{refused}");
    }
    assert_eq!((double.take(), other.take()), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_optional_secret_may_be_left_out() {
    let (double, address) = Double::start().await;
    let declared = format!(
        "{}[bindings.prober.grant]\nkv = true\nhttp = [\"GET http://{address}/\"]\n",
        secret("token", &address)
    );
    let needed = asks_secret("token", &address, &[&address]);
    let app = TestApp::with(&declared, &[("prober.wasm", prober(&needed))]).await;
    let waiting = app.plugin("prober").await;
    assert_eq!(waiting["state"], "pending_approval", "{waiting}");
    let missing = format!("use the secret `token`, only towards http://{address}");
    assert_eq!(waiting["bindings"][0]["missing"], json!([missing]));
    let optional = prober(&format!("{needed}optional = true\n"));
    let app = TestApp::with(&declared, &[("prober.wasm", optional)]).await;
    assert_eq!(app.plugin("prober").await["state"], "active");
    assert_eq!(send(&app, "GET", &format!("http://{address}/")).await["status"], 200);
    // It serves, and has it no more than before.
    assert_eq!(send_token(&app, &address).await["error"], "TransportFailureKind::Denied");
    assert_eq!(double.take(), ["GET /"]);
}

/// An operator who allows more than was asked for gives nothing away.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_there_only_where_it_was_asked_for() {
    let declared = config(
        "[bindings.prober]\nplugin = \"prober\"\n[bindings.prober.grant]\nkv = true\nscratch = true\nhttp = [\"GET https://example.com/\"]\n",
    );
    let rule = "[[http]]\nhost = \"example.com\"\n";
    let scratch = json!({ "do": "scratch", "path": "/scratch/file" });
    for (asks, after) in [(rule.to_owned(), Value::Null), (format!("scratch = true\n{rule}"), json!("kept"))]
    {
        let app = TestApp::with(&declared, &[("prober.wasm", prober(&asks))]).await;
        assert_eq!(app.plugin("prober").await["state"], "active", "{asks}");
        assert_eq!(told(&app, scratch.clone()).await["after"], after, "{asks}");
    }
}

/// A grant names the plugin: another that takes over the binding's name has to be looked at anew.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_allowed_to_one_plugin_no_other_has() {
    let asks = "[[http]]\nhost = \"api.example.com\"\n";
    let bound = |plugin: &str| format!("[bindings.mine]\nplugin = \"{plugin}\"\n");
    let other = String::from_utf8(
        b"id = \"other\"\nversion = \"1.0.0\"\nkind = \"tool\"\ndescription = \"x\"\n".to_vec(),
    )
    .unwrap();
    let plugins = [("echo.wasm", echo("1.0.0", asks)), ("other.wasm", repacked("echo", &(other + asks)))];
    let app = TestApp::with(&bound("echo"), &plugins).await;
    let digest = app.plugin("echo").await["digest"].clone();
    app.post("/api/v1/plugins/echo/approve", &json!({ "digest": digest })).await.expect(200);
    assert_eq!(app.call("mine").await, 200);
    std::fs::write(app.folder().join("hardpoint.toml"), bound("other")).unwrap();
    let app = app.restart().await;
    assert_eq!(app.call("mine").await, 404);
    let waiting = app.plugin("other").await;
    assert_eq!(
        (&waiting["state"], &waiting["bindings"][0]["name"]),
        (&json!("pending_approval"), &json!("mine"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifests_limits_are_in_force_and_the_operators_above_them() {
    let long = json!({ "arguments": { "a": "x".repeat(3_000) } });
    let call = async |app: &TestApp| app.post("/api/v1/tools/echo/call", &long).await;
    let limited = |kib: u32| [("echo.wasm", echo("1.0.0", &format!("[limits]\noutput_kib = {kib}\n")))];
    let ceiling = "[plugins.ceilings.tool]\noutput_kib = 2\n";
    for (toml, kib, status) in [("", 2, 502), ("", 4, 200), (ceiling, 4, 502)] {
        let app = TestApp::with(toml, &limited(kib)).await;
        let answer = call(&app).await;
        assert_eq!(answer.status.as_u16(), status, "{toml} {kib}: {}", answer.text());
        if status == 502 {
            assert_eq!(answer.json()["error"]["details"]["cause"], "output");
        }
    }
}
