//! The key-value store of tools. A namespace is a binding and an organisation; nothing is shared.

use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

/// Bytes that a key may have.
pub const MAX_KEY: usize = 512;
/// Bytes that a value may have.
pub const MAX_VALUE: usize = 64 * 1_024;
/// Bytes of keys and values that a namespace may hold.
pub const MAX_BYTES: i64 = 10 * 1_024 * 1_024;
/// Keys that a namespace may hold.
pub const MAX_KEYS: i64 = 10_000;
/// Keys that are listed at once.
pub const MAX_LISTED: u32 = 1_000;

/// Whose keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace {
    /// The binding of the tool.
    pub binding: String,
    /// The organisation that calls it.
    pub organization_id: String,
}

/// What a namespace holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Usage {
    /// Keys.
    pub keys: i64,
    /// Bytes of keys and values.
    pub bytes: i64,
}

statements! {
    GET: "SELECT value FROM kv WHERE binding = $1 AND organization_id = $2 AND key = $3";
    SIZE: "SELECT CAST(LENGTH(value) AS BIGINT) FROM kv WHERE binding = $1 AND organization_id = $2 AND key = $3";
    PUT: "INSERT INTO kv (binding, organization_id, key, value) VALUES ($1, $2, $3, $4) \
          ON CONFLICT (binding, organization_id, key) DO UPDATE SET value = excluded.value";
    DELETE: "DELETE FROM kv WHERE binding = $1 AND organization_id = $2 AND key = $3";
    KEYS: "SELECT key FROM kv WHERE binding = $1 AND organization_id = $2 AND key >= $3 AND ($4 OR key > $3) \
           AND key < $5 ORDER BY key LIMIT $6";
    USAGE: "SELECT keys, bytes FROM kv_usage WHERE binding = $1 AND organization_id = $2";
    LOCK_USAGE: "INSERT INTO kv_usage (binding, organization_id, keys, bytes) VALUES ($1, $2, 0, 0) \
                 ON CONFLICT (binding, organization_id) DO UPDATE SET keys = kv_usage.keys RETURNING keys, bytes";
    CHANGE_USAGE: "UPDATE kv_usage SET keys = keys + $3, bytes = bytes + $4 WHERE binding = $1 AND organization_id = $2";
}

/// The value under a key.
pub async fn get(conn: &mut Conn, namespace: &Namespace, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let Namespace { binding, organization_id } = namespace;
    let found = fetch!(conn, fetch_optional, (Vec<u8>,), GET, binding, organization_id, key)?;
    Ok(found.map(|(value,)| value))
}

/// Puts a value under a key, in place of what was there; `Quota` where that is too much.
pub async fn set(tx: &mut Tx, namespace: &Namespace, key: &str, value: &[u8]) -> Result<(), StoreError> {
    if key.len() > MAX_KEY {
        return Err(StoreError::Quota(format!("a key may have {MAX_KEY} bytes, this one has {}", key.len())));
    }
    if value.len() > MAX_VALUE {
        let has = value.len();
        return Err(StoreError::Quota(format!("a value may have {MAX_VALUE} bytes, this one has {has}")));
    }
    let Namespace { binding, organization_id } = namespace;
    // The lock on the usage row lets one writer at a time into a namespace on PostgreSQL too.
    let usage = fetch!(tx, fetch_one, Usage, LOCK_USAGE, binding, organization_id)?;
    let old = fetch!(tx, fetch_optional, (i64,), SIZE, binding, organization_id, key)?;
    let (more_keys, more_bytes) = match old {
        Some((old,)) => (0, value.len() as i64 - old),
        None => (1, (key.len() + value.len()) as i64),
    };
    if usage.keys + more_keys > MAX_KEYS {
        return Err(StoreError::Quota(format!("a namespace may hold {MAX_KEYS} keys")));
    }
    if more_bytes > 0 && usage.bytes + more_bytes > MAX_BYTES {
        return Err(StoreError::Quota(format!("a namespace may hold {MAX_BYTES} bytes")));
    }
    execute!(tx, PUT, binding, organization_id, key, value)?;
    execute!(tx, CHANGE_USAGE, binding, organization_id, more_keys, more_bytes).map(drop)
}

/// Forgets a key; false where there was none.
pub async fn delete(tx: &mut Tx, namespace: &Namespace, key: &str) -> Result<bool, StoreError> {
    let Namespace { binding, organization_id } = namespace;
    fetch!(tx, fetch_one, Usage, LOCK_USAGE, binding, organization_id)?;
    let Some((size,)) = fetch!(tx, fetch_optional, (i64,), SIZE, binding, organization_id, key)? else {
        return Ok(false);
    };
    execute!(tx, DELETE, binding, organization_id, key)?;
    execute!(tx, CHANGE_USAGE, binding, organization_id, -1_i64, -(size + key.len() as i64))?;
    Ok(true)
}

/// Keys that start with `prefix`, in byte order, those after `after`; at most [`MAX_LISTED`].
pub async fn keys(
    conn: &mut Conn,
    namespace: &Namespace,
    prefix: &str,
    after: Option<&str>,
) -> Result<Vec<String>, StoreError> {
    let Namespace { binding, organization_id } = namespace;
    let (from, inclusive) = match after {
        Some(after) if after >= prefix => (after, false),
        _ => (prefix, true),
    };
    let (until, limit) = (end_of_prefix(prefix), i64::from(MAX_LISTED));
    let found =
        fetch!(conn, fetch_all, (String,), KEYS, binding, organization_id, from, inclusive, until, limit)?;
    Ok(found.into_iter().map(|(key,)| key).collect())
}

/// What a namespace holds.
pub async fn usage(conn: &mut Conn, namespace: &Namespace) -> Result<Usage, StoreError> {
    let Namespace { binding, organization_id } = namespace;
    Ok(fetch!(conn, fetch_optional, Usage, USAGE, binding, organization_id)?.unwrap_or_default())
}

/// The least text that is greater, byte by byte, than every key that starts with `prefix`.
fn end_of_prefix(prefix: &str) -> String {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return chars.into_iter().collect();
        }
    }
    // Nothing is greater than a text of the greatest characters but a longer one; this is too long for a key.
    char::MAX.to_string().repeat(MAX_KEY / char::MAX.len_utf8() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_prefixes() {
        for (prefix, end) in
            [("a", "b"), ("az", "a{"), ("a\u{10FFFF}", "b"), ("\u{D7FF}", "\u{E000}"), ("\u{7F}", "\u{80}")]
        {
            assert_eq!(end_of_prefix(prefix), end, "{prefix:?}");
        }
        let greatest = "\u{10FFFF}".repeat(128);
        assert!(end_of_prefix("").as_str() > greatest.as_str());
        assert!(end_of_prefix("\u{10FFFF}").as_str() > greatest.as_str());
    }
}
