//! Logging in by a PIN that was sent by mail: what is sent, what is kept of it, and whose turn it is.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::time::{Rng, Timestamp};

/// How long a PIN is good for.
pub const PIN_LIFE: Duration = Duration::from_secs(5 * 60);
/// How often a PIN may be tried.
pub const ATTEMPTS: i64 = 5;
/// How long a session lasts, however much it is used.
pub const SESSION_LIFE: Duration = Duration::from_secs(7 * 3_600);

const DIGITS: usize = 6;
const PINS: u32 = 1_000_000;

/// Six digits. Never shown but in the mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(String);

impl Pin {
    /// A new PIN; every one is as likely as any other.
    pub fn generate(rng: &dyn Rng) -> Self {
        // What is above the last whole million would make low PINs likelier.
        const END: u32 = u32::MAX - u32::MAX % PINS;
        loop {
            let mut bytes = [0; 4];
            rng.fill(&mut bytes);
            let number = u32::from_be_bytes(bytes);
            if number < END {
                return Self(format!("{:06}", number % PINS));
            }
        }
    }

    /// A PIN that somebody sent; none where the text can be no PIN.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| Self(text.to_owned()))
    }

    /// The digits, for the mail.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(…)")
    }
}

/// The id of a challenge: 122 random bits that only whoever asked for the PIN gets. It is the key of the PIN's hash,
/// and is itself kept as a hash: what is kept would not help to find either.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChallengeId(Uuid);

impl ChallengeId {
    /// A new one.
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes);
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// One that somebody sent; none where the text can be none.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// What it is found by.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// What is kept of a PIN that was sent to an address.
    pub fn pin_hash(&self, email: &str, pin: &Pin) -> Vec<u8> {
        self.mac(email, pin).finalize().into_bytes().to_vec()
    }

    /// Whether this is the PIN. Takes as long whatever is wrong with it.
    pub fn is_pin(&self, email: &str, pin: &Pin, kept: &[u8]) -> bool {
        self.mac(email, pin).verify_slice(kept).is_ok()
    }

    fn mac(&self, email: &str, pin: &Pin) -> Hmac<Sha256> {
        // HMAC fills a short key up with zeros itself; one of full length cannot be refused.
        let mut key = [0; 64];
        key[..16].copy_from_slice(self.0.as_bytes());
        let mut mac = Hmac::<Sha256>::new(&key.into());
        mac.update(pin.0.as_bytes());
        mac.update(email.as_bytes());
        mac
    }
}

impl fmt::Display for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeId(…)")
    }
}

/// How often something may be done in a window of time. Windows begin at whole multiples of their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// So often …
    pub most: i64,
    /// … in each window of this length.
    pub window: Duration,
}

const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);
/// The longest window there is.
pub const DAY: Duration = Duration::from_secs(86_400);

/// PINs for one address: at five attempts each, one guess in ten thousand a day.
pub const ASKS_OF_ADDRESS: [Pace; 2] = [pace(5, QUARTER_HOUR), pace(20, DAY)];
/// PINs that one network asks for.
pub const ASKS_OF_NETWORK: [Pace; 2] = [pace(30, QUARTER_HOUR), pace(300, DAY)];
/// PINs that one network tries.
pub const TRIES_OF_NETWORK: [Pace; 2] = [pace(60, QUARTER_HOUR), pace(600, DAY)];

/// How many times as much a network with others in it may do as a single one.
pub const LARGE_NETWORK: i64 = 4;

const fn pace(most: i64, window: Duration) -> Pace {
    Pace { most, window }
}

