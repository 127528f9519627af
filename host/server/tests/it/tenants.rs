//! What is one organisation's is nobody else's.

use http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::support::{Answer, Tenant, TestApp};

const KEYS: &str = "/api/v1/api_keys";
const USERS: &str = "/api/v1/users";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_tenants_is_not_there() {
    let app = TestApp::start().await;
    let (mine, theirs) = (app.tenant("Mine").await, app.tenant("Theirs").await);
    let all = format!("/api/v1/orgs/{}/workspaces", theirs.organization);
    let ws = app.post_as(&theirs.key, &all, &json!({"name": "Secret plans"})).await.expect(201);
    let ws = ws["id"].as_str().unwrap();
    let (key, nobody) = (format!("{KEYS}/{}", theirs.key_id), format!("{KEYS}/key_{}", "0".repeat(32)));
    let hooks = "/api/v1/webhook_endpoints";
    let wanted = json!({"url": "https://example.com/hook"});
    let hook = app.post_as(&theirs.key, hooks, &wanted).await.expect(201);
    let hook = format!("{hooks}/{}", hook["id"].as_str().unwrap());
    app.post_as(&theirs.key, &format!("{hook}/test"), &json!({})).await.expect(202);
    let sent = app.get_as(&theirs.key, &format!("{hook}/deliveries")).await.expect(200);
    let sent = format!("{hook}/deliveries/{}", sent["data"][0]["id"].as_str().unwrap());
    let body = json!({"name": "Mine"});
    for (method, path, body) in [
        (Method::GET, key.clone(), None),
        (Method::GET, format!("{key}/calls"), None),
        (Method::GET, format!("{key}/usage"), None),
        (Method::POST, format!("{key}/archive"), Some(&body)),
        (Method::POST, format!("{key}/rotate"), None),
        (Method::DELETE, key.clone(), None),
        (Method::DELETE, format!("{key}?revoke=true"), None),
        (Method::GET, format!("{KEYS}?organization_id={}", theirs.organization), None),
        (Method::GET, all.clone(), None),
        (Method::POST, all.clone(), Some(&body)),
        (Method::GET, format!("{all}/{ws}"), None),
        (Method::PUT, format!("{all}/{ws}"), Some(&body)),
        (Method::DELETE, format!("{all}/{ws}"), None),
        (Method::GET, format!("/api/v1/orgs/{}/workspaces/{ws}", mine.organization), None),
        (Method::DELETE, format!("/api/v1/orgs/{}/workspaces/{ws}", mine.organization), None),
        (Method::GET, format!("{hooks}?organization_id={}", theirs.organization), None),
        (Method::GET, hook.clone(), None),
        (Method::PUT, hook.clone(), Some(&json!({}))),
        (Method::POST, format!("{hook}/rotate_secret"), None),
        (Method::POST, format!("{hook}/test"), None),
        (Method::POST, format!("{hook}/replay?since=2020-01-01"), None),
        (Method::GET, format!("{hook}/deliveries"), None),
        (Method::GET, sent.clone(), None),
        (Method::POST, format!("{sent}/replay"), None),
        (Method::DELETE, hook.clone(), None),
    ] {
        let answer = app.ask(&mine.key, method.clone(), &path, body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
    }
    // Not even that it is there: the answer differs in nothing but the id.
    let shown = |answer: &Answer, id: &str| answer.text().replace(id, "…");
    let there = app.get_as(&mine.key, &key).await;
    let not_there = app.get_as(&mine.key, &nobody).await;
    assert_eq!(shown(&there, &theirs.key_id), shown(&not_there, &nobody[KEYS.len() + 1..]));
    let bind = |ws: String| json!({"workspace_id": ws});
    let there = app.post_as(&mine.key, KEYS, &bind(ws.to_owned())).await;
    let not_there = app.post_as(&mine.key, KEYS, &bind(format!("ws_{}", "0".repeat(32)))).await;
    assert_eq!((there.status.as_u16(), there.text()), (422, not_there.text()));
    let put = app.post_as(&mine.key, KEYS, &json!({"organization_id": theirs.organization})).await;
    put.expect(404);
    assert_eq!(app.get_as(&theirs.key, &key).await.expect(200)["status"], "live");
}

/// What is planted in everything of a tenant.
fn canary(tenant: &Tenant) -> String {
    format!("canary-{}", tenant.organization.trim_start_matches("org_"))
}

/// One request of one of two tenants, about the `which`th thing that was ever made, whosever it is.
#[derive(Clone, Copy, Debug)]
enum Step {
    MakeKey,
    MakeBoundKey(usize),
    MakeWorkspace,
    Get(usize),
    Calls(usize),
    Rotate(usize),
    Archive(usize),
    Revoke(usize),
    Delete(usize),
    Rename(usize),
    List,
    Use(usize),
    Invite,
    Users,
    Workspaces,
    Member(usize, usize),
    Members(usize),
    /// Under an `Idempotency-Key` that both use, with a body that both send.
    Named(usize),
    Own,
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let which = || 0_usize..40;
    let step = prop_oneof![
        Just(Step::MakeKey),
        which().prop_map(Step::MakeBoundKey),
        Just(Step::MakeWorkspace),
        which().prop_map(Step::Get),
        which().prop_map(Step::Calls),
        which().prop_map(Step::Rotate),
        which().prop_map(Step::Archive),
        which().prop_map(Step::Revoke),
        which().prop_map(Step::Delete),
        which().prop_map(Step::Rename),
        Just(Step::List),
        which().prop_map(Step::Use),
        Just(Step::Invite),
        Just(Step::Users),
        Just(Step::Workspaces),
        (which(), which()).prop_map(|(workspace, user)| Step::Member(workspace, user)),
        which().prop_map(Step::Members),
        (0_usize..3).prop_map(Step::Named),
        Just(Step::Own),
    ];
    (0_usize..2, step)
}

/// What was made so far, in one server.
struct World<'a> {
    app: &'a TestApp,
    tenants: [Tenant; 2],
    /// Ids of keys, workspaces and users, with whose they are; of keys the text too.
    made: Vec<(usize, String, Option<String>)>,
}

