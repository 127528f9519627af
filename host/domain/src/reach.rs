//! Which organisations a plugin is open to.

use std::collections::BTreeSet;

/// Which organisations a plugin is open to. The default is all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Whether it is open to organisations that are not named.
    pub others: bool,
    /// Those for which the opposite holds.
    pub except: BTreeSet<String>,
}

impl Reach {
    /// Only these.
    pub fn only(organizations: impl IntoIterator<Item = String>) -> Self {
        Self { others: false, except: organizations.into_iter().collect() }
    }

    /// What follows from what holds for those that are not named, and from what was said of single ones.
    pub fn of(others: bool, said: impl IntoIterator<Item = (String, bool)>) -> Self {
        let except =
            said.into_iter().filter(|(_, open)| *open != others).map(|(organization, _)| organization);
        Self { others, except: except.collect() }
    }

    /// Whether it is open to this organisation.
    pub fn admits(&self, organization: &str) -> bool {
        self.others != self.except.contains(organization)
    }
}

impl Default for Reach {
    fn default() -> Self {
        Self { others: true, except: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_of_one_wins_over_what_holds_for_others() {
        let said = || [("a".to_owned(), true), ("b".to_owned(), false)];
        for (reach, admitted) in [
            (Reach::default(), [true, true, true]),
            (Reach::only(["a".to_owned()]), [true, false, false]),
            (Reach::of(true, said()), [true, false, true]),
            (Reach::of(false, said()), [true, false, false]),
        ] {
            assert_eq!(["a", "b", "c"].map(|organization| reach.admits(organization)), admitted, "{reach:?}");
        }
    }
}
