use std::collections::BTreeMap;

use hardpoint_domain::manifest::Kind;
use hardpoint_store::plugin_files::{self, PluginFile};
use hardpoint_store::plugins::{self, NewPlugin, Plugin, Source, State};
use hardpoint_store::testing::MIGRATIONS;
use hardpoint_store::{Engine, Lane, StoreError, revision};

use crate::support::{Fixture, at, on_both};

on_both!(
    a_version_is_published_once,
    one_version_of_a_plugin_is_active,
    states_carry_their_reason,
    what_served_is_known_until_it_is_removed,
    approval_is_of_a_digest,
    the_same_again_changes_nothing,
    the_revision_rises_with_each_change_and_only_then,
    racing_activations_leave_one_active,
    a_version_is_here_by_a_hosts_file,
    files_are_noted_by_host_and_name,
    notes_of_hosts_that_are_gone_are_forgotten,
    what_is_from_before_there_were_hosts_is_unclaimed,
);

fn version(id: &str, digest: &str) -> NewPlugin {
    NewPlugin {
        id: id.into(),
        digest: digest.into(),
        version: "1.2.3".into(),
        kind: Kind::Exporter,
        size: 86_000,
        manifest: format!("id = \"{id}\"\n"),
        source: Source::Folder,
        file_name: Some(format!("{id}.wasm")),
    }
}

async fn publish(db: &Fixture, new: NewPlugin, state: State) -> Plugin {
    db.store
        .write(Lane::Request, move |tx| {
            Box::pin(async move { plugins::upsert(tx, &new, state, Some("new here"), at(1)).await })
        })
        .await
        .unwrap()
}

async fn activate(db: &Fixture, id: &'static str, digest: &'static str) -> Result<bool, StoreError> {
    db.store
        .write(Lane::Request, move |tx| {
            Box::pin(async move { plugins::set_active(tx, id, digest, at(2)).await })
        })
        .await
}

async fn states(db: &Fixture, id: &str) -> Vec<(String, State)> {
    let versions = plugins::versions(&mut db.store.read().await.unwrap(), id).await.unwrap();
    let mut states: Vec<_> = versions.into_iter().map(|plugin| (plugin.digest, plugin.state)).collect();
    states.sort_by(|a, b| a.0.cmp(&b.0));
    states
}

async fn a_version_is_published_once(db: Fixture) {
    let plugin = publish(&db, version("openai", "aa"), State::PendingApproval).await;
    let expected = Plugin {
        id: "openai".into(),
        digest: "aa".into(),
        version: "1.2.3".into(),
        kind: Kind::Exporter,
        size: 86_000,
        manifest: "id = \"openai\"\n".into(),
        source: Source::Folder,
        file_name: Some("openai.wasm".into()),
        host: None,
        state: State::PendingApproval,
        reason: Some("new here".into()),
        approved_by: None,
        approved_at: None,
        served_at: None,
        created_at: at(1),
        updated_at: at(1),
    };
    assert_eq!(plugin, expected);
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(plugins::get(&mut conn, "openai", "aa").await.unwrap(), Some(expected.clone()));
    assert_eq!(plugins::get(&mut conn, "openai", "bb").await.unwrap(), None);
    assert_eq!(plugins::list(&mut conn).await.unwrap(), [expected]);
    assert_eq!(plugins::desired(&mut conn).await.unwrap(), []);
}

async fn one_version_of_a_plugin_is_active(db: Fixture) {
    for digest in ["aa", "bb"] {
        publish(&db, version("openai", digest), State::PendingApproval).await;
    }
    publish(&db, version("calculator", "cc"), State::PendingApproval).await;
    for (id, digest) in [("calculator", "cc"), ("openai", "aa"), ("openai", "bb")] {
        assert!(activate(&db, id, digest).await.unwrap());
    }
    assert_eq!(
        states(&db, "openai").await,
        [("aa".to_owned(), State::Superseded), ("bb".to_owned(), State::Active)]
    );
    let desired = plugins::desired(&mut db.store.read().await.unwrap()).await.unwrap();
    let desired: Vec<_> = desired.iter().map(|plugin| (plugin.id.as_str(), plugin.digest.as_str())).collect();
    assert_eq!(desired, [("calculator", "cc"), ("openai", "bb")]);
    assert!(!activate(&db, "openai", "zz").await.unwrap(), "an unknown version");
    assert_eq!(states(&db, "openai").await[1].1, State::Active, "is nobody's successor");
    assert!(activate(&db, "openai", "aa").await.unwrap(), "and back");
}

