//! What one call of a plugin may use. Defaults by kind, wishes from the manifest, clamped by the operator.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::manifest::Kind;

/// What a manifest may ask for in `[limits]`; what it leaves out is the kind's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitWishes {
    /// Linear memory of all instances of a call together, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// CPU time of a call (of one `advance` for state machines), in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u32>,
    /// CPU time of a whole exchange of a state machine, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_cpu_ms: Option<u32>,
    /// Wall time of a call, in milliseconds. Without effect on state machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u32>,
    /// What a call may return, in KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_kib: Option<u32>,
    /// HTTP requests in one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_calls: Option<u32>,
    /// Calls under way at once, over all organisations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

/// The limits in force for one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory of all instances of a call together, in bytes.
    pub memory: u64,
    /// CPU time of one call into the guest.
    pub cpu: Duration,
    /// CPU time of all calls into one instance.
    pub exchange_cpu: Duration,
    /// Wall time of a call; none for state machines, where the host's upstream time limits rule.
    pub wall: Option<Duration>,
    /// Bytes that one call may return.
    pub output: u64,
    /// HTTP requests in one call or exchange.
    pub http_calls: u32,
    /// Bytes of log in one call.
    pub log: u64,
    /// Calls under way at once, over all organisations.
    pub concurrency: u32,
    /// Calls under way at once for one organisation.
    pub concurrency_per_org: u32,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// Searches that may be under way at once for each ingestion that may.
const SEARCHES_PER_INGESTION: u32 = 32;

impl Limits {
    /// What a plugin of this kind gets that asks for nothing else.
    pub fn defaults(kind: Kind) -> Self {
        let millis = Duration::from_millis;
        let machine = Self {
            memory: 64 * MIB,
            cpu: millis(50),
            exchange_cpu: millis(5_000),
            wall: None,
            // Requests with images and answers with thousands of vectors pass through here.
            output: 32 * MIB,
            http_calls: 20,
            log: 256 * KIB,
            concurrency: 1_024,
            concurrency_per_org: 512,
        };
        match kind {
            Kind::Model => machine,
            Kind::Exporter => Self { http_calls: 100, concurrency: 16, concurrency_per_org: 4, ..machine },
            Kind::Tool => Self {
                cpu: millis(250),
                exchange_cpu: millis(250),
                wall: Some(millis(10_000)),
                output: MIB,
                concurrency: 256,
                concurrency_per_org: 128,
                ..machine
            },
            Kind::Retriever => Self {
                memory: 512 * MIB,
                cpu: millis(60_000),
                exchange_cpu: millis(60_000),
                wall: Some(millis(600_000)),
                // What an ingestion hands over at once: a page's text, or all chunks of a document.
                output: 64 * MIB,
                http_calls: 100,
                concurrency: 8,
                concurrency_per_org: 4,
                ..machine
            },
        }
    }

    /// What a search or a removal of a retriever gets whose ingestions get these: somebody waits for it, and it reads
    /// no document. Never more than these, but for how many may be under way at once, which are counted apart.
    #[must_use]
    pub fn searching(&self) -> Self {
        let most = LimitWishes {
            memory_mib: Some(256),
            cpu_ms: Some(1_000),
            exchange_cpu_ms: Some(1_000),
            wall_ms: Some(30_000),
            output_kib: Some(8 << 10),
            http_calls: Some(20),
            concurrency: None,
        };
        Self {
            concurrency: self.concurrency.saturating_mul(SEARCHES_PER_INGESTION),
            concurrency_per_org: self.concurrency_per_org.saturating_mul(SEARCHES_PER_INGESTION),
            ..self.lowered(&most)
        }
    }

    /// The widest that a manifest may ask for, unless the operator says otherwise.
    pub fn default_ceiling(kind: Kind) -> Self {
        let defaults = Self::defaults(kind);
        let machine = matches!(kind, Kind::Model | Kind::Exporter);
        Self {
            memory: defaults.memory.max(256 * MIB),
            cpu: if machine { Duration::from_secs(1) } else { defaults.cpu.max(Duration::from_secs(5)) },
            exchange_cpu: if machine {
                Duration::from_secs(60)
            } else {
                defaults.cpu.max(Duration::from_secs(5))
            },
            wall: defaults.wall.map(|wall| wall.max(Duration::from_secs(60))),
            output: defaults.output.max(16 * MIB),
            http_calls: 100,
            ..defaults
        }
    }

