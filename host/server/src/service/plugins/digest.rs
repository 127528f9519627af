//! A digest as people write it: its beginning, where that is enough.

use hardpoint_store::plugins;

use super::{Desk, DeskError};

/// Hexadecimal digits that somebody has to write at least.
const LEAST: usize = 4;

impl Desk {
    /// The whole digest of the one version of a plugin that begins so, with `sha256:` or without.
    ///
    /// # Errors
    /// There is no such plugin or version, or more than one; or it is no beginning of a digest.
    pub async fn digest(&self, id: &str, written: &str) -> Result<String, DeskError> {
        let invalid = |reason: String| DeskError::Invalid { field: "digest".to_owned(), reason };
        let digits = written.strip_prefix("sha256:").unwrap_or(written).to_ascii_lowercase();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !(LEAST..=64).contains(&digits.len()) {
            let what = format!(
                "`{written}` is no beginning of one: write `sha256:` and {LEAST} to 64 hexadecimal digits"
            );
            return Err(invalid(what));
        }
        let begins = format!("sha256:{digits}");
        let versions = plugins::versions(&mut self.store.read().await?, id).await?;
        if versions.is_empty() {
            return Err(self.no_plugin(id).await);
        }
        let found: Vec<_> = versions.iter().filter(|row| row.digest.starts_with(&begins)).collect();
        match found.as_slice() {
            [one] => Ok(one.digest.clone()),
            [] => Err(DeskError::NoVersion { id: id.to_owned(), digest: begins }),
            several => {
                let all: Vec<String> =
                    several.iter().map(|row| format!("{} ({})", row.digest, row.version)).collect();
                Err(invalid(format!("`{written}` begins more than one of `{id}`: {}", all.join(", "))))
            }
        }
    }
}