async fn states_carry_their_reason(db: Fixture) {
    publish(&db, version("openai", "aa"), State::PendingApproval).await;
    activate(&db, "openai", "aa").await.unwrap();
    let set = |state: State, reason: Option<&'static str>, digest: &'static str| {
        db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { plugins::set_state(tx, "openai", digest, state, reason, at(5)).await })
        })
    };
    assert!(set(State::Rejected, Some("traps at once"), "aa").await.unwrap());
    assert!(!set(State::Removed, None, "zz").await.unwrap());
    let plugin = plugins::get(&mut db.store.read().await.unwrap(), "openai", "aa").await.unwrap().unwrap();
    assert_eq!((plugin.state, plugin.reason.as_deref()), (State::Rejected, Some("traps at once")));
    assert_eq!((plugin.created_at, plugin.updated_at), (at(1), at(5)));
    assert!(set(State::Active, Some("is no reason"), "aa").await.unwrap());
    let plugin = plugins::get(&mut db.store.read().await.unwrap(), "openai", "aa").await.unwrap().unwrap();
    assert_eq!((plugin.state, plugin.reason), (State::Active, None));
}

async fn what_served_is_known_until_it_is_removed(db: Fixture) {
    for digest in ["aa", "bb"] {
        publish(&db, version("openai", digest), State::PendingApproval).await;
    }
    activate(&db, "openai", "aa").await.unwrap();
    let served = async |state: State| {
        db.store
            .write(Lane::Request, move |tx| {
                Box::pin(async move {
                    for digest in ["aa", "bb"] {
                        plugins::set_state(tx, "openai", digest, state, None, at(5)).await?;
                    }
                    let versions = plugins::versions(tx, "openai").await?;
                    Ok(versions.into_iter().map(|row| (row.digest, row.served_at)).collect::<Vec<_>>())
                })
            })
            .await
            .unwrap()
    };
    let told = |aa| [("aa".to_owned(), aa), ("bb".to_owned(), None)];
    for state in [State::PendingApproval, State::Rejected, State::Superseded, State::Paused] {
        assert_eq!(served(state).await, told(Some(at(2))), "{state:?}");
    }
    assert_eq!(served(State::Removed).await, told(None));
    assert_eq!(served(State::PendingApproval).await, told(None), "what comes again is new");
}

async fn approval_is_of_a_digest(db: Fixture) {
    for digest in ["aa", "bb"] {
        publish(&db, version("openai", digest), State::PendingApproval).await;
    }
    let approved = db
        .store
        .write(Lane::Request, |tx| {
            Box::pin(async move { plugins::approve(tx, "openai", "aa", "key_9", at(7)).await })
        })
        .await;
    assert!(approved.unwrap());
    let mut conn = db.store.read().await.unwrap();
    let (aa, bb) = (
        plugins::get(&mut conn, "openai", "aa").await.unwrap().unwrap(),
        plugins::get(&mut conn, "openai", "bb").await.unwrap().unwrap(),
    );
    assert_eq!((aa.approved_by.as_deref(), aa.approved_at), (Some("key_9"), Some(at(7))));
    assert_eq!((bb.approved_by, bb.approved_at), (None, None));
    drop(conn);
    let disapprove = |digest: &'static str| {
        db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { plugins::disapprove(tx, "openai", digest, at(8)).await })
        })
    };
    assert!(disapprove("aa").await.unwrap());
    assert!(!disapprove("zz").await.unwrap());
    let aa = plugins::get(&mut db.store.read().await.unwrap(), "openai", "aa").await.unwrap().unwrap();
    assert_eq!((aa.approved_by, aa.approved_at, aa.updated_at), (None, None, at(8)));
}