    /// These, with none over what is named here.
    pub fn lowered(&self, most: &LimitWishes) -> Self {
        let millis = |most: Option<u32>, own: Duration| {
            most.map_or(own, |most| own.min(Duration::from_millis(most.into())))
        };
        let scaled =
            |most: Option<u32>, unit, own: u64| most.map_or(own, |most| own.min(u64::from(most) * unit));
        let count = |most: Option<u32>, own: u32| most.map_or(own, |most| own.min(most));
        Self {
            memory: scaled(most.memory_mib, MIB, self.memory),
            cpu: millis(most.cpu_ms, self.cpu),
            exchange_cpu: millis(most.exchange_cpu_ms, self.exchange_cpu),
            wall: self.wall.map(|wall| millis(most.wall_ms, wall)),
            output: scaled(most.output_kib, KIB, self.output),
            http_calls: count(most.http_calls, self.http_calls),
            concurrency: count(most.concurrency, self.concurrency),
            ..self.clone()
        }
    }

    /// What is named here and lies over these, so that lowering them to it changes nothing: the name, what it is,
    /// and the most there is; none where there is no such limit.
    pub fn exceeded(&self, most: &LimitWishes) -> Vec<(&'static str, u32, Option<u64>)> {
        let millis = |own: Duration| u64::try_from(own.as_millis()).unwrap_or(u64::MAX);
        let all = [
            ("memory_mib", most.memory_mib, Some(self.memory / MIB)),
            ("cpu_ms", most.cpu_ms, Some(millis(self.cpu))),
            ("exchange_cpu_ms", most.exchange_cpu_ms, Some(millis(self.exchange_cpu))),
            ("wall_ms", most.wall_ms, self.wall.map(millis)),
            ("output_kib", most.output_kib, Some(self.output / KIB)),
            ("http_calls", most.http_calls, Some(self.http_calls.into())),
            ("concurrency", most.concurrency, Some(self.concurrency.into())),
        ];
        let over = |(name, named, own): (_, Option<u32>, Option<u64>)| {
            let named = named.filter(|named| own.is_none_or(|own| u64::from(*named) > own))?;
            Some((name, named, own))
        };
        all.into_iter().filter_map(over).collect()
    }

