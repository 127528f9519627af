use std::time::Duration;

use hardpoint_domain::knowledge::settings::Sharing;
use hardpoint_store::knowledge::bases;
use hardpoint_store::knowledge::conversations::{self, Conversation, Message, Role, Source};
use hardpoint_store::knowledge::documents;
use hardpoint_store::knowledge::questions::{self, Of, Question};

use super::{ALL, new_document, prepare, upload, written};
use crate::support::{Fixture, at, on_both};

on_both!(messages_are_kept_in_order, a_conversation_is_its_organisations, sums_by_day, what_was_asked_most);

fn conversation(id: &str, workspace: Option<&str>) -> Conversation {
    Conversation {
        id: id.into(),
        organization_id: "org_1".into(),
        workspace_id: workspace.map(str::to_owned),
        agent_id: None,
        title: "Returns ☃".into(),
        message_count: 0,
        created_by: "key_1".into(),
        created_at: at(0),
        updated_at: at(0),
        archived_at: None,
    }
}

fn message(id: &str, role: Role, seconds: i64) -> Message {
    let source =
        Source { chunk_id: "c".into(), document_id: "doc-1".into(), similarity_score: 0.9234567890123 };
    Message {
        id: id.into(),
        ordinal: 0,
        role,
        content: "\"within\" 30 days".into(),
        sources: if role == Role::Assistant { vec![source] } else { vec![] },
        confidence: (role == Role::Assistant).then_some(0.1),
        is_fallback: false,
        prompt_tokens: 150,
        completion_tokens: 200,
        created_at: at(seconds),
    }
}

async fn begin(db: &Fixture, new: Conversation) {
    written!(db, |tx| conversations::create(tx, &new)).unwrap();
}

async fn say(db: &Fixture, conversation: &str, said: Message) -> Option<i64> {
    let conversation = conversation.to_owned();
    written!(db, |tx| conversations::say(tx, &conversation, &said)).unwrap()
}

async fn messages_are_kept_in_order(db: Fixture) {
    prepare(&db).await;
    begin(&db, conversation("c-1", None)).await;
    assert_eq!(say(&db, "c-1", message("m-1", Role::User, 1)).await, Some(1));
    assert_eq!(say(&db, "c-1", message("m-2", Role::Assistant, 2)).await, Some(2));
    assert_eq!(say(&db, "c-2", message("m-3", Role::User, 3)).await, None);
    let mut conn = db.store.read().await.unwrap();
    let all = conversations::messages(&mut conn, "c-1", 0, 10).await.unwrap();
    let expected = [
        Message { ordinal: 1, ..message("m-1", Role::User, 1) },
        Message { ordinal: 2, ..message("m-2", Role::Assistant, 2) },
    ];
    assert_eq!(all, expected);
    assert_eq!(conversations::messages(&mut conn, "c-1", 1, 10).await.unwrap(), expected[1..]);
    assert_eq!(conversations::latest(&mut conn, "c-1", 1).await.unwrap(), expected[1..]);
    assert_eq!(conversations::latest(&mut conn, "c-1", 9).await.unwrap(), expected);
    let kept = conversations::get(&mut conn, "org_1", "c-1").await.unwrap().unwrap();
    assert_eq!(kept, Conversation { message_count: 2, updated_at: at(2), ..conversation("c-1", None) });
}

async fn a_conversation_is_its_organisations(db: Fixture) {
    prepare(&db).await;
    begin(&db, conversation("c-1", None)).await;
    begin(&db, conversation("c-2", Some("ws_1"))).await;
    say(&db, "c-1", message("m-1", Role::User, 5)).await.unwrap();
    let mut conn = db.store.read().await.unwrap();
    for (organization, workspace, expected) in
        [("org_1", None, vec!["c-1", "c-2"]), ("org_1", Some("ws_1"), vec!["c-2"]), ("org_2", None, vec![])]
    {
        let found = conversations::list(&mut conn, organization, workspace, ALL).await.unwrap();
        assert_eq!(found.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), expected);
        let count = conversations::count(&mut conn, organization, workspace).await.unwrap();
        assert_eq!(count as usize, expected.len());
    }
    assert_eq!(conversations::get(&mut conn, "org_2", "c-1").await.unwrap(), None);
    assert!(!written!(db, |tx| conversations::delete(tx, "org_2", "c-1")).unwrap());
    assert!(written!(db, |tx| conversations::archive(tx, "org_1", "c-1", Some(at(9)))).unwrap());
    let archived = conversations::get(&mut conn, "org_1", "c-1").await.unwrap().unwrap();
    assert_eq!(archived.archived_at, Some(at(9)));
    assert!(written!(db, |tx| conversations::delete(tx, "org_1", "c-1")).unwrap());
    assert_eq!((db.rows("conversations").await, db.rows("messages").await), (1, 0));
}

fn question(id: &str, text: &str, seconds: i64) -> Question {
    Question {
        id: id.into(),
        time: at(seconds),
        organization_id: "org_1".into(),
        workspace_id: None,
        knowledge_base_id: Some("kb-1".into()),
        question: text.into(),
        is_answered: true,
        is_fallback: false,
        confidence: Some(0.5),
        duration: Duration::from_millis(100),
        prompt_tokens: 10,
        completion_tokens: 20,
        sources: vec!["doc-1".into()],
    }
}

