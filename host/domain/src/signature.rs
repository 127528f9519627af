//! Who sent a notice of a payment: Stripe's scheme, `Stripe-Signature: t=<unix seconds>,v1=<hex>`, where each `v1` is
//! an HMAC-SHA256 of `t`, a full stop and the body. While a secret is being replaced there is one for each.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::hex;
use crate::time::Timestamp;

/// How far the time of a signature may be from the present, so that what was once overheard is worth nothing later.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Why a notice is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// There is no such header, or it has no time or no signature.
    #[error("it carries no signature")]
    Missing,
    /// None of the signatures is of this body, with this secret.
    #[error("none of its signatures is of this body")]
    Mismatch,
    /// The signature is good, and of another time.
    #[error("it was not signed within the last {} seconds", TOLERANCE.as_secs())]
    Stale,
}

/// Whether a body was signed with this secret, and just now. Takes as long whichever byte of a signature is wrong.
///
/// # Errors
/// Why not.
pub fn verify(header: &str, body: &[u8], secret: &str, now: Timestamp) -> Result<(), Unsigned> {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let time = parts().find_map(|(name, text)| (name == "t").then_some(text)).ok_or(Unsigned::Missing)?;
    let seconds = time.parse::<i64>().map_err(|_| Unsigned::Missing)?;
    let mut signatures =
        parts().filter_map(|(name, text)| if name == "v1" { hex::parse::<32>(text) } else { None });
    let first = signatures.next().ok_or(Unsigned::Missing)?;
    // A key of any length will do.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| Unsigned::Mismatch)?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    let is_good = |signature: [u8; 32]| mac.clone().verify_slice(&signature).is_ok();
    if !std::iter::once(first).chain(signatures).any(is_good) {
        return Err(Unsigned::Mismatch);
    }
    if now.seconds().saturating_sub(seconds).unsigned_abs() > TOLERANCE.as_secs() {
        return Err(Unsigned::Stale);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"{\"id\":\"evt_1\"}";
    const AT: i64 = 1_700_000_000;

    fn signed(time: &str, body: &[u8], secret: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(&[time.as_bytes(), b".", body].concat());
        hex::show(&mac.finalize().into_bytes())
    }

    fn judged(header: &str, seconds: i64) -> Result<(), Unsigned> {
        verify(header, BODY, "whsec_test", Timestamp::from_micros(seconds * 1_000_000))
    }

    #[test]
    fn a_known_signature() {
        // Of `printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test`.
        let known = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";
        assert_eq!(signed("1700000000", BODY, "whsec_test"), known);
        assert_eq!(judged(&format!("t=1700000000,v1={known}"), AT), Ok(()));
    }

    #[test]
    fn of_several_signatures_one_has_to_be_good() {
        let (good, other) =
            (signed("1700000000", BODY, "whsec_test"), signed("1700000000", BODY, "whsec_old"));
        for (header, expected) in [
            (format!("t=1700000000,v1={good}"), Ok(())),
            (format!("t=1700000000,v1={other},v1={good}"), Ok(())),
            (format!("v1={good}, t=1700000000, v0={other}"), Ok(())),
            (format!("t=1700000000,v1={}", good.to_uppercase()), Ok(())),
            (format!("t=1700000000,v1=00,v1={good}"), Ok(())),
            (format!("t=1700000000,v1={other}"), Err(Unsigned::Mismatch)),
            // Signed with another time than the one that is told.
            (format!("t=1700000001,v1={good}"), Err(Unsigned::Mismatch)),
            (format!("t=01700000000,v1={good}"), Err(Unsigned::Mismatch)),
            // A scheme that is for tests alone.
            (format!("t=1700000000,v0={good}"), Err(Unsigned::Missing)),
            (format!("v1={good}"), Err(Unsigned::Missing)),
            (format!("t=now,v1={good}"), Err(Unsigned::Missing)),
            (format!("t=1700000000,v1={}", &good[1..]), Err(Unsigned::Missing)),
            (format!("t=1700000000,v1=+{}", &good[1..]), Err(Unsigned::Missing)),
            (format!("t=1700000000,v1=é{}", &good[2..]), Err(Unsigned::Missing)),
            ("t=1700000000".to_owned(), Err(Unsigned::Missing)),
            (String::new(), Err(Unsigned::Missing)),
        ] {
            assert_eq!(judged(&header, AT), expected, "{header}");
        }
    }

    #[test]
    fn another_body_is_not_what_was_signed() {
        let header = format!("t={AT},v1={}", signed("1700000000", BODY, "whsec_test"));
        let now = Timestamp::from_micros(AT * 1_000_000);
        assert_eq!(verify(&header, b"{\"id\":\"evt_2\"}", "whsec_test", now), Err(Unsigned::Mismatch));
        assert_eq!(verify(&header, BODY, "whsec_other", now), Err(Unsigned::Mismatch));
        assert_eq!(verify(&header, BODY, "", now), Err(Unsigned::Mismatch));
    }

    #[test]
    fn a_signature_of_another_time_is_not_taken() {
        let header = format!("t={AT},v1={}", signed("1700000000", BODY, "whsec_test"));
        for (seconds, expected) in [
            (AT + 300, Ok(())),
            (AT - 300, Ok(())),
            (AT + 301, Err(Unsigned::Stale)),
            (AT - 301, Err(Unsigned::Stale)),
        ] {
            assert_eq!(judged(&header, seconds), expected, "{seconds}");
        }
        let never = format!("t={},v1={}", i64::MIN, signed(&i64::MIN.to_string(), BODY, "whsec_test"));
        assert_eq!(judged(&never, AT), Err(Unsigned::Stale));
    }
}
