//! What is still to be done with documents: to read one, or to make its vectors of a generation.
//!
//! A job is claimed like a delivery, with a fresh id and a lease, and whatever its holder writes is written only while
//! the claim counts. Whose job is next is decided by [`hardpoint_domain::knowledge::fairness`]. Each claim of a reading
//! writes an edition of its own: what an earlier one left is wiped out, so no chunk is doubled and none is lost. Vectors
//! are kept in order, and the job knows the first chunk that has none: who claims it next goes on there.

use std::time::Duration;

use hardpoint_domain::knowledge::fairness::{self, Desk, Waiting};
use hardpoint_domain::knowledge::ingestion;
use hardpoint_domain::knowledge::state::State;
use hardpoint_domain::time::Timestamp;

use super::ingestions_dialect::{READING_IS_DUE, READINGS, VECTORS, VECTORS_ARE_DUE};
use super::{bases, documents, removals};
use crate::columns::{Micros, json_texts};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

/// A job that was claimed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Claim {
    /// The job.
    pub id: String,
    /// The claim.
    pub claim_id: String,
    /// Whose it is.
    pub organization_id: String,
    /// In which knowledge base.
    pub knowledge_base_id: String,
    /// Of which document.
    pub document_id: String,
    /// Whose vectors are to be made; 0 where the document is to be read.
    pub generation: i64,
    /// The edition that is written, or that vectors are made of.
    pub edition: i64,
    /// The first chunk without a vector.
    pub cursor: i64,
    /// Whether the document is large.
    pub is_large: bool,
    /// Attempts that failed in a row.
    #[sqlx(try_from = "i64")]
    pub attempt: u32,
    /// Claims that lapsed in a row, this one not among them.
    #[sqlx(try_from = "i64")]
    pub lapses: u32,
}

/// The jobs that a host takes up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// Whether it reads documents.
    pub readings: bool,
    /// The models that it makes vectors of …
    pub models: Vec<String>,
    /// … and for whom it does not at present: an organisation, and one of the models.
    pub except: Vec<(String, String)>,
}

impl Takes {
    fn made(&self) -> String {
        json_texts(&self.models)
    }

    fn left(&self) -> String {
        let left = self.except.iter().map(|(organization, model)| format!("{organization} {model}"));
        json_texts(&left.collect::<Vec<_>>())
    }
}

impl Claim {
    /// Whether the document is to be read.
    pub fn is_reading(&self) -> bool {
        self.generation == 0
    }
}

#[derive(sqlx::FromRow)]
struct Candidate {
    id: String,
    organization_id: String,
    #[sqlx(try_from = "Micros")]
    last_turn: Timestamp,
    #[sqlx(try_from = "i64")]
    under_way: u32,
    #[sqlx(try_from = "Micros")]
    due_at: Timestamp,
    is_large: bool,
}

statements! {
    // A claim that was neither completed nor given back has lapsed.
    CLAIM: "UPDATE ingestions SET lapses = lapses + CASE WHEN claim_id IS NULL THEN 0 ELSE 1 END, claim_id = $2, \
            lease_until = $3, edition = edition + CASE WHEN generation = 0 THEN 1 ELSE 0 END \
            WHERE id = $1 AND (lease_until IS NULL OR lease_until <= $4) \
            RETURNING id, claim_id, organization_id, knowledge_base_id, document_id, generation, edition, cursor, \
            is_large, attempt, lapses";
    READING_TURN: "UPDATE ingestion_turns SET reading_turn_at = $2 WHERE organization_id = $1";
    VECTORS_TURN: "UPDATE ingestion_turns SET vectors_turn_at = $2 WHERE organization_id = $1";
    HOLD: "UPDATE ingestions SET claim_id = claim_id WHERE id = $1 AND claim_id = $2";
    RENEW: "UPDATE ingestions SET lease_until = $3 WHERE id = $1 AND claim_id = $2";
    YIELD: "UPDATE ingestions SET due_at = $3, attempt = 0, lapses = 0, claim_id = NULL, lease_until = NULL \
            WHERE id = $1 AND claim_id = $2";
    AGAIN: "UPDATE ingestions SET due_at = $3, attempt = attempt + $4, last_error = $5, claim_id = NULL, \
            lease_until = NULL WHERE id = $1 AND claim_id = $2";
    RELEASE_ALL: "UPDATE ingestions SET lapses = lapses + 1, claim_id = NULL, lease_until = NULL \
                  WHERE claim_id IS NOT NULL";
    END: "DELETE FROM ingestions WHERE id = $1 AND claim_id = $2";
    PROGRESS: "UPDATE documents SET done = $2, total = $3, title = COALESCE($4, title), updated_at = $5 WHERE id = $1";
    FAIL: "UPDATE documents SET state = $2, reason = $3, updated_at = $4, \
           last_edition = CASE WHEN $5 > last_edition THEN $5 ELSE last_edition END WHERE id = $1";
    UNCOVER: "INSERT INTO vector_coverage (document_id, generation, knowledge_base_id, edition, embedded, reason) \
              VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (document_id, generation) DO UPDATE \
              SET edition = excluded.edition, embedded = excluded.embedded, reason = excluded.reason";
    // Who forgets waits for who just came, and then finds that they did.
    TAKE_TURNS: "INSERT INTO ingestion_turns (organization_id, reading_turn_at, vectors_turn_at, came_at) \
                 VALUES ($1, 0, 0, $2) ON CONFLICT (organization_id) DO UPDATE SET came_at = excluded.came_at";
    FORGET_TURNS: "DELETE FROM ingestion_turns WHERE reading_turn_at <= $1 AND vectors_turn_at <= $1 \
                   AND came_at <= $1 AND NOT EXISTS (\
                   SELECT 1 FROM ingestions i WHERE i.organization_id = ingestion_turns.organization_id)";
}

