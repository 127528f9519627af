//! Signatures of webhooks: Standard Webhooks, and SecureAI's scheme under two names, over the same body with the same
//! key. While a secret is being replaced there is one signature for each.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::hex;
use crate::time::{Rng, Timestamp};

const PREFIX: &str = "whsec_";
/// Bytes of a key that we make: Standard Webhooks asks for 24 to 64.
const KEY: usize = 32;

/// A key that signs. Never shown but by [`SigningSecret::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

/// A text that is no signing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no signing secret: `whsec_` and base64")]
pub struct NoSecret;

impl SigningSecret {
    /// A new one.
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut bytes = vec![0; KEY];
        rng.fill(&mut bytes);
        Self(bytes)
    }

    /// One as its holder has it.
    ///
    /// # Errors
    /// If the text is none.
    pub fn parse(text: &str) -> Result<Self, NoSecret> {
        let digits = text.strip_prefix(PREFIX).ok_or(NoSecret)?;
        STANDARD.decode(digits).map(Self).map_err(|_| NoSecret)
    }

    /// `whsec_…`, for its holder.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    fn mac(&self, parts: &[&[u8]]) -> Vec<u8> {
        // A key of any length will do, so this never fails.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return Vec::new() };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret([redacted])")
    }
}

/// The headers that a webhook of this id and body carries when it is sent at `now`. The newest secret comes first.
pub fn headers(
    id: &str,
    now: Timestamp,
    body: &[u8],
    secrets: &[SigningSecret],
) -> [(&'static str, String); 5] {
    let time = now.seconds().to_string();
    let standard = secrets.iter().map(|secret| {
        let mac = secret.mac(&[id.as_bytes(), b".", time.as_bytes(), b".", body]);
        format!("v1,{}", STANDARD.encode(mac))
    });
    let plain = secrets.iter().map(|secret| hex::show(&secret.mac(&[time.as_bytes(), b".", body])));
    let plain = plain.fold(format!("t={time}"), |all, mac| format!("{all},v1={mac}"));
    [
        ("webhook-id", id.to_owned()),
        ("webhook-signature", standard.collect::<Vec<_>>().join(" ")),
        ("webhook-timestamp", time),
        ("x-secureai-signature", plain.clone()),
        ("x-hardpoint-signature", plain),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::verify;

    #[test]
    fn a_known_signature() {
        // The example of the Standard Webhooks specification and its libraries.
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let now = Timestamp::from_micros(1_614_265_330_000_000);
        let signed = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", now, b"{\"test\": 2432232314}", &[secret]);
        assert_eq!(signed[1].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!((signed[2].0, signed[2].1.as_str()), ("webhook-timestamp", "1614265330"));
    }

    #[test]
    fn each_secret_signs_in_every_scheme() {
        struct Ones;
        impl Rng for Ones {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0x61);
            }
        }
        // Bytes that are text, so that the other direction's check can take them.
        let (new, old) = (SigningSecret::generate(&Ones), SigningSecret(b"the old one".to_vec()));
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let signed = headers("evt_1", now, b"{}", &[new.clone(), old.clone()]);
        assert_eq!(signed[1].1.split(' ').count(), 2);
        assert!(signed[1].1.split(' ').all(|one| one.starts_with("v1,")));
        for secret in [new, old] {
            let key = String::from_utf8(secret.0).unwrap();
            for (name, value) in &signed[3..] {
                assert_eq!(verify(value, b"{}", &key, now), Ok(()), "{name}");
            }
        }
    }

    #[test]
    fn secrets_are_read_as_they_are_shown() {
        let secret = SigningSecret(vec![7; KEY]);
        assert_eq!(SigningSecret::parse(&secret.reveal()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "SigningSecret([redacted])");
        for bad in ["", "whsec_!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec"] {
            assert_eq!(SigningSecret::parse(bad), Err(NoSecret), "{bad}");
        }
    }
}
