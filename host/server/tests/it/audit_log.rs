//! The audit log over the API: who sees what of it, exports, integrity, retention.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::chain::checkpoint::Checkpoint;
use hardpoint_server::service::audit::signing::{self, Broken};
use hardpoint_server::worker::{checkpoints, retention, sequencer};
use hardpoint_store::chain;
use hardpoint_store::testing::{READERS, damage, raw};
use hardpoint_store::{Durability, Lane, Store, StoreConfig};
use http::Method;
use serde_json::{Value, json};

use crate::command_line::{hardpoint, said};
use crate::support::{Answer, TestApp};

pub(crate) const LOG: &str = "/api/v1/audit-logs";

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn types(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().unwrap().iter();
    data.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

pub(crate) async fn sql(app: &TestApp, text: &'static str) {
    let write = app.app().store.write(Lane::Request, move |tx| Box::pin(async move { raw(tx, text).await }));
    write.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_finds_what_it_did_and_nothing_else() {
    let app = TestApp::start().await;
    let (mine, other) = (app.tenant("Mine").await, app.tenant("Other").await);
    for label in ["Läptop", "phone"] {
        app.post_as(&mine.key, "/api/v1/api_keys", &json!({ "label": label })).await.expect(201);
    }
    app.post_as(&other.key, "/api/v1/api_keys", &json!({ "label": "phone" })).await.expect(201);
    // Numbers come after the event: from here on none does.
    sequencer::number_all(app.app()).await.unwrap();
    let ask = async |query: &str| app.get_as(&mine.key, &format!("{LOG}?{query}")).await.expect(200);

    let all = ask("").await;
    assert_eq!(types(&all), ["key.created", "key.created", "key.created", "organization.created"]);
    assert_eq!((all["total"].as_i64(), all["page"].as_i64()), (Some(4), Some(1)));
    let newest = &all["data"][0];
    assert_eq!(newest["organization_id"], mine.organization.as_str());
    assert_eq!(newest["actor"], json!({ "type": "key", "id": mine.key_id, "name": "Mine's" }));
    assert_eq!((&newest["outcome"], &newest["after"]["label"]), (&json!("success"), &json!("phone")));
    assert_eq!(app.get_as(&mine.key, "/api/v1/auditlogs").await.expect(200), all);

    for (query, count) in [
        ("action=key.created", 3),
        ("event_type=key.created", 3),
        ("action=key", 0),
        (&format!("actor={}", mine.key_id), 2),
        (&format!("target={}", mine.organization), 1),
        ("q=l%C3%A4PTOP", 1),
        ("q=phone", 1),
        ("q=%00", 0),
        ("since=2099-01-01", 0),
        ("until=2099-01-01", 4),
        ("request_id=req_none", 0),
        (&format!("request_id={}", newest["request_id"].as_str().unwrap()), 1),
        (&format!("organization_id={}&action=key.created", mine.organization), 3),
    ] {
        let found = ask(query).await;
        assert_eq!((ids(&found).len(), found["total"].as_i64()), (count, Some(count as i64)), "{query}");
    }
    // What happened in a workspace stays when that is removed; one that never was is not there.
    let all = format!("/api/v1/orgs/{}/workspaces", mine.organization);
    let made = app.post_as(&mine.key, &all, &json!({ "name": "One" })).await.expect(201);
    let workspace = made["id"].as_str().unwrap();
    assert_eq!(ask(&format!("workspace_id={workspace}")).await["total"], 1);
    app.ask(&mine.key, Method::DELETE, &format!("{all}/{workspace}"), None).await;
    assert_eq!(ask(&format!("workspace_id={workspace}")).await["total"], 2);
    assert_eq!(app.get_as(&mine.key, &format!("{LOG}?workspace_id=ws_none")).await.status, 404);
    let others = format!("{LOG}?organization_id={}", other.organization);
    assert_eq!(app.get_as(&mine.key, &others).await.status, 404);
    assert_eq!(app.get(&others).await.expect(200)["total"], 3);
    assert!(app.get(LOG).await.expect(200)["total"].as_i64().unwrap() > 7, "an operator sees all");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_cursors_go_through_all() {
    let app = TestApp::start().await;
    let mine = app.tenant("Mine").await;
    for number in 0..7 {
        app.post_as(&mine.key, "/api/v1/api_keys", &json!({ "label": format!("k{number}") }))
            .await
            .expect(201);
    }
    let ask = async |path: String| app.get_as(&mine.key, &path).await.expect(200);
    let all = ids(&ask(LOG.to_owned()).await);
    assert_eq!(all.len(), 9);
    let mut paged = Vec::new();
    for page in 1..=4 {
        paged.extend(ids(&ask(format!("{LOG}?page={page}&page_size=3")).await));
    }
    assert_eq!(paged, all);
    for path in [LOG, "/api/v1/events"] {
        let (mut followed, mut query) = (Vec::new(), "limit=2".to_owned());
        loop {
            let page = ask(format!("{path}?{query}")).await;
            assert_eq!((page["total"].as_i64(), page["page_size"].as_i64()), (Some(9), Some(2)));
            followed.extend(ids(&page));
            let Some(cursor) = page["cursor"].as_str() else { break };
            query = format!("limit=2&cursor={cursor}");
        }
        assert_eq!(followed, all);
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=3&page_size=3", "limit"),
        ("page=2&cursor=1.evt_1", "page"),
        ("cursor=none", "cursor"),
        ("since=yesterday", "since"),
        ("action=a&event_type=b", "event_type"),
        ("format=xml", "format"),
    ] {
        let refused = app.get_as(&mine.key, &format!("{LOG}?{query}")).await.expect(400);
        assert_eq!(refused["error"]["details"]["field"], field, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_on_a_plan_that_includes_it_read_the_log() {
    let app = TestApp::start().await;
    let stranger = app.stranger_on("free", None).await;
    for path in
        [LOG, "/api/v1/auditlogs", "/api/v1/events", "/api/v1/events/export", "/api/v1/audit-logs/integrity"]
    {
        let refused = app.get_as(&stranger, path).await.expect(402);
        assert_eq!(
            (&refused["error"], &refused["required_plan"]),
            (&json!("plan_limit_exceeded"), &json!("starter")),
            "{path}"
        );
    }
    let member = app.key_of(hardpoint_store::keys::Role::Member).await;
    assert_eq!(app.get_as(&member, LOG).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_streams_and_events() {
    let app = TestApp::start().await;
    let mine = app.tenant("Mine").await;
    // More than one page of a stream.
    let events = (0..450).map(|number| {
        let target = hardpoint_domain::event::Target::new("key", format!("key_{number}"));
        let now = hardpoint_domain::time::Clock::now(app.clock());
        let actor = hardpoint_domain::event::Actor::system();
        hardpoint_domain::event::Event {
            organization_id: Some(mine.organization.clone()),
            ..hardpoint_domain::event::Event::new(
                format!("evt_{number:04}"),
                now,
                "key.created",
                actor,
                target,
            )
        }
    });
    let events: Vec<_> = events.collect();
    app.app()
        .store
        .write(Lane::Request, move |tx| {
            Box::pin(async move {
                for event in &events {
                    tx.append(event, &[]).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    let export = async |query: &str| app.get_as(&mine.key, &format!("/api/v1/events/export?{query}")).await;
    let array = export("").await.expect(200);
    assert_eq!(array.as_array().unwrap().len(), 452);
    assert_eq!(array[0]["type"], "key.created", "its own event is not part of it");
    let lines = export("kind=event&format=ndjson&limit=205&type=key.created").await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), lines[204]["type"].as_str()), (205, Some("key.created")));
    let ocsf = export("format=ocsf&limit=1").await.text();
    assert_eq!(serde_json::from_str::<Value>(&ocsf).unwrap()["class_uid"], 6003, "the export before: {ocsf}");
    assert_eq!(export("requestId=req_none").await.expect(200), json!([]));
    let shown =
        app.get_as(&mine.key, "/api/v1/events?type=key.created&format=ocsf&limit=1").await.expect(200);
    assert_eq!((&shown["data"][0]["type_uid"], shown["total"].as_i64()), (&json!(300_401), Some(451)));

    let told = app.get_as(&mine.key, &format!("{LOG}?action=audit_log.exported")).await.expect(200);
    assert_eq!(told["total"], 4);
    assert_eq!(told["data"][2]["after"]["format"], "ndjson");
    assert_eq!(told["data"][2]["after"]["type"], "key.created");
    for (query, field) in [("limit=0", "limit"), ("kind=usage", "kind"), ("format=csv", "format")] {
        assert_eq!(export(query).await.expect(400)["error"]["details"]["field"], field);
    }
    // What cannot be read is refused before anything is written down, or begun.
    for cursor in ["soon", "1.%00", "1.evt%00"] {
        let refused = export(&format!("cursor={cursor}")).await.expect(400);
        assert_eq!(refused["error"]["details"]["field"], "cursor");
    }
    let told = app.get_as(&mine.key, &format!("{LOG}?action=audit_log.exported")).await.expect(200);
    assert_eq!(told["total"], 4);
}

/// One check is for all who wait for it, however long it takes.
#[tokio::test(flavor = "multi_thread")]
async fn who_waited_for_a_check_needs_no_other() {
    let app = TestApp::start().await;
    // All connections that there are: a check has begun, and gets no further.
    let store = &app.app().store;
    let mut busy = Vec::new();
    for _ in 0..READERS {
        busy.push(store.read().await.unwrap());
    }
    let checks = &app.app().integrity;
    let (mut first, mut second) = (Box::pin(checks.of(app.app())), Box::pin(checks.of(app.app())));
    assert!(tokio::time::timeout(Duration::ZERO, &mut first).await.is_err());
    assert!(tokio::time::timeout(Duration::ZERO, &mut second).await.is_err());
    let begun = app.app().clock.now();
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    app.clock().advance(hours(2));
    drop(busy);
    let (first, second) = tokio::join!(first, second);
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(Arc::ptr_eq(&first.0, &second.0));
    assert!(first.1.since(begun) >= hours(2), "of when it ended");
    // What takes so long is not done again soon.
    app.clock().advance(hours(19));
    assert!(Arc::ptr_eq(&first.0, &checks.of(app.app()).await.unwrap().0));
    app.clock().advance(hours(2));
    assert!(!Arc::ptr_eq(&first.0, &checks.of(app.app()).await.unwrap().0));
}

#[tokio::test(flavor = "multi_thread")]
async fn integrity_says_what_was_checked_and_what_does_not_fit() {
    let app = TestApp::start().await;
    let mine = app.tenant("Mine").await;
    for number in 0..5 {
        app.post_as(&mine.key, "/api/v1/api_keys", &json!({ "label": format!("k{number}") }))
            .await
            .expect(201);
    }
    sequencer::number_all(app.app()).await.unwrap();
    checkpoints::sign_due(app.app()).await.unwrap();
    let checked = async || {
        // It is not read anew for everybody.
        app.clock().advance(Duration::from_secs(3_601));
        app.get_as(&mine.key, "/api/v1/audit-logs/integrity").await.expect(200)
    };
    let intact = checked().await;
    let to = intact["checked"]["to"].as_i64().unwrap();
    assert!(intact["intact"] == json!(true) && intact["findings"] == json!([]), "{intact:#}");
    assert!(to >= 7 && intact["checked"]["events"] == to, "{intact:#}");
    assert_eq!(intact["checkpoints"]["unknown_key"], 0);
    assert!(intact["checkpoints"]["checked"].as_i64() >= Some(1), "{intact:#}");
    assert!(intact["not_covered"].as_array().unwrap().len() >= 2);

    sql(&app, damage::EDITED_4).await;
    app.clock().advance(Duration::from_secs(3_500));
    let again = app.get_as(&mine.key, "/api/v1/audit-logs/integrity").await.expect(200);
    assert_eq!(again, intact, "no more than once an hour, whoever asks");
    let edited = checked().await;
    assert_eq!(edited["intact"], false);
    assert_eq!(edited["findings"][0]["from"], 4, "{edited:#}");
    assert_eq!(edited["findings"][0]["fault"], "edited");
    sql(&app, damage::DELETED_2).await;
    assert_eq!(checked().await["findings"][0]["fault"], "missing");
}

/// The store of a folder, as somebody has it who has the machine's disk and no key.
async fn tampered(folder: &std::path::Path, text: &'static str) {
    let config =
        StoreConfig { data: folder.join("data"), blobs: None, url: None, durability: Durability::Process };
    let store = Store::open(&config, Arc::new(crate::support::FakeClock::default())).await.unwrap();
    let write = store.write(Lane::Request, move |tx| Box::pin(async move { raw(tx, text).await }));
    write.await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_that_are_kept_elsewhere_show_what_the_log_itself_does_not() {
    let folder = tempfile::TempDir::new().unwrap();
    let run = |arguments: &[&str]| hardpoint(folder.path(), arguments);
    for name in ["One", "Two", "Three", "Four"] {
        assert!(run(&["org", "create", name]).status.success());
    }
    let signed = run(&["audit", "checkpoint"]);
    assert!(signed.status.success(), "{}", said(&signed));
    std::fs::write(folder.path().join("kept.jsonl"), &signed.stdout).unwrap();
    let checkpoint: Value = serde_json::from_slice(&signed.stdout).unwrap();
    assert_eq!(checkpoint["seq"], 4);
    let keys: Value = serde_json::from_slice(&run(&["audit", "keys", "--json"]).stdout).unwrap();
    assert_eq!(keys["data"][0]["id"], checkpoint["key_id"]);
    assert_eq!(keys["data"][0]["public_key"], checkpoint["public_key"]);
    assert_eq!(run(&["audit", "checkpoint", "--all"]).stdout, signed.stdout);

    let from = ["audit", "verify", "--from", "kept.jsonl"];
    let intact = run(&from);
    assert!(intact.status.success(), "{}", said(&intact));
    insta::assert_snapshot!(said(&intact), @r"
    events       4 of numbers 1 to 4, 0 with purged bodies
    checkpoints  1 of the log's own, the last at 4
                 1 kept elsewhere, the last at 4
    Everything fits.
    Not covered:
    - What came after number 4, the last checkpoint that was kept outside the database: its end may have been cut off, or all of it been linked anew.
    - Whether what was written was true when it was written, and whether all was written that happened. Who can write to the database can add events that have no number yet, and they are linked as if they had happened: one that tells of a purge accounts for bodies that were erased.
    ");

    let of_a_host = folder.path().join("data/signed.json");
    assert!(!of_a_host.exists(), "whoever ran the command, the file is the host's to write");
    std::fs::copy(folder.path().join("kept.jsonl"), &of_a_host).unwrap();

    // Who has the database cuts the log and all that tells of it.
    tampered(folder.path(), damage::CUT_AFTER_2).await;
    let cut = run(&["audit", "verify"]);
    assert_eq!(cut.status.code(), Some(1), "the data folder has a checkpoint too");
    std::fs::remove_file(of_a_host).unwrap();
    assert!(run(&["audit", "verify"]).status.success(), "the log alone does not tell");
    let cut = run(&from);
    assert_eq!(cut.status.code(), Some(1));
    assert!(said(&cut).contains("FOUND at 3 to 4: cut off"), "{}", said(&cut));
    let cut = run(&["audit", "verify", "--from", "kept.jsonl", "--json"]);
    let report: Value = serde_json::from_slice(&cut.stdout).unwrap();
    assert_eq!((cut.status.code(), &report["findings"][0]["fault"]), (Some(1), &json!("truncated")));

    std::fs::write(folder.path().join("none.jsonl"), "{}").unwrap();
    let wrong = run(&["audit", "verify", "--from", "none.jsonl"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
}

/// Who has the database links the log anew and takes the checkpoints out of it: the host, which has the key, does not
/// sign that for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_linked_anew_is_not_signed() {
    let app = TestApp::start().await;
    for name in ["One", "Two"] {
        app.tenant(name).await;
    }
    sequencer::number_all(app.app()).await.unwrap();
    // Whatever a worker signed at the start, another one is due.
    app.clock().advance(Duration::from_secs(301));
    checkpoints::sign_due(app.app()).await.unwrap();
    let count = async || {
        let mut conn = app.app().store.read().await.unwrap();
        hardpoint_store::checkpoints::after(&mut conn, 0, i64::MAX, 100).await.unwrap().len()
    };
    assert!(count().await >= 1);
    let rewritten = damage::rewritten(&app.app().store, 2).await.unwrap();
    sql(&app, rewritten.leak()).await;
    app.tenant("Three").await;
    sequencer::number_all(app.app()).await.unwrap();

    app.clock().advance(Duration::from_secs(301));
    let refused = checkpoints::sign_due(app.app()).await.unwrap_err();
    assert!(refused.is::<Broken>(), "{refused:#}");
    assert!(refused.to_string().contains("rewritten"), "{refused}");
    assert_eq!(count().await, 0);
    let checked = app.get("/api/v1/audit-logs/integrity").await.expect(200);
    assert_eq!(checked["findings"][0]["fault"], "rewritten", "{checked:#}");
    // Only an operator, at the data folder, makes it begin anew.
    std::fs::remove_file(app.app().config.server.data.join("signed.json")).unwrap();
    checkpoints::sign_due(app.app()).await.unwrap();
    assert!(count().await >= 1);
}

/// Whoever signs beside the host, every minute, keeps it from nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_sign_is_signed_by_the_host_too() {
    let app = TestApp::start().await;
    let (state, config) = (app.app(), &app.app().config);
    for number in 0..20 {
        app.tenant(&format!("Tenant {number}")).await;
        sequencer::number_all(state).await.unwrap();
        app.clock().advance(Duration::from_secs(60));
        signing::checkpoint(&state.store, &state.audit_keys, config, state.clock.now()).await.unwrap();
        checkpoints::sign_due(state).await.unwrap();
    }
    let signed = signing::last(&config.server.data).unwrap().unwrap();
    assert!(state.clock.now().since(signed.time) < Duration::from_secs(300), "{signed:?}");
    assert!(signed.seq > 2);
    sql(&app, damage::CUT_AFTER_2).await;
    let refused = checkpoints::sign_due(state).await.unwrap_err();
    assert!(refused.is::<Broken>(), "{refused:#}");
}

/// It signed an hour ahead, and its clock was put right.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_clock_ahead_signed_puts_off_no_other_checkpoint() {
    let app = TestApp::start().await;
    let state = app.app();
    app.tenant("One").await;
    sequencer::number_all(state).await.unwrap();
    let ahead = state.clock.now().plus(Duration::from_secs(3_600));
    signing::go_on(state, ahead).await.unwrap();
    app.tenant("Two").await;
    sequencer::number_all(state).await.unwrap();
    let head = chain::head(&mut state.store.read().await.unwrap()).await.unwrap();
    checkpoints::sign_due(state).await.unwrap();
    let signed = signing::last(&state.config.server.data).unwrap().unwrap();
    assert!(signed.seq == head.seq && signed.time < ahead, "{signed:?}");
}

/// Signs what is due until the host remembers all that is in the log: whoever reads at that moment puts it off.
async fn signed(app: &TestApp) -> Checkpoint {
    let state = app.app();
    let remembered = async {
        loop {
            if let Err(error) = checkpoints::sign_due(state).await {
                assert!(!error.is::<Broken>(), "{error:#}");
            }
            let head = chain::head(&mut state.store.read().await.unwrap()).await.unwrap();
            match signing::last(&state.config.server.data).unwrap() {
                Some(signed) if signed.seq >= head.seq => return signed,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), remembered).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_the_disk_yet_is_signed_later() {
    let app = TestApp::with("[database]\ndurability = \"process\"\n", &[]).await;
    let mut reader = app.app().store.read().await.unwrap();
    raw(&mut reader, damage::READ_ON).await.unwrap();
    app.tenant("One").await;
    sequencer::number_all(app.app()).await.unwrap();
    let head = chain::head(&mut app.app().store.read().await.unwrap()).await.unwrap();
    app.clock().advance(Duration::from_secs(301));
    let put_off = checkpoints::sign_due(app.app()).await.unwrap_err();
    assert!(!put_off.is::<Broken>(), "{put_off:#}");
    let state = app.app();
    // Nor by the command, whose checkpoint is kept elsewhere.
    signing::checkpoint(&state.store, &state.audit_keys, &state.config, state.clock.now()).await.unwrap_err();
    let mut conn = state.store.read().await.unwrap();
    let kept = hardpoint_store::checkpoints::after(&mut conn, 0, i64::MAX, 100).await.unwrap();
    assert!(kept.iter().all(|kept| kept.seq < head.seq), "somebody is in the way");
    drop(conn);
    raw(&mut reader, damage::READ_OVER).await.unwrap();
    drop(reader);
    assert!(signed(&app).await.seq >= head.seq);
}

/// The write-ahead log is what a power cut may take.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_is_on_the_disk_before_it_is_remembered() {
    let app = TestApp::with("[database]\ndurability = \"process\"\n", &[]).await;
    app.tenant("One").await;
    sequencer::number_all(app.app()).await.unwrap();
    app.clock().advance(Duration::from_secs(301));
    let signed = signed(&app).await;
    let (data, left) = (&app.app().config.server.data, tempfile::tempdir().unwrap());
    std::fs::copy(data.join("hardpoint.db"), left.path().join("hardpoint.db")).unwrap();
    let config =
        StoreConfig { data: left.path().to_owned(), blobs: None, url: None, durability: Durability::Process };
    let store = Store::open_to_read(&config).await.unwrap().unwrap();
    let head = chain::head(&mut store.read().await.unwrap()).await.unwrap();
    assert!(head.seq >= signed.seq && head.seq > 0, "{} of {signed:?}", head.seq);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_purged_after_their_time_and_the_chain_holds() {
    let app = TestApp::start().await;
    let (mine, other) = (app.tenant("Mine").await, app.tenant("Other").await);
    let path = |tenant: &crate::support::Tenant| {
        format!("/api/v1/enterprise/orgs/{}/retention", tenant.organization)
    };
    let put = async |key: &str, path: &str, body: Value| -> Answer {
        app.ask(key, Method::PUT, path, Some(&body)).await
    };
    let days = |days: i64| json!({ "audit_log_retention_days": days });
    assert_eq!(app.get_as(&mine.key, &path(&mine)).await.expect(200)["audit_log_retention_days"], 365);
    for wrong in [365, 3_651, 0, -1] {
        let refused = put(&mine.key, &path(&mine), days(wrong)).await.expect(422);
        assert_eq!(refused["error"]["details"]["field"], "audit_log_retention_days");
    }
    let unknown = json!({ "audit_log_retention_days": 730, "days": 1 });
    assert_eq!(put(&mine.key, &path(&mine), unknown).await.expect(400)["error"]["details"]["field"], "days");
    assert_eq!(put(&mine.key, &path(&other), days(730)).await.status, 404);
    let stranger = app.stranger_on("professional", None).await;
    let refused =
        put(&stranger, "/api/v1/enterprise/orgs/org_stranger/retention", days(730)).await.expect(402);
    assert_eq!(refused["required_plan"], "enterprise");
    let set = put(&mine.key, &path(&mine), days(730)).await.expect(200);
    assert_eq!((&set["audit_log_retention_days"], &set["plan_days"]), (&json!(730), &json!(365)));
    let told =
        app.get_as(&mine.key, &format!("{LOG}?action=organization.retention_changed")).await.expect(200);
    assert_eq!(told["data"][0]["before"], json!({ "audit_log_retention_days": null }));
    assert_eq!(told["data"][0]["after"], json!({ "audit_log_retention_days": 730 }));

    // What was set is taken back by null, and not by leaving it out.
    put(&mine.key, &path(&mine), json!({})).await.expect(400);
    let plans = json!({ "audit_log_retention_days": null });
    let back = put(&mine.key, &path(&mine), plans.clone()).await.expect(200);
    assert_eq!((&back["audit_log_retention_days"], &back["plan_days"]), (&json!(365), &json!(365)));
    let told =
        app.get_as(&mine.key, &format!("{LOG}?action=organization.retention_changed")).await.expect(200);
    assert_eq!((&told["data"][0]["before"], &told["data"][0]["after"]), (&days(730), &plans));
    put(&mine.key, &path(&mine), days(730)).await.expect(200);

    sequencer::number_all(app.app()).await.unwrap();
    let total = async |tenant: &crate::support::Tenant| {
        app.get_as(&tenant.key, LOG).await.expect(200)["total"].as_i64().unwrap()
    };
    let before = (total(&mine).await, total(&other).await);
    app.clock().advance(Duration::from_secs(400 * 86_400));
    retention::purge_all(app.app()).await.unwrap();
    // Only the one on its plan's year; of that only what tells of the purge is left.
    assert_eq!((total(&mine).await, total(&other).await), (before.0, 1));
    let told = app.get_as(&other.key, &format!("{LOG}?action=audit_log.purged")).await.expect(200);
    assert_eq!(told["data"][0]["after"]["count"], before.1);
    app.clock().advance(Duration::from_secs(400 * 86_400));
    retention::purge_all(app.app()).await.unwrap();
    retention::purge_all(app.app()).await.unwrap();
    assert_eq!((total(&mine).await, total(&other).await), (1, 1), "what tells of purges stays");

    sequencer::number_all(app.app()).await.unwrap();
    let checked = app.get("/api/v1/audit-logs/integrity").await.expect(200);
    assert_eq!(checked["intact"], true, "{checked:#}");
    assert!(checked["checked"]["purged"].as_i64() >= Some(before.0 + before.1), "{checked:#}");
    sql(&app, damage::ERASED_PURGE).await;
    app.clock().advance(Duration::from_secs(3_601));
    let checked = app.get("/api/v1/audit-logs/integrity").await.expect(200);
    assert_eq!(checked["findings"][0]["fault"], "erased", "{checked:#}");
}