/// Whether there is a job that is due and that nobody holds, of those that are taken up. Asking is cheaper than claiming in
/// vain.
pub async fn is_due(conn: &mut Conn, takes: &Takes, now: Timestamp) -> Result<bool, StoreError> {
    let at = now.micros();
    if takes.readings && fetch!(conn, fetch_optional, (String,), READING_IS_DUE, at)?.is_some() {
        return Ok(true);
    }
    if takes.models.is_empty() {
        return Ok(false);
    }
    let (made, left) = (takes.made(), takes.left());
    Ok(fetch!(conn, fetch_optional, (String,), VECTORS_ARE_DUE, at, made, left)?.is_some())
}

/// Claims the next job in turn of those that are taken up at this desk; others are left to others. `claim_id` must be
/// fresh. None where there is none, or others were just as quick: who finds [`is_due`] asks again.
pub async fn claim(
    tx: &mut Tx,
    (desk, takes): (&Desk, &Takes),
    claim_id: &str,
    now: Timestamp,
    lease: Duration,
) -> Result<Option<Claim>, StoreError> {
    let found = candidates(tx, takes, now).await?;
    let waiting: Vec<Waiting> = found.iter().map(Candidate::waiting).collect();
    for next in fairness::in_turn(&waiting, desk) {
        let (id, until) = (&found[next].id, now.plus(lease).micros());
        let claimed = fetch!(tx, fetch_optional, Claim, CLAIM, id, claim_id, until, now.micros())?;
        if let Some(claim) = claimed {
            let turn = if claim.is_reading() { READING_TURN } else { VECTORS_TURN };
            execute!(tx, turn, &claim.organization_id, now.micros())?;
            if claim.is_reading() {
                removals::queue_edition(tx, &claim.document_id, claim.edition - 1, now).await?;
            }
            return Ok(Some(claim));
        }
    }
    Ok(None)
}

async fn candidates(tx: &mut Tx, takes: &Takes, now: Timestamp) -> Result<Vec<Candidate>, StoreError> {
    let (at, mut found) = (now.micros(), Vec::new());
    if takes.readings {
        found = fetch!(tx, fetch_all, Candidate, READINGS, at)?;
    }
    if !takes.models.is_empty() {
        found.extend(fetch!(tx, fetch_all, Candidate, VECTORS, at, takes.made(), takes.left())?);
    }
    Ok(found)
}

impl Candidate {
    fn waiting(&self) -> Waiting {
        Waiting {
            organization_id: self.organization_id.clone(),
            last_turn: self.last_turn,
            under_way: self.under_way,
            due_at: self.due_at,
            is_large: self.is_large,
        }
    }
}

/// Whether a claim counts, and goes on counting until this transaction ends.
pub(super) async fn is_held(tx: &mut Tx, claim: &Claim) -> Result<bool, StoreError> {
    Ok(execute!(tx, HOLD, &claim.id, &claim.claim_id)? == 1)
}

