//! The money that one host holds for one organisation: blocks that it leased from the store beforehand, from which
//! requests reserve in memory what they may cost at most.
//!
//! A block gives for a while only, and what is left of it then goes back to the store. Who holds money is told by the
//! block's id: once the store has taken a block back, because its host was silent for too long, that id spends nothing
//! any more.

use std::sync::Arc;
use std::time::Duration;

use crate::money::Credits;
use crate::time::Timestamp;

/// How long requests may reserve from a block.
pub const GIVES: Duration = Duration::from_secs(60);
/// How long a block that nobody uses is kept.
const KEPT: Duration = Duration::from_secs(5);
/// How long a block is kept without asking the store to: well within the time that a silent host has.
const RENEWED: Duration = Duration::from_secs(20);
/// How long it is believed that there is no more.
const BELIEVED: Duration = Duration::from_secs(1);

/// A block of money that the store gave to this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The lease's id.
    pub id: Arc<str>,
    /// How much.
    pub amount: Credits,
    /// Whether what is not needed goes back at once.
    pub tight: bool,
    /// When it was leased.
    pub since: Timestamp,
}

/// What a request reserved of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The block's id.
    pub block: Arc<str>,
    /// How much.
    pub amount: Credits,
}

/// What a request spent of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The block's id.
    pub block: Arc<str>,
    /// How much.
    pub amount: Credits,
    /// Whether what is left of the block goes back with this.
    pub closes: bool,
}

/// The blocks of one organisation on one host.
#[derive(Debug, Default)]
pub struct Pool {
    held: Vec<Held>,
    /// That there was no more than this, and when.
    scarce: Option<(Timestamp, Credits)>,
}

#[derive(Debug)]
struct Held {
    id: Arc<str>,
    free: Credits,
    reserved: Credits,
    tight: bool,
    since: Timestamp,
    used: Timestamp,
    /// When the store last said that it is this host's.
    renewed: Timestamp,
    retired: bool,
}

impl Held {
    /// The clock may have been set back meanwhile: such a block gives no more. Nor does one of the month before, under
    /// whose cap it was leased.
    fn gives(&self, now: Timestamp) -> bool {
        !self.retired
            && (self.since..self.since.plus(GIVES)).contains(&now)
            && self.since.month_start() == now.month_start()
    }

    fn is_over(&self, now: Timestamp) -> bool {
        !self.reserved.is_positive() && (self.tight || !self.gives(now) || now >= self.used.plus(KEPT))
    }
}

impl Pool {
    /// Reserves from a block that has as much; none where none has.
    pub fn reserve(&mut self, amount: Credits, now: Timestamp) -> Option<Part> {
        let held = self.held.iter_mut().find(|held| held.free >= amount && held.gives(now))?;
        held.free -= amount;
        held.reserved += amount;
        held.used = now;
        Some(Part { block: Arc::clone(&held.id), amount })
    }

    /// Takes a block that was leased just now.
    pub fn receive(&mut self, block: Block) {
        let Block { id, amount, tight, since } = block;
        self.scarce = None;
        self.held.push(Held {
            id,
            free: amount,
            reserved: Credits::ZERO,
            tight,
            since,
            used: since,
            renewed: since,
            retired: false,
        });
    }

    /// Remembers for a second that the store has no more than this.
    pub fn note_scarce(&mut self, left: Credits, now: Timestamp) {
        self.scarce = Some((now, left));
    }

    /// Forgets that: somebody paid.
    pub fn forget_scarce(&mut self) {
        self.scarce = None;
    }

    /// What is left in the store, where it is known to be less than is needed.
    pub fn known_scarce(&self, need: Credits, now: Timestamp) -> Option<Credits> {
        let (at, left) = self.scarce?;
        (left < need && (at..at.plus(BELIEVED)).contains(&now)).then_some(left)
    }

    /// Ends a reservation: `cost` is spent of its parts, from the first on, and of what else their blocks have free
    /// where it is more than was reserved. What it is more than that is spent of nothing.
    pub fn settle(&mut self, parts: &[Part], cost: Credits, now: Timestamp) -> Vec<Spent> {
        let mut open = cost.max(Credits::ZERO);
        let mut spent = Vec::with_capacity(parts.len());
        for part in parts {
            let Some(at) = self.held.iter().position(|held| held.id == part.block) else {
                // The store took it back; what was reserved of it may be spent all the same, and it decides.
                let amount = open.min(part.amount);
                open -= amount;
                spent.push(Spent { block: Arc::clone(&part.block), amount, closes: false });
                continue;
            };
            let held = &mut self.held[at];
            let amount = open.min(part.amount + held.free);
            open -= amount;
            held.reserved -= part.amount;
            held.free += part.amount - amount;
            held.used = now;
            let closes = !held.reserved.is_positive() && (held.tight || !held.gives(now));
            spent.push(Spent { block: Arc::clone(&part.block), amount, closes });
            if closes {
                self.held.swap_remove(at);
            }
        }
        spent
    }

