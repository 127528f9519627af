//! Mail to people: written into the transaction that makes it due, sealed, and sent by a worker afterwards.

pub mod letters;
pub mod transport;

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::id;
use hardpoint_domain::seal::{Keyring, Sealed};
use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_store::mails::{Claimed, NewMail};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::config::Config;
use crate::error::ApiError;
use crate::service::host_key;

/// A mail as somebody is to read it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Whom it is to.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// When it was written.
    pub written_at: Timestamp,
}

/// Where mail is handed in. Clones share it.
#[derive(Clone)]
pub struct Post {
    keyring: Arc<Keyring>,
    rng: Arc<dyn Rng>,
    bell: Arc<Notify>,
}

impl Post {
    /// With the keys of this host. Mail is in the store only until it was sent: no other host need open it.
    ///
    /// # Errors
    /// If there is no master key, and the host's own cannot be read or made.
    pub fn open(config: &Config, rng: Arc<dyn Rng>) -> anyhow::Result<Self> {
        let keyring = Arc::new(host_key::keyring(config, &*rng)?);
        Ok(Self { keyring, rng, bell: Arc::default() })
    }

    /// For who only looks: no key is read or made, and nothing can be sealed.
    pub fn closed(rng: Arc<dyn Rng>) -> Self {
        Self { keyring: Arc::default(), rng, bell: Arc::default() }
    }

    /// A letter for the queue. It is kept, and never sent, where nobody is to get it.
    ///
    /// # Errors
    /// If it cannot be sealed, which only one of gigabytes cannot.
    pub fn seal(&self, letter: &Letter, life: Duration, is_addressed: bool) -> Result<NewMail, ApiError> {
        let now = letter.written_at;
        let id = id::prefixed("mail", now, &*self.rng);
        let text = serde_json::to_vec(letter).map_err(ApiError::internal)?;
        let key =
            self.keyring.newest().ok_or_else(|| ApiError::internal("there is no key to seal mail with"))?;
        let Sealed { key_id, bytes } =
            key.seal(&["mail", &id], &text, &*self.rng).map_err(ApiError::internal)?;
        Ok(NewMail { id, key_id, sealed: bytes, is_addressed, due_at: now, expires_at: now.plus(life) })
    }

    /// What is in a mail of the queue.
    ///
    /// # Errors
    /// If it cannot be opened; says nothing of what is in it.
    pub fn unseal(&self, mail: &Claimed) -> anyhow::Result<Letter> {
        let sealed = Sealed { key_id: mail.key_id.clone(), bytes: mail.sealed.clone() };
        let text = self.keyring.open(&["mail", &mail.id], &sealed)?;
        serde_json::from_slice(&text).map_err(|_| anyhow::anyhow!("it is no letter"))
    }

    /// The keys: what must be read back, and where there is no master key is this host's alone, is sealed by them.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The keys of mails that can be opened here.
    pub fn key_ids(&self) -> Vec<String> {
        self.keyring.ids().map(str::to_owned).collect()
    }

    /// Says that something was queued.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits until something was queued here.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use hardpoint_domain::seal::MasterKey;

    use super::*;
    use crate::config::Sources;
    use crate::system;

    fn config(data: &Path) -> Config {
        Config::load(&Sources { data: Some(data.to_owned()), only_named: true, ..Sources::default() })
            .unwrap()
    }

    #[test]
    fn the_hosts_key_stays_and_is_nobody_elses_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder.path().join("data"));
        let first = Post::open(&config, system::rng()).unwrap();
        let again = Post::open(&config, system::rng()).unwrap();
        assert_eq!(first.key_ids(), again.key_ids());
        let mode = std::fs::metadata(folder.path().join("data/host.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A master key that comes later seals; what waits under the host's own is still opened.
        let mut later = config.clone();
        later.keyring = Keyring::parse(&MasterKey::generate(&*system::rng()).reveal()).unwrap();
        let post = Post::open(&later, system::rng()).unwrap();
        assert_eq!(post.key_ids().len(), 2);
        let letter = Letter {
            to: "a@b.cd".to_owned(),
            subject: "PIN".to_owned(),
            body: "123456".to_owned(),
            written_at: Timestamp::from_micros(1),
        };
        let sealed = first.seal(&letter, Duration::from_secs(1), true).unwrap();
        let mut claimed = Claimed {
            id: sealed.id,
            key_id: sealed.key_id,
            sealed: sealed.sealed,
            is_addressed: true,
            attempt: 1,
            expires_at: sealed.expires_at,
        };
        assert!(!claimed.sealed.windows(6).any(|bytes| bytes == b"123456"));
        assert_eq!(post.unseal(&claimed).unwrap().body, "123456");
        claimed.id += "0";
        assert!(post.unseal(&claimed).is_err(), "it belongs to another mail");
    }
}