async fn ask(db: &Fixture, asked: Question) {
    written!(db, |tx| questions::record(tx, &asked)).unwrap();
}

const DAY: i64 = 86_400;

fn all_time() -> Of<'static> {
    Of { organization_id: "org_1", workspace_id: None, since: at(-DAY), until: at(9 * DAY) }
}

async fn sums_by_day(db: Fixture) {
    prepare(&db).await;
    ask(&db, question("q-1", "a", 0)).await;
    let unanswered = Question {
        is_answered: false,
        is_fallback: true,
        confidence: None,
        duration: Duration::from_millis(700),
        sources: vec![],
        ..question("q-2", "b", 60)
    };
    ask(&db, unanswered).await;
    ask(&db, Question { workspace_id: Some("ws_1".into()), ..question("q-3", "c", DAY) }).await;
    let mut conn = db.store.read().await.unwrap();
    let days = questions::by_day(&mut conn, &all_time()).await.unwrap();
    assert_eq!(days.len(), 2);
    let first = days[0];
    assert_eq!(first.start.micros() % (DAY * 1_000_000), 0);
    assert!(first.start <= at(0) && at(0) < days[1].start);
    assert_eq!((first.questions, first.answered, first.fallbacks), (2, 1, 1));
    assert_eq!((first.confidence, first.total_us, first.longest_us), (Some(0.5), 800_000, 700_000));
    assert_eq!((first.prompt_tokens, first.completion_tokens), (20, 40));
    assert_eq!((days[1].questions, days[1].confidence), (1, Some(0.5)));
    let slowest = questions::all_but(&mut conn, &all_time(), 0).await.unwrap();
    let second = questions::all_but(&mut conn, &all_time(), 1).await.unwrap();
    assert_eq!((slowest, second), (Some(Duration::from_millis(700)), Some(Duration::from_millis(100))));
    assert_eq!(questions::all_but(&mut conn, &all_time(), 3).await.unwrap(), None);
    let of_workspace = Of { workspace_id: Some("ws_1"), ..all_time() };
    assert_eq!(questions::by_day(&mut conn, &of_workspace).await.unwrap(), days[1..]);
    let nobodys = Of { organization_id: "org_2", ..all_time() };
    assert_eq!(questions::by_day(&mut conn, &nobodys).await.unwrap(), []);
    let before = Of { until: at(0), ..all_time() };
    assert_eq!(questions::by_day(&mut conn, &before).await.unwrap(), []);
    assert_eq!(written!(db, |tx| questions::forget(tx, at(60), 1)).unwrap(), 1);
    assert_eq!(written!(db, |tx| questions::forget(tx, at(60), 9)).unwrap(), 1);
    assert_eq!((db.rows("questions").await, db.rows("question_sources").await), (1, 1));
}

async fn what_was_asked_most(db: Fixture) {
    prepare(&db).await;
    for id in ["doc-1", "doc-2"] {
        upload(&db, new_document(id, "kb-1", id, 0)).await.unwrap();
    }
    for (id, text, sources) in [
        ("q-1", "returns?", vec!["doc-1", "doc-2", "doc-1"]),
        ("q-2", "returns?", vec!["doc-2"]),
        ("q-3", "delivery?", vec!["doc-2", "gone"]),
    ] {
        let sources = sources.into_iter().map(str::to_owned).collect();
        ask(&db, Question { sources, ..question(id, text, 0) }).await;
    }
    let mut conn = db.store.read().await.unwrap();
    let top = questions::top_questions(&mut conn, &all_time(), 9).await.unwrap();
    assert_eq!(top, [("returns?".to_owned(), 2), ("delivery?".to_owned(), 1)]);
    assert_eq!(questions::top_questions(&mut conn, &all_time(), 1).await.unwrap().len(), 1);
    let top = async |of: Of<'_>| {
        let found = questions::top_sources(&mut db.store.read().await.unwrap(), &of, 9).await.unwrap();
        found.into_iter().map(|top| (top.document_id, top.answers)).collect::<Vec<_>>()
    };
    assert_eq!(top(all_time()).await, [("doc-2".to_owned(), 3), ("doc-1".to_owned(), 1)]);
    written!(db, |tx| documents::remove(tx, "org_1", "doc-2", at(1))).unwrap().unwrap();
    let left = vec![("doc-1".to_owned(), 1)];
    assert_eq!(top(all_time()).await, left);

    let sources = vec!["doc-1".to_owned()];
    ask(&db, Question { workspace_id: Some("ws_1".into()), sources, ..question("q-4", "returns?", 0) }).await;
    let seen_from = |workspace| Of { workspace_id: Some(workspace), ..all_time() };
    assert_eq!(top(seen_from("ws_1")).await, left);
    let mut base = bases::get(&mut conn, "org_1", "kb-1").await.unwrap().unwrap();
    base.settings.sharing = Sharing::Workspaces(["ws_2".to_owned()].into());
    written!(db, |tx| bases::update(tx, &base)).unwrap();
    assert_eq!(top(seen_from("ws_1")).await, [], "what the workspace sees no more is not named to it");
    assert_eq!(top(all_time()).await, [("doc-1".to_owned(), 2)]);
}