    /// Ends a reservation of which nothing was spent.
    pub fn release(&mut self, parts: &[Part]) {
        for part in parts {
            if let Some(held) = self.held.iter_mut().find(|held| held.id == part.block) {
                held.reserved -= part.amount;
                held.free += part.amount;
            }
        }
    }

    /// Lets nobody reserve from the blocks there are: what they were leased under has changed.
    pub fn retire(&mut self) {
        self.held.iter_mut().for_each(|held| held.retired = true);
    }

    /// Gives up the blocks that nobody needs any more, for the store to take back.
    pub fn idle(&mut self, now: Timestamp) -> Vec<Arc<str>> {
        let over = self.held.extract_if(.., |held| held.is_over(now));
        over.map(|held| held.id).collect()
    }

    /// Gives up all blocks from which nothing is reserved: the host stops.
    pub fn empty(&mut self) -> Vec<Arc<str>> {
        let over = self.held.extract_if(.., |held| !held.reserved.is_positive());
        over.map(|held| held.id).collect()
    }

    /// The blocks that the store has to be told of, or it takes them back.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &Arc<str>> {
        // Also where the clock was set back meanwhile.
        let is_due = move |held: &&Held| !(held.renewed..held.renewed.plus(RENEWED)).contains(&now);
        self.held.iter().filter(is_due).map(|held| &held.id)
    }

    /// Notes that the store keeps a block for this host.
    pub fn renewed(&mut self, block: &str, now: Timestamp) {
        if let Some(held) = self.held.iter_mut().find(|held| &*held.id == block) {
            held.renewed = now;
        }
    }

    /// Forgets a block that the store took back.
    pub fn lose(&mut self, block: &str) {
        self.held.retain(|held| &*held.id != block);
    }

    /// Whether nothing is held and nothing is known.
    pub fn is_empty(&self, now: Timestamp) -> bool {
        self.held.is_empty() && self.known_scarce(Credits::MAX, now).is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const fn micros(micros: i64) -> Credits {
        Credits::from_micros(micros)
    }

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn block(id: &str, amount: i64, tight: bool) -> Block {
        Block { id: id.into(), amount: micros(amount), tight, since: at(0) }
    }

    fn amounts(spent: &[Spent]) -> Vec<(&str, i64, bool)> {
        spent.iter().map(|spent| (&*spent.block, spent.amount.micros(), spent.closes)).collect()
    }

    #[test]
    fn a_block_is_due_long_before_it_is_taken_back() {
        let mut pool = Pool::default();
        pool.receive(block("a", 5, false));
        let due = |pool: &Pool, seconds| pool.due(at(seconds)).count();
        assert_eq!((due(&pool, 0), due(&pool, 19), due(&pool, 20), due(&pool, -1)), (0, 0, 1, 1));
        pool.renewed("a", at(20));
        pool.renewed("gone", at(20));
        assert_eq!((due(&pool, 39), due(&pool, 40)), (0, 1));
        pool.lose("a");
        assert_eq!(due(&pool, 100), 0);
    }

    #[test]
    fn a_reservation_comes_from_a_block_that_has_as_much() {
        let mut pool = Pool::default();
        assert_eq!(pool.reserve(micros(1), at(0)), None);
        pool.receive(block("a", 5, false));
        pool.receive(block("b", 50, false));
        let ten = pool.reserve(micros(10), at(0)).unwrap();
        assert_eq!(&*ten.block, "b");
        assert_eq!(pool.reserve(micros(41), at(0)), None);
        assert_eq!(amounts(&pool.settle(&[ten], micros(4), at(0))), [("b", 4, false)]);
        assert!(pool.reserve(micros(46), at(0)).is_some());
    }

    #[test]
    fn what_costs_more_than_was_reserved_takes_what_is_free_and_no_more() {
        let mut pool = Pool::default();
        pool.receive(block("a", 50, false));
        let other = pool.reserve(micros(20), at(0)).unwrap();
        let part = pool.reserve(micros(10), at(0)).unwrap();
        assert_eq!(amounts(&pool.settle(&[part], micros(90), at(0))), [("a", 30, false)]);
        assert_eq!(amounts(&pool.settle(&[other], micros(20), at(0))), [("a", 20, false)]);
    }

    #[test]
    fn blocks_give_for_a_while_and_go_back() {
        let mut pool = Pool::default();
        pool.receive(block("a", 50, false));
        assert!(pool.idle(at(4)).is_empty());
        let part = pool.reserve(micros(10), at(4)).unwrap();
        assert!(pool.idle(at(70)).is_empty());
        assert_eq!(pool.reserve(micros(10), at(60)), None);
        assert_eq!(pool.reserve(micros(10), at(-1)), None);
        assert_eq!(amounts(&pool.settle(&[part], micros(4), at(61))), [("a", 4, true)]);
        pool.receive(block("b", 50, false));
        assert_eq!(pool.idle(at(5)), ["b".into()]);
    }

    #[test]
    fn a_month_s_block_gives_nothing_in_the_next() {
        let since = Timestamp::parse("2026-03-31T23:59:50Z").unwrap();
        let later = |seconds| since.plus(Duration::from_secs(seconds));
        let mut pool = Pool::default();
        pool.receive(Block { since, ..block("a", 50, false) });
        let part = pool.reserve(micros(10), later(9)).unwrap();
        assert_eq!(pool.reserve(micros(10), later(10)), None);
        assert_eq!(amounts(&pool.settle(&[part], micros(4), later(11))), [("a", 4, true)]);
    }

    #[test]
    fn a_tight_block_goes_back_with_its_last_reservation() {
        let mut pool = Pool::default();
        pool.receive(block("a", 20, true));
        let parts = [pool.reserve(micros(10), at(0)).unwrap(), pool.reserve(micros(10), at(0)).unwrap()];
        assert_eq!(amounts(&pool.settle(&parts[..1], micros(4), at(0))), [("a", 4, false)]);
        assert_eq!(amounts(&pool.settle(&parts[1..], micros(4), at(0))), [("a", 4, true)]);
        assert!(pool.is_empty(at(0)));
    }

    #[test]
    fn scarcity_is_believed_for_a_second() {
        let mut pool = Pool::default();
        pool.note_scarce(micros(7), at(10));
        assert_eq!(pool.known_scarce(micros(8), at(10)), Some(micros(7)));
        assert_eq!(pool.known_scarce(micros(7), at(10)), None);
        assert_eq!(pool.known_scarce(micros(8), at(11)), None);
        pool.forget_scarce();
        assert_eq!(pool.known_scarce(micros(8), at(10)), None);
    }

    proptest! {
        /// Whatever happens in whatever order: of a block no more is spent and reserved than it had, and none is lost.
        #[test]
        fn a_block_is_never_overdrawn(
            steps in proptest::collection::vec((0..5_u8, 1..60_i64, 0..100_i64), 1..80)
        ) {
            let (mut pool, mut open) = (Pool::default(), Vec::<Vec<Part>>::new());
            let (mut leased, mut spent) = (HashMap::<Arc<str>, i64>::new(), HashMap::<Arc<str>, i64>::new());
            let mut now = at(0);
            for (step, (what, amount, cost)) in steps.into_iter().enumerate() {
                match what {
                    0 => {
                        let id: Arc<str> = step.to_string().into();
                        leased.insert(id.clone(), amount);
                        pool.receive(Block { id, amount: micros(amount), tight: cost % 2 == 0, since: now });
                    }
                    1 => open.extend(pool.reserve(micros(amount), now).map(|part| vec![part])),
                    2 => {
                        if let (Some(parts), Some(more)) = (open.last_mut(), pool.reserve(micros(amount), now)) {
                            parts.push(more);
                        }
                    }
                    3 if !open.is_empty() => {
                        let parts = open.swap_remove(cost as usize % open.len());
                        for part in pool.settle(&parts, micros(cost), now) {
                            *spent.entry(part.block).or_default() += part.amount.micros();
                        }
                    }
                    _ => now = at(now.seconds() + amount),
                }
                for id in pool.idle(now) {
                    prop_assert!(open.iter().flatten().all(|part| part.block != id));
                }
            }
            for (id, spent) in spent {
                let reserved: i64 =
                    open.iter().flatten().filter(|part| part.block == id).map(|part| part.amount.micros()).sum();
                prop_assert!(spent + reserved <= leased[&id], "{id}: {spent} + {reserved} of {}", leased[&id]);
            }
        }
    }
}
