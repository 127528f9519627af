//! Memory of one sandbox: the sum over all its linear memories, and its tables.

use wasmtime::ResourceLimiter;

/// Table elements that one sandbox may hold; a Python guest needs some 20,000.
const TABLE_ELEMENTS: usize = 100_000;

/// Refuses growth beyond the limit and remembers that it did, so that the trap which usually follows
/// can be named for what it is.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    limit: u64,
    used: u64,
    refused: bool,
}

impl MemoryLimiter {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: 0, refused: false }
    }

    /// The limit, if growth was refused because of it.
    pub(crate) fn refused(&self) -> Option<u64> {
        self.refused.then_some(self.limit)
    }

    /// Bytes of linear memory in use.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        wished: usize,
        _max: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(wished.saturating_sub(current) as u64);
        if used > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        wished: usize,
        _max: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(wished <= TABLE_ELEMENTS)
    }
}
