//! How much of an organisation's money a host may lease, and what crossing a line of its budget means.

use serde::{Deserialize, Serialize};

use crate::money::Credits;

/// The largest block that is leased without a request that needs more: what one of several hosts holds and does not
/// use is kept from the others.
const BLOCK: Credits = Credits::from_micros(1_000_000);
/// A block is at most this share of what is left, so that leases become exact as money runs out.
const SHARE: i64 = 16;

/// What an organisation set itself for a month; what is left out is not bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// No more than this is spent.
    pub spend_cap: Option<Credits>,
    /// An event says when this is reached.
    pub soft_cap: Option<Credits>,
    /// A single request that may cost more needs somebody's approval.
    pub approval_threshold: Option<Credits>,
}

/// An organisation's money, as the store has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What no host has leased. Below nothing where the plan is paid afterwards.
    pub available: Credits,
    /// What was leased this month and not given back: spent, or about to be.
    pub committed: Credits,
    /// Its budget.
    pub budget: Budget,
    /// Whether it may spend what it has only, or pays afterwards.
    pub prepaid: bool,
}

/// Why nothing is leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// There is not so much money.
    Balance {
        /// So much there is.
        left: Credits,
    },
    /// The month's cap leaves no room.
    SpendCap {
        /// So much it leaves.
        left: Credits,
        /// The cap.
        cap: Credits,
    },
}

/// A block of money for one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// How much.
    pub amount: Credits,
    /// Whether money is so short that what is not needed has to be given back at once.
    pub tight: bool,
    /// Whether the soft cap is reached with this, and was not before.
    pub crosses_soft_cap: bool,
}

impl Account {
    /// What may be leased. None where nothing bounds it.
    fn left(&self) -> Option<Short> {
        let balance = self.prepaid.then_some(Short::Balance { left: self.available });
        let cap = self.budget.spend_cap.map(|cap| Short::SpendCap { left: cap - self.committed, cap });
        match (balance, cap) {
            (Some(balance), Some(cap)) if cap.left() < balance.left() => Some(cap),
            (Some(balance), _) => Some(balance),
            (None, cap) => cap,
        }
    }

    /// How much of a cost there is money for.
    pub fn affordable(&self, cost: Credits) -> Credits {
        self.left().map_or(cost, |short| cost.min(short.left().max(Credits::ZERO)))
    }

    /// Leases at least `need`, and as much as the requests that wait together want where there is so much, or a block.
    ///
    /// # Errors
    /// What is short where even `need` is not there.
    pub fn grant(&self, need: Credits, wanted: Credits) -> Result<Grant, Short> {
        let wanted = wanted.max(need);
        let (amount, tight) = match self.left() {
            None => (wanted.max(BLOCK), false),
            Some(short) if short.left() < need => return Err(short),
            Some(short) => {
                let left = short.left();
                let share = left.share(SHARE).min(BLOCK);
                // Not all that wait can have what they want: each is given what it needs, and others elsewhere too.
                let amount = if wanted > left { need.max(share) } else { wanted.max(share) };
                (amount, (left - amount).share(SHARE) < BLOCK)
            }
        };
        // A block that is not needed must not reach the soft cap before the money is spent.
        let room = self.budget.soft_cap.map(|cap| cap - self.committed).filter(|room| room.is_positive());
        let short_of = |room: Credits| room - Credits::from_micros(1);
        let amount = room.map_or(amount, |room| amount.min(short_of(room).max(wanted)));
        let crosses_soft_cap = room.is_some_and(|room| amount >= room);
        Ok(Grant { amount, tight, crosses_soft_cap })
    }
}

impl Short {
    /// How much there is.
    pub const fn left(&self) -> Credits {
        match self {
            Self::Balance { left } | Self::SpendCap { left, .. } => *left,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn micros(micros: i64) -> Credits {
        Credits::from_micros(micros)
    }

    fn account(available: i64, cap: Option<i64>, committed: i64) -> Account {
        let budget = Budget { spend_cap: cap.map(micros), ..Budget::default() };
        Account { available: micros(available), committed: micros(committed), budget, prepaid: true }
    }

    #[test]
    fn blocks_shrink_to_what_is_needed() {
        for (available, need, granted) in [
            (100_000_000, 10, Ok((1_000_000, false))),
            (100_000_000, 3_000_000, Ok((3_000_000, false))),
            (8_000_000, 10, Ok((500_000, true))),
            (160, 10, Ok((10, true))),
            (10, 10, Ok((10, true))),
            (9, 10, Err(9)),
            (-5, 1, Err(-5)),
        ] {
            let found = account(available, None, 0).grant(micros(need), micros(0));
            let found = found
                .map(|grant| (grant.amount.micros(), grant.tight))
                .map_err(|short| short.left().micros());
            assert_eq!(found, granted, "{available} {need}");
        }
    }

    #[test]
    fn what_waits_together_is_leased_together() {
        let grant =
            |wanted| account(5_000_000, None, 0).grant(micros(10), micros(wanted)).unwrap().amount.micros();
        assert_eq!((grant(4_000_000), grant(6_000_000)), (4_000_000, 312_500));
    }

    #[test]
    fn the_tighter_of_balance_and_cap_is_told() {
        let refused = account(50, Some(100), 90).grant(micros(20), micros(20));
        assert_eq!(refused, Err(Short::SpendCap { left: micros(10), cap: micros(100) }));
        let refused = account(5, Some(100), 90).grant(micros(20), micros(20));
        assert_eq!(refused, Err(Short::Balance { left: micros(5) }));
        let afterwards = Account { prepaid: false, ..account(-500, None, 0) };
        assert_eq!(afterwards.grant(micros(20), micros(20)).unwrap().amount, BLOCK);
    }

    #[test]
    fn the_soft_cap_is_crossed_once_and_not_by_what_nobody_needs() {
        let at = |committed| {
            let budget = Budget { soft_cap: Some(micros(5_000_000)), ..Budget::default() };
            let account = Account { committed: micros(committed), budget, ..account(100_000_000, None, 0) };
            let grant = account.grant(micros(100), micros(100)).unwrap();
            (grant.amount.micros(), grant.crosses_soft_cap)
        };
        assert_eq!(at(0), (1_000_000, false));
        assert_eq!(at(4_999_500), (499, false));
        assert_eq!(at(4_999_950), (100, true));
        assert_eq!(at(5_000_000), (1_000_000, false));
    }

    proptest! {
        #[test]
        fn never_more_than_is_left_and_never_less_than_is_needed(
            available in -10_000_000..20_000_000_i64,
            cap in proptest::option::of(0..20_000_000_i64),
            committed in 0..20_000_000_i64,
            soft in proptest::option::of(0..20_000_000_i64),
            need in 1..3_000_000_i64,
            wanted in 0..30_000_000_i64,
        ) {
            let mut account = account(available, cap, committed);
            account.budget.soft_cap = soft.map(micros);
            let left = cap.map_or(available, |cap| available.min(cap - committed));
            match account.grant(micros(need), micros(wanted)) {
                Ok(grant) => {
                    prop_assert!((need..=left).contains(&grant.amount.micros()));
                    let reaches = soft.is_some_and(|soft| committed < soft && committed + grant.amount.micros() >= soft);
                    prop_assert_eq!(grant.crosses_soft_cap, reaches);
                }
                Err(short) => prop_assert!(left < need && short.left().micros() == left),
            }
        }
    }
}
