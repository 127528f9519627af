//! Mail on its way to a real SMTP conversation, and logging in with what was in it; the log that is told to tell more.

use std::time::Duration;

use hardpoint_tests::client::Client;
use hardpoint_tests::double::smtp::{Protection, Smtp};
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use http::Method;
use serde_json::{Value, json};

const ASK: &str = "/api/v1/admin/auth/request-pin";
const TRY: &str = "/api/v1/admin/auth/verify-pin";

async fn host(server: &Smtp) -> Host {
    let mail = format!(
        "[mail]\nfrom = \"Hardpoint <host@hardpoint.example>\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n",
        server.port()
    );
    Host::start(Options::new().config(&mail)).await
}

async fn invite(host: &Host, email: &str) {
    let answer = host.client().post("/api/v1/users", &json!({"email": email, "role": "operator"})).await;
    answer.expect(201);
}

async fn ask(client: &Client, email: &str) -> Value {
    client.post(ASK, &json!({"email": email})).await.expect(200)
}

/// The PIN in the newest mail to an address, once there are so many.
async fn pin(server: &Smtp, email: &str, count: usize) -> String {
    let found = until("the mail to come", || async {
        let mut mails = server.mails();
        mails.retain(|mail| mail.to == [email]);
        (mails.len() >= count).then(|| mails.pop()).flatten()
    });
    let text = found.await.text;
    let at = text.find("Your PIN is ").unwrap_or_else(|| panic!("no PIN: {text}")) + 12;
    text[at..at + 6].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_comes_by_mail_and_a_session_lives_through_a_restart() {
    let server = Smtp::start().await.expect("a double");
    let mut host = host(&server).await;
    let email = "boss@example.com";
    invite(&host, email).await;
    let asked = ask(&host.anonymous(), email).await;
    let pin = pin(&server, email, 2).await;
    let mails = server.mails();
    assert!(mails[0].header("Subject").expect("one").contains("invited"), "{}", mails[0].text);
    assert_eq!(mails[1].header("From").expect("one"), "Hardpoint <host@hardpoint.example>");
    let body = json!({"email": email, "challenge_id": asked["challenge_id"], "pin": pin});
    let session = host.anonymous().post(TRY, &body).await.expect(200);
    let token = session["session_token"].as_str().expect("a token").to_owned();
    host.restart().await;
    let as_boss = Client::new(host.origin(), Some(&token));
    assert_eq!(as_boss.get("/api/v1/me").await.expect(200)["user"]["email"], email);
    as_boss.get("/api/v1/plugins").await.expect(200);
    let said = host.log();
    assert!(!said.contains(&token) && !said.contains(&pin), "the log has what lets people in");
    as_boss.post("/api/v1/admin/auth/logout", &json!({})).await;
    assert_eq!(as_boss.get("/api/v1/me").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_delays_no_answer_and_a_busy_one_loses_no_mail() {
    let server = Smtp::start().await.expect("a double");
    server.delay(Duration::from_secs(4));
    server.busy(2);
    let host = host(&server).await;
    for number in 0..5 {
        invite(&host, &format!("a{number}@example.com")).await;
    }
    assert!(server.mails().is_empty(), "answers wait for no greeting");
    server.delay(Duration::ZERO);
    until("all five", || async { (server.counts().len() == 5).then_some(()) }).await;
    assert!(server.connections() >= 7, "two were tried again");
    let counts = server.counts();
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_tls_to_a_server_that_is_trusted_and_waits_for_the_right_password() {
    for (protection, tls) in [(Protection::Tls, "tls"), (Protection::Starttls, "starttls")] {
        let server = Smtp::protected(protection).await.expect("a double");
        server.only("hardpoint", "correct horse");
        let folder = tempfile::tempdir().expect("a folder");
        let (roots, port) = (folder.path().join("roots.pem"), server.port());
        // Somebody else's certificate: the server is not who it says it is.
        let other = Smtp::protected(protection).await.expect("a double");
        std::fs::write(&roots, other.certificate()).expect("a certificate");
        let config = format!(
            "[egress]\nextra_roots = \"{}\"\n\n[mail]\nhost = \"localhost\"\nport = {port}\ntls = \"{tls}\"\n\
             user = \"hardpoint\"\n",
            roots.display()
        );
        let wrong = "battery staple";
        let options = Options::new().config(&config).env("HARDPOINT__MAIL__PASSWORD", wrong);
        let host = Host::start(options).await;
        let email = "boss@example.com";
        invite(&host, email).await;
        let says = async |what: &str| until(what, || async { host.log().contains(what).then_some(()) }).await;
        says("invalid peer certificate").await;
        // Now it is; the password is wrong, which is no fault of the mail's.
        std::fs::write(&roots, server.certificate()).expect("a certificate");
        says("535").await;
        assert!(server.mails().is_empty() && other.connections() == 0);
        server.only("hardpoint", wrong);
        until("the mail to come", || async { (server.mails().len() == 1).then_some(()) }).await;
        assert_eq!(server.mails()[0].to, [email]);
        assert!(!host.log().contains(wrong), "the log has the password");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mail_is_lost_by_being_killed() {
    let server = Smtp::start().await.expect("a double");
    // Until it is killed, nothing gets through.
    server.busy(u32::MAX);
    let mut host = host(&server).await;
    for number in 0..6 {
        invite(&host, &format!("a{number}@example.com")).await;
    }
    until("it to try", || async { (server.connections() > 0).then_some(()) }).await;
    host.kill();
    server.busy(0);
    assert!(server.mails().is_empty());
    host.restart().await;
    until("those that nobody was sending", || async { (!server.counts().is_empty()).then_some(()) }).await;
    // What was being sent when it was killed is claimed until its lease of 45 seconds ends.
    until("all six", || async { (server.counts().len() == 6).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_mail_becomes_files_for_nobody_else_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let host = Host::start(Options::new()).await;
    let (email, folder) = ("ann@example.com", host.folder().join("data/mail"));
    let invited =
        host.command(&["user", "invite", email, "--role", "operator", "--json", "--org", &own(&host).await]);
    assert!(invited.status.success(), "{}", String::from_utf8_lossy(&invited.stderr));
    let file = until("the file", || async {
        let entries = std::fs::read_dir(&folder).ok()?;
        entries
            .map(|entry| entry.expect("an entry").path())
            .find(|path| path.extension().is_some_and(|it| it == "eml"))
    });
    let file = file.await;
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&folder)), (0o600, 0o700));
    assert!(std::fs::read_to_string(&file).expect("text").contains(&format!("To: {email}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_more_when_it_is_told_to() {
    let host = Host::start(Options::new()).await;
    let client = host.client();
    client.get("/api/v1/me").await.expect(200);
    let tells = || host.log().contains("\"level\":\"DEBUG\"");
    assert!(!tells());
    let (change, headers) = (json!({"log": {"level": "debug"}}), [("content-type", "application/json")]);
    client.send(Method::PUT, "/api/v1/configs", &headers, change.to_string()).await.expect(200);
    until("the log to tell more", || async {
        client.get("/api/v1/me").await.expect(200);
        tells().then_some(())
    })
    .await;
    let shown = host.command(&["config", "show"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("log.level = \"debug\"  # changed over /configs"), "{shown}");
    assert!(shown.contains("server.max_upload = 100000000  # default"), "{shown}");
    assert!(shown.contains("server.data = \"data\"  # --data"), "{shown}");
}

/// The operators' organisation.
async fn own(host: &Host) -> String {
    let own = host.client().get("/api/v1/org").await.expect(200);
    own["id"].as_str().expect("an id").to_owned()
}
