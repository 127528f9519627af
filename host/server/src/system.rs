//! The machine's clock and generator: the only place that may ask for either. And what it lets us have.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hardpoint_domain::time::{Clock, Rng, Timestamp};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // Everything else takes a `Clock`; this is the one that is real.
    fn now(&self) -> Timestamp {
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        // Keys are made of these bytes: going on with predictable ones would be worse than ending here.
        // Linux fails this call only on kernels without it and without /dev/urandom.
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the operating system gives no random bytes: {error}");
        }
    }
}

/// The machine's clock, shared.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The operating system's generator, shared.
pub fn rng() -> Arc<dyn Rng> {
    Arc::new(SystemRng)
}

/// Raises the number of open files from what is customary to what this process may have. Customary are 1,024,
/// for programs that wait by `select`; every connection takes one, and every loaded plugin takes one for its
/// compiled code.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, "the limit of open files stays as it is");
    }
}
