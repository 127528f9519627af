//! Signed statements of what the chain was at a place. Who keeps one elsewhere can tell later whether the log up to there
//! is still the same, whoever wrote to the database meanwhile.
//!
//! What is signed, with Ed25519, is five lines of text, each ended by a line feed: `hardpoint audit checkpoint v1`, the
//! number, the hash in hex, the time in RFC 3339, and the key's id.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Hash;
use crate::hex;
use crate::seal::MasterKey;
use crate::time::Timestamp;

/// By what written checkpoints are known.
const FORM: &str = "hardpoint.audit.checkpoint.v1";

/// What signatures are checked with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// From the bytes that stand in a checkpoint.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads one as [`fmt::Display`] shows it.
    pub fn parse(text: &str) -> Option<Self> {
        hex::parse(text).map(Self)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `ak_…`: by what keys are told apart.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"hardpoint audit key id\0");
        hash.update(self.0);
        format!("ak_{}", hex::show(&hash.finalize()[..6]))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::show(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// What the chain was at a place, with a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Checkpoint {
    /// The place.
    pub seq: i64,
    /// The link there.
    pub hash: Hash,
    /// When it was signed.
    pub time: Timestamp,
    /// Whose signature it is.
    pub public_key: PublicKey,
    /// The signature.
    pub signature: [u8; 64],
}

impl Checkpoint {
    /// Whether its key signed exactly this.
    pub fn is_signed(&self) -> bool {
        let message = message(self.seq, &self.hash, self.time, &self.public_key);
        UnparsedPublicKey::new(&ED25519, self.public_key.0)
            .verify(message.as_bytes(), &self.signature)
            .is_ok()
    }
}

/// Signs checkpoints. Its key comes from a master key, and so needs no place of its own.
pub struct Signer {
    pair: Ed25519KeyPair,
    public_key: PublicKey,
}

impl Signer {
    /// The signer of a master key; none where the algorithm refuses it, which it does for no key that was generated.
    pub fn of(key: &MasterKey) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&key.derive("audit checkpoints")).ok()?;
        let public_key = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { pair, public_key })
    }

    /// What its signatures are checked with.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// States what the chain is at a place.
    pub fn sign(&self, seq: i64, hash: Hash, time: Timestamp) -> Option<Checkpoint> {
        let message = message(seq, &hash, time, &self.public_key);
        let signature = self.pair.sign(message.as_bytes()).as_ref().try_into().ok()?;
        Some(Checkpoint { seq, hash, time, public_key: self.public_key, signature })
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public_key.id())
    }
}

fn message(seq: i64, hash: &Hash, time: Timestamp, key: &PublicKey) -> String {
    format!(
        "hardpoint audit checkpoint v1\n{seq}\n{}\n{}\n{}\n",
        hex::show(hash),
        time.to_rfc3339(),
        key.id()
    )
}

/// A checkpoint as it is kept elsewhere: JSON on one line.
#[derive(Serialize, Deserialize)]
struct Written {
    r#type: String,
    seq: i64,
    hash: String,
    time: String,
    key_id: String,
    public_key: String,
    signature: String,
}

impl From<Checkpoint> for Written {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            r#type: FORM.to_owned(),
            seq: checkpoint.seq,
            hash: hex::show(&checkpoint.hash),
            time: checkpoint.time.to_rfc3339(),
            key_id: checkpoint.public_key.id(),
            public_key: checkpoint.public_key.to_string(),
            signature: hex::show(&checkpoint.signature),
        }
    }
}

impl TryFrom<Written> for Checkpoint {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        if written.r#type != FORM {
            return Err("its `type` is not that of a checkpoint");
        }
        let checkpoint = Self {
            seq: written.seq,
            hash: hex::parse(&written.hash).ok_or("its `hash` is not 64 hex digits")?,
            time: Timestamp::parse(&written.time).ok_or("its `time` is none")?,
            public_key: PublicKey::parse(&written.public_key)
                .ok_or("its `public_key` is not 64 hex digits")?,
            signature: hex::parse(&written.signature).ok_or("its `signature` is not 128 hex digits")?,
        };
        if checkpoint.public_key.id() != written.key_id {
            return Err("its `key_id` is another key's");
        }
        Ok(checkpoint)
    }
}

/// Checkpoints that were kept elsewhere: JSON objects, one after the other.
///
/// # Errors
/// With what is wrong with the first that cannot be read.
pub fn parse(text: &str) -> Result<Vec<Checkpoint>, String> {
    let mut read = Vec::new();
    for checkpoint in serde_json::Deserializer::from_str(text).into_iter::<Checkpoint>() {
        let which = read.len() + 1;
        read.push(checkpoint.map_err(|error| format!("checkpoint {which}: {error}"))?);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Rng;

    struct Counting(u8);
    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = self.0.wrapping_add(at as u8));
        }
    }

    fn signer(start: u8) -> Signer {
        Signer::of(&MasterKey::generate(&Counting(start))).unwrap()
    }

    fn signed() -> Checkpoint {
        signer(1).sign(7, [9; 32], Timestamp::from_micros(1_760_000_000_000_001)).unwrap()
    }

    #[test]
    fn a_signature_is_of_every_part() {
        let good = signed();
        assert!(good.is_signed());
        assert_eq!(signed(), good, "the same key and statement make the same signature");
        let mut signature = good.signature;
        signature[3] ^= 1;
        for other in [
            Checkpoint { seq: 8, ..good.clone() },
            Checkpoint { hash: [8; 32], ..good.clone() },
            Checkpoint { time: Timestamp::from_micros(1_760_000_000_000_002), ..good.clone() },
            Checkpoint { public_key: signer(2).public_key(), ..good.clone() },
            Checkpoint { signature, ..good.clone() },
        ] {
            assert!(!other.is_signed(), "{other:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (one, two) = (signed(), signer(2).sign(9, [1; 32], Timestamp::from_micros(1)).unwrap());
        let line = |checkpoint: &Checkpoint| serde_json::to_string(checkpoint).unwrap();
        assert_eq!(parse(&format!("{}\n{}\n", line(&one), line(&two))), Ok(vec![one.clone(), two]));
        assert_eq!(parse("\n"), Ok(Vec::new()));
        for (from, to, wrong) in [
            ("\"seq\":7", "\"seq\":\"7\"", "invalid type"),
            ("checkpoint.v1", "checkpoint.v2", "`type`"),
            ("\"hash\":\"09", "\"hash\":\"", "`hash`"),
            ("\"key_id\":\"ak_", "\"key_id\":\"ak_0", "`key_id`"),
        ] {
            let text = line(&one).replace(from, to);
            let error = parse(&text).unwrap_err();
            assert!(error.starts_with("checkpoint 1: ") && error.contains(wrong), "{error}");
        }
        assert!(!format!("{:?}", signer(1)).contains("seed"));
    }
}
