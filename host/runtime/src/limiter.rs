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
    /// What the instance took to begin with.
    began: u64,
    refused: bool,
}

impl MemoryLimiter {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: 0, began: 0, refused: false }
    }

    /// The limit, if growth was refused because of it.
    pub(crate) fn refused(&self) -> Option<u64> {
        self.refused.then_some(self.limit)
    }

    /// The instance is made: what it uses now it needs in any case.
    pub(crate) fn begin(&mut self) {
        self.began = self.used;
    }

    /// Whether calls have left half of the room there was to later ones, and none was refused any. Linear memory
    /// never shrinks, and a guest with a collector of its own fills it up before it collects.
    pub(crate) fn has_room(&self) -> bool {
        let (grown, room) = (self.used - self.began, self.limit.saturating_sub(self.began));
        !self.refused && grown <= room / 2
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_the_instance_left_to_begin_with() {
        let mut limiter = MemoryLimiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        limiter.begin();
        assert!(limiter.memory_growing(60, 80, None).unwrap() && limiter.has_room());
        assert!(limiter.memory_growing(80, 81, None).unwrap() && !limiter.has_room());
        let mut limiter = MemoryLimiter::new(100);
        assert!(!limiter.memory_growing(0, 101, None).unwrap() && !limiter.has_room());
    }
}