/// Prolongs a claim. False where it no longer counts.
pub async fn renew(tx: &mut Tx, claim: &Claim, now: Timestamp, lease: Duration) -> Result<bool, StoreError> {
    Ok(execute!(tx, RENEW, &claim.id, &claim.claim_id, now.plus(lease).micros())? == 1)
}

/// Gives a job back that is not at its end, after a slice of work: others come first. False where the claim no longer
/// counts.
pub async fn give_up_place(tx: &mut Tx, claim: &Claim, now: Timestamp) -> Result<bool, StoreError> {
    Ok(execute!(tx, YIELD, &claim.id, &claim.claim_id, now.micros())? == 1)
}

/// Notes how far a reading is, for people, and the document's title once that is known. False where the claim no longer
/// counts.
pub async fn progress(
    tx: &mut Tx,
    claim: &Claim,
    (done, total): (u32, u32),
    title: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let held = documents::hold(tx, &claim.document_id).await?.is_some() && is_held(tx, claim).await?;
    if held {
        let (done, total) = (i64::from(done.min(total)), i64::from(total));
        execute!(tx, PROGRESS, &claim.document_id, done, total, title, now.micros())?;
    }
    Ok(held)
}

/// Writes down that an attempt failed, and what follows. A document whose reading is given up is `failed`, or stays
/// `indexed` where an edition of it can be found; the reason is with it. Where its vectors are given up full text finds it
/// all the same; the reason is told as long as vectors of that generation are wanted. False where the claim no longer
/// counts.
pub async fn fail(
    tx: &mut Tx,
    claim: &Claim,
    reason: &str,
    next: ingestion::Next,
    now: Timestamp,
) -> Result<bool, StoreError> {
    match next {
        ingestion::Next::Again(wait) => {
            let due = now.plus(wait).micros();
            Ok(execute!(tx, AGAIN, &claim.id, &claim.claim_id, due, 1_i64, reason)? == 1)
        }
        ingestion::Next::GiveUp => give_up(tx, claim, reason, now).await,
    }
}

async fn give_up(tx: &mut Tx, claim: &Claim, reason: &str, now: Timestamp) -> Result<bool, StoreError> {
    if bases::share(tx, &claim.knowledge_base_id).await?.is_none() {
        return Ok(false);
    }
    let Some(published) = documents::hold(tx, &claim.document_id).await? else { return Ok(false) };
    if execute!(tx, END, &claim.id, &claim.claim_id)? == 0 {
        return Ok(false);
    }
    let (document, edition) = (&claim.document_id, claim.edition);
    if claim.is_reading() {
        removals::queue_edition(tx, document, edition, now).await?;
        let state = State::given_up(published > 0);
        execute!(tx, FAIL, document, state.as_str(), reason, now.micros(), edition)?;
    } else {
        let (generation, base) = (claim.generation, &claim.knowledge_base_id);
        execute!(tx, UNCOVER, document, generation, base, edition, claim.cursor, reason)?;
    }
    Ok(true)
}

/// Gives a claimed job back as it was, to be claimed again from `due_at` on: there was no room for it, or the host
/// shuts down. False where the claim no longer counts.
pub async fn release(tx: &mut Tx, claim: &Claim, due_at: Timestamp) -> Result<bool, StoreError> {
    Ok(execute!(tx, AGAIN, &claim.id, &claim.claim_id, due_at.micros(), 0_i64, None::<&str>)? == 1)
}

/// Ends all claims, as lapsed: for the only host, when it starts.
pub async fn release_all(tx: &mut Tx) -> Result<(), StoreError> {
    execute!(tx, RELEASE_ALL).map(drop)
}

/// Ends a job that is done.
pub(super) async fn end(tx: &mut Tx, claim: &Claim) -> Result<bool, StoreError> {
    Ok(execute!(tx, END, &claim.id, &claim.claim_id)? == 1)
}

/// Lets an organisation take turns with others: it has a job from here on.
pub(super) async fn take_turns(tx: &mut Tx, organization_id: &str, now: Timestamp) -> Result<(), StoreError> {
    execute!(tx, TAKE_TURNS, organization_id, now.micros()).map(drop)
}

/// Forgets when organisations had their last turn that have nothing to do and had it at `until` or before; how many.
pub async fn forget_turns(tx: &mut Tx, until: Timestamp) -> Result<u64, StoreError> {
    execute!(tx, FORGET_TURNS, until.micros())
}