async fn the_same_again_changes_nothing(db: Fixture) {
    publish(&db, version("openai", "aa"), State::PendingApproval).await;
    activate(&db, "openai", "aa").await.unwrap();
    let before = revision(&mut db.store.read().await.unwrap()).await.unwrap();
    let again = publish(&db, version("openai", "aa"), State::PendingApproval).await;
    assert_eq!(again.state, State::Active, "a rescan does not undo what was decided");
    assert_eq!(revision(&mut db.store.read().await.unwrap()).await.unwrap(), before);
    let uploaded =
        NewPlugin { source: Source::Upload, file_name: Some("o.wasm".into()), ..version("openai", "aa") };
    let again = publish(&db, uploaded, State::PendingApproval).await;
    assert_eq!((again.state, again.source), (State::Active, Source::Upload));
}

async fn the_revision_rises_with_each_change_and_only_then(db: Fixture) {
    let mut seen = vec![revision(&mut db.store.read().await.unwrap()).await.unwrap()];
    publish(&db, version("openai", "aa"), State::PendingApproval).await;
    seen.push(revision(&mut db.store.read().await.unwrap()).await.unwrap());
    activate(&db, "openai", "aa").await.unwrap();
    seen.push(revision(&mut db.store.read().await.unwrap()).await.unwrap());
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    let undone: Result<(), _> = db
        .store
        .write(Lane::Request, |tx| {
            Box::pin(async move {
                plugins::set_state(tx, "openai", "aa", State::Removed, None, at(3)).await?;
                Err(StoreError::Dangling)
            })
        })
        .await;
    assert!(undone.is_err());
    assert_eq!(revision(&mut db.store.read().await.unwrap()).await.unwrap(), seen[2]);
    assert_eq!(states(&db, "openai").await[0].1, State::Active);
}

async fn racing_activations_leave_one_active(db: Fixture) {
    let digests = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7"];
    for digest in digests {
        publish(&db, version("openai", digest), State::PendingApproval).await;
    }
    let other = db.twin().await;
    let races = digests.map(|digest| async {
        futures_util::future::join(activate(&db, "openai", digest), activate(&other, "openai", digest)).await
    });
    for (one, two) in futures_util::future::join_all(races).await {
        assert!(one.unwrap() && two.unwrap());
    }
    let active = states(&db, "openai").await.into_iter().filter(|(_, state)| *state == State::Active);
    assert_eq!(active.count(), 1);
}

/// Until it comes otherwise, or somebody says that it is here by no file.
async fn a_version_is_here_by_a_hosts_file(db: Fixture) {
    publish(&db, version("openai", "aa"), State::PendingApproval).await;
    let set = |host: Option<&'static str>, digest: &'static str| {
        db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { plugins::set_host(tx, "openai", digest, host).await })
        })
    };
    assert!(set(Some("one"), "aa").await.unwrap());
    assert!(!set(Some("one"), "zz").await.unwrap());
    let again = publish(&db, version("openai", "aa"), State::PendingApproval).await;
    assert_eq!(again.host.as_deref(), Some("one"), "by the same file");
    let uploaded = NewPlugin { source: Source::Upload, ..version("openai", "aa") };
    assert_eq!(publish(&db, uploaded, State::PendingApproval).await.host, None);
    assert!(set(Some("other"), "aa").await.unwrap() && set(None, "aa").await.unwrap());
    let row = plugins::get(&mut db.store.read().await.unwrap(), "openai", "aa").await.unwrap().unwrap();
    assert_eq!(row.host, None);
}

