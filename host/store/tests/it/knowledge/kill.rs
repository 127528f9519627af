//! What is being read or embedded when its host is killed is neither lost nor doubled. The test starts itself as the
//! process to be killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use hardpoint_domain::knowledge::state::State;
use hardpoint_store::knowledge::ingestions as jobs;
use hardpoint_store::knowledge::{passages, vectors};
use hardpoint_store::{Durability, StoreConfig};

use super::{
    chunk, claim_at, get, keep, new_document, page, prepare, publish, removals, some_vectors, stage, upload,
    written,
};
use crate::support::{Fixture, at, on_both, open};

on_both!(nothing_is_lost_or_doubled_by_kill_nine);

const FOLDER: &str = "HARDPOINT_STORE_KNOWLEDGE_FOLDER";
const URL: &str = "HARDPOINT_STORE_KNOWLEDGE_URL";
const ROUND: &str = "HARDPOINT_STORE_KNOWLEDGE_ROUND";

const DOCUMENTS: usize = 6;
const CHUNKS: u32 = 20;
const BATCH: u32 = 4;

/// Not a test by itself: without the variables there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn works_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let round: i64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let url = std::env::var(URL).ok();
    let config = StoreConfig { data: folder.into(), blobs: None, url, durability: Durability::Process };
    let db = Fixture::of(open(&config).await.unwrap(), config);
    let name = format!("round {round}");
    // By then the claims of the round before have lapsed.
    let now = round * 100;
    while let Some(claim) = claim_at(&db, &name, now).await {
        tell("claimed");
        if claim.is_reading() {
            read(&db, &claim).await;
        } else {
            embed(&db, claim, now).await;
        }
    }
    tell("all done");
}

async fn read(db: &Fixture, claim: &jobs::Claim) {
    assert!(stage(db, claim, vec![page(1, "text")], vec![]).await.unwrap());
    tell("a page");
    for first in (0..CHUNKS).step_by(BATCH as usize) {
        let chunks = (first..first + BATCH).map(|ordinal| chunk(claim, ordinal)).collect();
        assert!(stage(db, claim, vec![], chunks).await.unwrap());
        tell("chunks");
    }
    assert!(publish(db, claim, 1, CHUNKS).await.unwrap().is_some());
    tell("published");
}

/// A slice of work, and then others come first.
async fn embed(db: &Fixture, mut claim: jobs::Claim, now: i64) {
    for _ in 0..2 {
        let kept = keep(db, &mut claim, i64::from(BATCH)).await.unwrap().unwrap();
        tell("vectors");
        if kept.is_complete {
            return;
        }
    }
    assert!(written!(db, |tx| jobs::give_up_place(tx, &claim, at(now))).unwrap());
}

/// In one call, so that a line is whole or not there.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n> {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

async fn nothing_is_lost_or_doubled_by_kill_nine(db: Fixture) {
    prepare(&db).await;
    for number in 0..DOCUMENTS {
        let id = format!("doc-{number}");
        upload(&db, new_document(&id, "kb-1", &id, 0)).await.unwrap();
    }
    let mut kills = 0;
    for round in 1.. {
        assert!(round < 200, "it never ends");
        if is_done_after(&db, round, (round * 5) % 13 + 1) {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 5, "{kills} kills");
    removals::wipe_all(&db, 1_000_000, 100).await;
    let documents = DOCUMENTS as i64;
    let all = documents * i64::from(CHUNKS);
    for (table, rows) in
        [("ingestions", 0), ("documents", documents), ("pages", documents), ("chunks", all), ("vectors", all)]
    {
        assert_eq!(db.rows(table).await, rows, "{table} after {kills} kills");
    }
    let mut conn = db.store.read().await.unwrap();
    for number in 0..DOCUMENTS {
        let id = format!("doc-{number}");
        let document = get(&db, &id).await.unwrap();
        assert_eq!((document.state, document.embedded), (State::Indexed, u64::from(CHUNKS)));
        let chunks = passages::chunks(&mut conn, &id, document.edition, 0, 100).await.unwrap();
        let ordinals: Vec<_> = chunks.iter().map(|chunk| chunk.ordinal).collect();
        assert_eq!(ordinals, (0..CHUNKS).collect::<Vec<_>>());
        let kept = vectors::of_edition(&mut conn, &id, document.edition, 1, 0, 100).await.unwrap();
        let bytes: Vec<_> = kept.into_iter().map(|kept| kept.vector).collect();
        assert_eq!(bytes, some_vectors(0, i64::from(CHUNKS)), "each its own");
    }
}

/// Starts a process that works, and kills it after so many steps. Whether it was done before.
fn is_done_after(db: &Fixture, round: i64, steps: i64) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "knowledge::kill::works_until_it_is_killed", "--nocapture"])
        .env(FOLDER, &db.config.data)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(url) = &db.config.url {
        command.env(URL, url);
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut told = 0;
    let mut is_done = false;
    for line in lines.filter(|line| line.starts_with("> ")) {
        told += 1;
        is_done = line == "> all done";
        if is_done || told == steps {
            break;
        }
    }
    assert!(is_done || told == steps, "it ended by itself after {told} steps");
    child.kill().unwrap();
    child.wait().unwrap();
    is_done
}