impl World<'_> {
    async fn take(&mut self, (who, step): (usize, Step)) {
        let all = |tenant: &Tenant| format!("/api/v1/orgs/{}/workspaces", tenant.organization);
        let mine = all(&self.tenants[who]);
        let number = self.made.len();
        let picked = |which: usize| {
            self.made.get(which % number.max(1)).map(|(_, id, _)| id.clone()).unwrap_or_default()
        };
        let path = |which: usize| {
            let id = picked(which);
            match id.split_once('_') {
                Some(("ws", _)) => format!("{mine}/{id}"),
                Some(("user", _)) => format!("{USERS}/{id}"),
                _ => format!("{KEYS}/{id}"),
            }
        };
        // Planted in all that is theirs, so that it is found wherever that turns up.
        let canary = canary(&self.tenants[who]);
        let (method, path, body) = match step {
            Step::MakeKey => (Method::POST, KEYS.to_owned(), Some(json!({"role": "admin", "label": canary}))),
            Step::MakeBoundKey(which) => {
                (Method::POST, KEYS.to_owned(), Some(json!({"role": "admin", "workspace_id": picked(which)})))
            }
            Step::MakeWorkspace => (
                Method::POST,
                mine.clone(),
                Some(json!({"name": format!("{number} {canary}"), "description": canary})),
            ),
            Step::Get(which) => (Method::GET, path(which), None),
            Step::Calls(which) => (Method::GET, format!("{KEYS}/{}/calls", picked(which)), None),
            Step::Rotate(which) => {
                (Method::POST, format!("{KEYS}/{}/rotate", picked(which)), Some(json!({"overlap": 5})))
            }
            Step::Archive(which) => (Method::POST, format!("{KEYS}/{}/archive", picked(which)), None),
            Step::Revoke(which) => (Method::DELETE, format!("{KEYS}/{}?revoke=true", picked(which)), None),
            Step::Delete(which) => (Method::DELETE, path(which), None),
            Step::Rename(which) => {
                (Method::PUT, path(which), Some(json!({"name": format!("{canary} {number}")})))
            }
            Step::Invite => {
                let email = format!("{number}@{canary}.example");
                (Method::POST, USERS.to_owned(), Some(json!({"email": email, "name": canary})))
            }
            Step::Users => (Method::GET, format!("{USERS}?page_size=100"), None),
            Step::Workspaces => (Method::GET, format!("{mine}?page_size=100"), None),
            Step::Member(workspace, user) => {
                let path = format!("{mine}/{}/members/{}", picked(workspace), picked(user));
                (Method::PUT, path, Some(json!({"role": "member"})))
            }
            Step::Members(which) => (Method::GET, format!("{mine}/{}/members", picked(which)), None),
            Step::Named(name) => {
                let mut request = self.app.request(Method::POST, KEYS, Some(&json!({"label": "the same"})));
                let key = format!("Bearer {}", self.tenants[who].key).parse().unwrap();
                request.headers_mut().insert("authorization", key);
                request.headers_mut().insert("idempotency-key", format!("name-{name}").parse().unwrap());
                let answer = self.app.send(request).await;
                self.check(who, step, &answer);
                assert_eq!(answer.json()["organization_id"], self.tenants[who].organization, "{step:?}");
                return;
            }
            Step::Own => {
                for path in ["/api/v1/me", "/api/v1/org"] {
                    let answer = self.app.get_as(&self.tenants[who].key, path).await;
                    self.check(who, step, &answer);
                }
                return;
            }
            Step::List => (Method::GET, format!("{KEYS}?page_size=100"), None),
            Step::Use(which) => {
                let found = self.made.get(which % number.max(1));
                let Some((whose, _, Some(text))) = found else { return };
                let listed = self.app.get_as(text, &format!("{KEYS}?page_size=100")).await;
                return self.check(*whose, step, &listed);
            }
        };
        let answer = self.app.ask(&self.tenants[who].key, method, &path, body.as_ref()).await;
        self.check(who, step, &answer);
        if answer.status == 201 {
            let made = answer.json();
            let text = made["key"].as_str().map(str::to_owned);
            self.made.push((who, made["id"].as_str().unwrap().to_owned(), text));
        }
    }

    /// Nothing of the other tenant's is in an answer, but for what the question itself named.
    fn check(&self, who: usize, step: Step, answer: &Answer) {
        assert!(!answer.status.is_server_error(), "{step:?}: {}", answer.text());
        let (text, other) = (answer.text(), &self.tenants[1 - who]);
        // In errors too; what a question named may be repeated in them, and no question names this.
        assert!(!text.contains(&canary(other)), "{step:?}: {text}");
        if !answer.status.is_success() {
            return;
        }
        assert!(!text.contains(&other.organization) && !text.contains(&other.key_id), "{step:?}: {text}");
        for (whose, id, _) in &self.made {
            assert!(*whose == who || !text.contains(id), "{step:?}: {text}");
        }
    }
}

#[test]
fn random_sequences_show_nobody_what_is_not_theirs() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::start());
    let cases = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let sequence = prop::collection::vec(step(), 10..80);
    let outcome = TestRunner::new(cases).run(&sequence, |steps| {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(async {
                let tenants = [app.tenant("One").await, app.tenant("Other").await];
                let mut world = World { app: &app, tenants, made: Vec::new() };
                for step in steps {
                    world.take(step).await;
                }
            });
        }));
        caught.map_err(|panic| {
            let told = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned());
            TestCaseError::fail(told)
        })
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