async fn files_are_noted_by_host_and_name(db: Fixture) {
    let file = |host: &str, name: &str, reason: &str| PluginFile {
        host: host.into(),
        name: name.into(),
        size: 200_000_000,
        mtime: at(-5),
        digest: None,
        state: State::Rejected,
        reason: Some(reason.into()),
        seen_at: at(1),
    };
    let (first, second, instead) = (
        file("one", "b.wasm", "too large"),
        file("one", "a.wasm", "no component"),
        file("one", "b.wasm", "truncated"),
    );
    let elsewhere = file("other", "b.wasm", "no component");
    let expected = [second.clone(), instead.clone()];
    let of_other = [elsewhere.clone()];
    db.store
        .write(Lane::Bulk, |tx| {
            Box::pin(async move {
                for file in [first, second, elsewhere, instead] {
                    plugin_files::put(tx, &file).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    let noted =
        async |host: &str| plugin_files::list(&mut db.store.read().await.unwrap(), host).await.unwrap();
    assert_eq!((noted("one").await, noted("other").await), (expected.to_vec(), of_other.to_vec()));
    let remove = |name: &'static str| {
        db.store
            .write(Lane::Bulk, move |tx| Box::pin(async move { plugin_files::remove(tx, "one", name).await }))
    };
    assert!(remove("a.wasm").await.unwrap());
    assert!(!remove("a.wasm").await.unwrap());
    assert_eq!(noted("one").await, expected[1..]);
    assert!(remove("b.wasm").await.unwrap());
    assert_eq!((noted("one").await, noted("other").await), (Vec::new(), of_other.to_vec()));
}

/// Each container with a fresh data folder is a host of its own, and gone with it.
async fn notes_of_hosts_that_are_gone_are_forgotten(db: Fixture) {
    let file = |host: &str| PluginFile {
        host: host.into(),
        name: "a.wasm".into(),
        size: 1,
        mtime: at(0),
        digest: None,
        state: State::Active,
        reason: None,
        seen_at: at(1),
    };
    let files = ["one", "other", "gone"].map(file);
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move {
            for file in files {
                plugin_files::put(tx, &file).await?;
            }
            plugin_files::renew(tx, "other", at(8), at(0)).await?;
            plugin_files::renew(tx, "one", at(9), at(5)).await
        })
    });
    write.await.unwrap();
    let mut conn = db.store.read().await.unwrap();
    let mut seen = Vec::new();
    for host in ["one", "other", "gone"] {
        let noted = plugin_files::list(&mut conn, host).await.unwrap();
        seen.push(noted.into_iter().map(|file| file.seen_at).collect::<Vec<_>>());
    }
    assert_eq!(seen, [vec![at(9)], vec![at(8)], vec![]]);
}

/// What files brought before hosts were told apart; not what an operator has brought back since.
async fn what_is_from_before_there_were_hosts_is_unclaimed(db: Fixture) {
    for digest in ["aa", "bb", "cc"] {
        publish(&db, version("openai", digest), State::PendingApproval).await;
    }
    publish(&db, NewPlugin { source: Source::Upload, ..version("openai", "dd") }, State::PendingApproval)
        .await;
    let file = PluginFile {
        host: "one".into(),
        name: "a.wasm".into(),
        size: 1,
        mtime: at(0),
        digest: Some("aa".into()),
        state: State::Active,
        reason: None,
        seen_at: at(1),
    };
    let write = db.store.write(Lane::Request, |tx| {
        Box::pin(async move {
            plugins::approve(tx, "openai", "aa", "key_9", at(20)).await?;
            plugins::approve(tx, "openai", "bb", "key_9", at(40)).await?;
            plugins::set_host(tx, "openai", "cc", Some("one")).await?;
            plugin_files::put(tx, &file).await
        })
    });
    write.await.unwrap();
    let hosts = async || {
        let rows = plugins::versions(&mut db.store.read().await.unwrap(), "openai").await.unwrap();
        rows.into_iter().map(|row| (row.digest, row.host)).collect::<BTreeMap<_, _>>()
    };
    let before = hosts().await;
    let applied = format!("UPDATE migrations SET applied_at = {} WHERE version = 18", at(30).micros());
    db.direct().await.run(&applied).await;
    let migration = MIGRATIONS.iter().find(|migration| migration.name == "unclaimed_plugins").unwrap();
    let noted = async || plugin_files::list(&mut db.store.read().await.unwrap(), "one").await.unwrap().len();
    if db.store.engine() == Engine::Sqlite {
        db.direct().await.run(migration.sqlite).await;
        assert_eq!((hosts().await, noted().await), (before, 1));
        return;
    }
    db.direct().await.run(migration.postgres).await;
    let mut expected = before;
    expected.insert("aa".to_owned(), Some(plugins::UNCLAIMED.to_owned()));
    assert_eq!((hosts().await, noted().await), (expected, 0));
}