    /// Each by the name that a manifest gives it, unit included; and those that no manifest sets.
    pub fn shown(&self) -> Vec<(&'static str, u64)> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut shown = vec![
            ("memory_mib", self.memory / MIB),
            ("cpu_ms", millis(self.cpu)),
            ("exchange_cpu_ms", millis(self.exchange_cpu)),
            ("output_kib", self.output / KIB),
            ("http_calls", self.http_calls.into()),
            ("log_kib", self.log / KIB),
            ("concurrency", self.concurrency.into()),
            ("concurrency_per_org", self.concurrency_per_org.into()),
        ];
        shown.extend(self.wall.map(|wall| ("wall_ms", millis(wall))));
        shown
    }

    /// The limits in force: the manifest's wishes, else the kind's defaults, never over the operator's ceiling.
    pub fn resolve(kind: Kind, wishes: &LimitWishes, ceiling: &Self) -> Self {
        let defaults = Self::defaults(kind);
        let wished = |wish: Option<u32>, default| wish.map_or(default, |ms| Duration::from_millis(ms.into()));
        let scaled = |wish: Option<u32>, unit, default| wish.map_or(default, |count| u64::from(count) * unit);
        let cpu = wished(wishes.cpu_ms, defaults.cpu).min(ceiling.cpu);
        let exchange_cpu = match kind {
            Kind::Model | Kind::Exporter => {
                wished(wishes.exchange_cpu_ms, defaults.exchange_cpu).min(ceiling.exchange_cpu).max(cpu)
            }
            // These are called once.
            Kind::Tool | Kind::Retriever => cpu,
        };
        let wall = defaults.wall.map(|default| {
            let wished = wished(wishes.wall_ms, default);
            ceiling.wall.map_or(wished, |most| wished.min(most))
        });
        let concurrency = wishes.concurrency.unwrap_or(defaults.concurrency).min(ceiling.concurrency);
        Self {
            memory: scaled(wishes.memory_mib, MIB, defaults.memory).min(ceiling.memory),
            cpu,
            exchange_cpu,
            wall,
            output: scaled(wishes.output_kib, KIB, defaults.output).min(ceiling.output),
            http_calls: wishes.http_calls.unwrap_or(defaults.http_calls).min(ceiling.http_calls),
            log: defaults.log.min(ceiling.log),
            concurrency,
            concurrency_per_org: defaults
                .concurrency_per_org
                .min(ceiling.concurrency_per_org)
                .min(concurrency),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [Kind; 4] = [Kind::Model, Kind::Exporter, Kind::Tool, Kind::Retriever];

    #[test]
    fn defaults_are_those_of_the_design() {
        for kind in KINDS {
            let none = LimitWishes::default();
            assert_eq!(
                Limits::resolve(kind, &none, &Limits::default_ceiling(kind)),
                Limits::defaults(kind),
                "{kind:?}"
            );
        }
        let tool = Limits::defaults(Kind::Tool);
        assert_eq!((tool.memory, tool.output, tool.http_calls, tool.log), (64 * MIB, MIB, 20, 256 * KIB));
        assert_eq!((tool.cpu, tool.wall), (Duration::from_millis(250), Some(Duration::from_secs(10))));
        for kind in [Kind::Model, Kind::Exporter] {
            let machine = Limits::defaults(kind);
            assert_eq!((machine.cpu, machine.wall), (Duration::from_millis(50), None));
            assert_eq!((machine.memory, machine.exchange_cpu), (64 * MIB, Duration::from_secs(5)));
        }
        let ingest = Limits::defaults(Kind::Retriever);
        assert_eq!((ingest.memory, ingest.cpu), (512 * MIB, Duration::from_secs(60)));
        let search = ingest.searching();
        assert_eq!((search.memory, search.cpu), (256 * MIB, Duration::from_secs(1)));
        assert_eq!((search.exchange_cpu, search.concurrency), (search.cpu, 256));
    }

    #[test]
    fn a_search_gets_no_more_than_an_ingestion() {
        let most = LimitWishes { cpu_ms: Some(10), memory_mib: Some(32), ..LimitWishes::default() };
        let limits = Limits::defaults(Kind::Retriever).lowered(&most);
        let search = limits.searching();
        assert_eq!((search.memory, search.cpu), (limits.memory, limits.cpu));
    }

    #[test]
    fn what_is_lowered_is_never_raised() {
        let tool = Limits::defaults(Kind::Tool);
        let most = LimitWishes { cpu_ms: Some(10), memory_mib: Some(4_096), ..LimitWishes::default() };
        assert_eq!(tool.lowered(&most), Limits { cpu: Duration::from_millis(10), ..tool.clone() });
        assert_eq!(tool.exceeded(&most), [("memory_mib", 4_096, Some(64))]);
        let wall = LimitWishes { wall_ms: Some(1), ..LimitWishes::default() };
        assert_eq!(tool.exceeded(&wall), []);
        assert_eq!(Limits::defaults(Kind::Model).exceeded(&wall), [("wall_ms", 1, None)]);
    }

    fn wishes() -> impl Strategy<Value = LimitWishes> {
        proptest::array::uniform7(proptest::option::of(any::<u32>())).prop_map(|wish| LimitWishes {
            memory_mib: wish[0],
            cpu_ms: wish[1],
            exchange_cpu_ms: wish[2],
            wall_ms: wish[3],
            output_kib: wish[4],
            http_calls: wish[5],
            concurrency: wish[6],
        })
    }

    proptest! {
        #[test]
        fn no_wish_goes_over_the_ceiling(wishes in wishes(), kind in 0_usize..4, ceiling in 0_usize..4) {
            let (kind, ceiling) = (KINDS[kind], Limits::default_ceiling(KINDS[ceiling]));
            let limits = Limits::resolve(kind, &wishes, &ceiling);
            prop_assert!(limits.memory <= ceiling.memory);
            prop_assert!(limits.cpu <= ceiling.cpu);
            prop_assert!(limits.exchange_cpu <= ceiling.exchange_cpu.max(ceiling.cpu));
            prop_assert!(limits.output <= ceiling.output);
            prop_assert!(limits.http_calls <= ceiling.http_calls);
            prop_assert!(limits.log <= ceiling.log);
            prop_assert!(limits.concurrency <= ceiling.concurrency);
            prop_assert!(limits.concurrency_per_org <= limits.concurrency);
            prop_assert_eq!(limits.wall.is_none(), matches!(kind, Kind::Model | Kind::Exporter));
            if let (Some(wall), Some(most)) = (limits.wall, ceiling.wall) {
                prop_assert!(wall <= most);
            }
        }
    }
}
