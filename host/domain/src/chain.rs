//! The chain of the audit log: each event's place is tied by a hash to all places before it.
//!
//! A link covers what is known of an event without its body, and the body by its hash: so bodies may be purged and the
//! chain still holds.

pub mod checkpoint;
pub mod verify;

use sha2::{Digest, Sha256};

use crate::time::Timestamp;

/// A SHA-256.
pub type Hash = [u8; 32];

/// What the first link is tied to.
pub const GENESIS: Hash = [0; 32];

/// What a link says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// From 1, without gaps.
    pub seq: i64,
    /// `evt_…`.
    pub id: &'a str,
    /// When it happened.
    pub time: Timestamp,
    /// Whose it is; none for the platform's own.
    pub organization_id: Option<&'a str>,
    /// `resource.verb`.
    pub kind: &'a str,
    /// The hash of its body.
    pub body_hash: &'a [u8],
}

/// The hash of an event's canonical bytes.
pub fn body_hash(body: &[u8]) -> Hash {
    Sha256::digest(body).into()
}

/// The hash that ties a place to the one before it. Every part has its length before it: no two places are the same
/// bytes.
pub fn link(previous: &[u8], place: &Place<'_>) -> Hash {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(b"hardpoint audit link v1");
    part(previous);
    part(&place.seq.to_be_bytes());
    part(place.id.as_bytes());
    part(&place.time.micros().to_be_bytes());
    match place.organization_id {
        Some(organization) => {
            part(b"organization");
            part(organization.as_bytes());
        }
        None => part(b"platform"),
    }
    part(place.kind.as_bytes());
    part(place.body_hash);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_part_of_a_place_and_all_before_it_are_tied_in() {
        let hash = body_hash(b"{}");
        let place = Place {
            seq: 1,
            id: "evt_1",
            time: Timestamp::from_micros(1),
            organization_id: Some("org_1"),
            kind: "key.created",
            body_hash: &hash,
        };
        let other = body_hash(b"{ }");
        let places = [
            place.clone(),
            Place { seq: 2, ..place.clone() },
            Place { id: "evt_", ..place.clone() },
            Place { time: Timestamp::from_micros(2), ..place.clone() },
            Place { organization_id: None, ..place.clone() },
            Place { organization_id: Some(""), ..place.clone() },
            Place { kind: "key.archived", ..place.clone() },
            Place { body_hash: &other, ..place.clone() },
            // What moves from one part to its neighbour is another place.
            Place { organization_id: Some("org_1key"), kind: ".created", ..place.clone() },
        ];
        let mut links: HashSet<Hash> = places.iter().map(|place| link(&GENESIS, place)).collect();
        links.insert(link(&body_hash(b""), &place));
        assert_eq!(links.len(), places.len() + 1);
    }

    /// What was linked once must be linked the same for ever: this was computed apart from this program.
    #[test]
    fn a_known_link() {
        let hash = body_hash(b"{}");
        let place = Place {
            seq: 7,
            id: "evt_7",
            time: Timestamp::from_micros(1_760_000_000_000_000),
            organization_id: None,
            kind: "host.started",
            body_hash: &hash,
        };
        assert_eq!(
            crate::hex::show(&link(&GENESIS, &place)),
            "85fb183bdb988e9ed1b096258537dd31832c2d880606c22b92d9831d0dd91e68"
        );
    }
}
