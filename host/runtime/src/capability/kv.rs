//! `hardpoint:plugin/kv`: small values in the namespace of this binding and organisation.

use crate::bindings::kv::{Error, Host};
use crate::config::{KvError, KvSpace};
use crate::sandbox::CallState;

/// The longest list of keys that one call returns.
const KEYS: u32 = 1_000;
/// The longest key, in bytes.
const KEY_BYTES: usize = 512;
/// The largest value, in bytes.
const VALUE_BYTES: usize = 64 << 10;

impl Host for CallState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(match self.kv_space(&key, 0) {
            Ok(space) => self.kv().get(space, &key).await.map_err(Error::from),
            Err(error) => Err(error),
        })
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        Ok(match self.kv_space(&key, value.len()) {
            Ok(space) => self.kv().set(space, &key, value).await.map_err(Error::from),
            Err(error) => Err(error),
        })
    }

    async fn remove(&mut self, key: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(match self.kv_space(&key, 0) {
            Ok(space) => self.kv().delete(space, &key).await.map_err(Error::from),
            Err(error) => Err(error),
        })
    }

    async fn keys(
        &mut self,
        prefix: String,
        after: Option<String>,
    ) -> wasmtime::Result<Result<Vec<String>, Error>> {
        Ok(match self.kv_space(&prefix, 0) {
            Ok(space) => self.kv().keys(space, &prefix, after.as_deref(), KEYS).await.map_err(Error::from),
            Err(error) => Err(error),
        })
    }
}

impl CallState {
    fn kv(&self) -> &dyn crate::config::KvBackend {
        &*self.binding.generation.host.services.kv
    }

    /// Checks the grant and the sizes; gives the namespace, which the guest never names.
    fn kv_space(&self, key: &str, value_bytes: usize) -> Result<KvSpace<'_>, Error> {
        if !self.binding.permissions().kv {
            return Err(Error::Denied(format!(
                "binding {} has no grant for kv; {}",
                self.binding.name(),
                self.binding.holder().how_to_allow()
            )));
        }
        let binding = self.binding.name();
        if key.len() > KEY_BYTES || value_bytes > VALUE_BYTES {
            return Err(Error::TooLarge(format!(
                "a key has at most {KEY_BYTES} bytes and a value {VALUE_BYTES}"
            )));
        }
        Ok(KvSpace { binding, organization: &self.context.organization })
    }
}

impl From<KvError> for Error {
    fn from(error: KvError) -> Self {
        match error {
            KvError::TooLarge(message) => Self::TooLarge(message),
            KvError::Unavailable(message) => Self::Unavailable(message),
        }
    }
}