impl Pace {
    /// When the present window began.
    pub fn begin(&self, now: Timestamp) -> Timestamp {
        let window = i64::try_from(self.window.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(now.micros() - now.micros().rem_euclid(window))
    }

    /// When the present window ends.
    pub fn end(&self, now: Timestamp) -> Timestamp {
        self.begin(now).plus(self.window)
    }

    /// What the count of `what` for `whom` is kept under: neither can be read from it.
    pub fn subject(&self, what: &str, whom: &str) -> [u8; 32] {
        Sha256::digest(format!("{what}\0{}\0{whom}", self.window.as_secs())).into()
    }
}

/// The networks that an address belongs to, the smallest first, each with how many times as much as a single one it
/// may do: its first 24 bits; with IPv6 its first 64, and the first 48, of which anybody may have 65,536 such
/// networks. Whoever has one address of a network has others.
pub fn networks(ip: IpAddr) -> Vec<(String, i64)> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            vec![(format!("{a}.{b}.{c}.0/24"), 1)]
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            let small = Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0);
            let large = Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0);
            vec![(format!("{small}/64"), 1), (format!("{large}/48"), LARGE_NETWORK)]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Fills each four bytes with the next of these numbers.
    struct Numbers(&'static [u32], AtomicU32);
    impl Rng for Numbers {
        fn fill(&self, bytes: &mut [u8]) {
            for chunk in bytes.chunks_mut(4) {
                let next = self.1.fetch_add(1, Ordering::Relaxed) as usize;
                chunk.copy_from_slice(&self.0[next % self.0.len()].to_be_bytes()[..chunk.len()]);
            }
        }
    }

    fn rng(numbers: &'static [u32]) -> Numbers {
        Numbers(numbers, AtomicU32::new(0))
    }

    #[test]
    fn pins_have_six_digits_and_no_favourites() {
        assert_eq!(Pin::generate(&rng(&[7])).reveal(), "000007");
        assert_eq!(Pin::generate(&rng(&[1_999_999])).reveal(), "999999");
        // 4,294,000,000 and above belong to a million that is not whole.
        assert_eq!(Pin::generate(&rng(&[4_294_967_295, 4_294_000_000, 4_293_999_999])).reveal(), "999999");
        for text in ["", "12345", "1234567", "12345a", "１２", "12 456", "-12345"] {
            assert_eq!(Pin::parse(text), None, "{text}");
        }
        assert!(!format!("{:?}", Pin::parse("123456")).contains("123"));
    }

    #[test]
    fn a_pin_is_good_for_its_address_and_challenge_alone() {
        let (one, other) = (ChallengeId::generate(&rng(&[1])), ChallengeId::generate(&rng(&[2])));
        let (pin, wrong) = (Pin::parse("123456").unwrap(), Pin::parse("123457").unwrap());
        let kept = one.pin_hash("a@b.cd", &pin);
        assert!(one.is_pin("a@b.cd", &pin, &kept));
        assert!(!one.is_pin("a@b.cd", &wrong, &kept));
        assert!(!one.is_pin("x@b.cd", &pin, &kept));
        assert!(!other.is_pin("a@b.cd", &pin, &kept));
        assert!(!one.is_pin("a@b.cd", &pin, &kept[..31]));
        let text = one.to_string();
        assert_eq!((text.len(), text.as_bytes()[14]), (36, b'4'));
        assert!(ChallengeId::parse(&text) == Some(one) && one.hash() != other.hash());
        assert!(ChallengeId::parse("cf4b26f1").is_none());
    }

    #[test]
    fn networks_of_addresses() {
        for (ip, expected) in [
            ("192.0.2.77", &[("192.0.2.0/24", 1)][..]),
            ("::ffff:192.0.2.77", &[("192.0.2.0/24", 1)]),
            ("2001:db8:1:2:3:4:5:6", &[("2001:db8:1:2::/64", 1), ("2001:db8:1::/48", 4)]),
            ("::1", &[("::/64", 1), ("::/48", 4)]),
        ] {
            let found = networks(ip.parse().unwrap());
            let found: Vec<_> = found.iter().map(|(network, times)| (network.as_str(), *times)).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn windows_are_the_same_for_everybody() {
        let pace = ASKS_OF_ADDRESS[0];
        let now = Timestamp::parse("2026-02-19T18:10:07Z").unwrap();
        assert_eq!(pace.begin(now), Timestamp::parse("2026-02-19T18:00:00Z").unwrap());
        assert_eq!(pace.end(now), Timestamp::parse("2026-02-19T18:15:00Z").unwrap());
        assert_ne!(pace.subject("ask", "a@b.cd"), ASKS_OF_ADDRESS[1].subject("ask", "a@b.cd"));
        assert_ne!(pace.subject("ask", "a@b.cd"), pace.subject("try", "a@b.cd"));
    }
}
