//! `[plugins]`: where plugins come from and the most that any of them may use.

use std::path::PathBuf;
use std::time::Duration;

use hardpoint_domain::limits::{LimitWishes, Limits};
use hardpoint_domain::manifest::Kind;
use serde::Deserialize;

use super::units::{Size, Span};

/// `[plugins]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginsConfig {
    /// The folder to publish plugins through; `plugins` in the data folder where left out.
    pub folder: Option<PathBuf>,
    /// How often the folder is looked through, whether or not the system reported a change.
    pub scan_interval: Span,
    /// A file that cannot be loaded and changed within this span is taken to be still on its way.
    pub settle: Span,
    /// The largest component.
    pub max_component_bytes: Size,
    /// Sandboxes that may exist at once.
    pub sandboxes: u32,
    /// Of these, how many one organisation may have, over all plugins.
    pub sandboxes_per_organization: u32,
    /// The most linear memory of any sandbox.
    pub sandbox_memory: Size,
    /// How long calls of a replaced version may go on.
    pub drain_calls: Span,
    /// How long streams of a replaced version may go on.
    pub drain_streams: Span,
    /// The most that plugins of a kind may ask for; what is left out is the kind's own ceiling.
    pub ceilings: Ceilings,
}

/// `[plugins.ceilings.KIND]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ceilings {
    /// For tools.
    pub tool: LimitWishes,
    /// For model adapters.
    pub model: LimitWishes,
    /// For exporters.
    pub exporter: LimitWishes,
    /// For retrievers.
    pub retriever: LimitWishes,
}

impl Ceilings {
    /// The ceiling of a kind: its own, with what was configured in the place of it.
    pub fn of(&self, kind: Kind) -> Limits {
        let configured = match kind {
            Kind::Tool => &self.tool,
            Kind::Model => &self.model,
            Kind::Exporter => &self.exporter,
            Kind::Retriever => &self.retriever,
        };
        let own = Limits::default_ceiling(kind);
        let millis =
            |configured: Option<u32>, own| configured.map_or(own, |ms| Duration::from_millis(ms.into()));
        let scaled =
            |configured: Option<u32>, unit, own| configured.map_or(own, |count| u64::from(count) * unit);
        Limits {
            memory: scaled(configured.memory_mib, 1 << 20, own.memory),
            cpu: millis(configured.cpu_ms, own.cpu),
            exchange_cpu: millis(configured.exchange_cpu_ms, own.exchange_cpu),
            // State machines have none, whatever is configured.
            wall: own.wall.map(|wall| millis(configured.wall_ms, wall)),
            output: scaled(configured.output_kib, 1 << 10, own.output),
            http_calls: configured.http_calls.unwrap_or(own.http_calls),
            concurrency: configured.concurrency.unwrap_or(own.concurrency),
            ..own
        }
    }
}

impl Default for PluginsConfig {
    fn default() -> Self {
        Self {
            folder: None,
            scan_interval: Span::seconds(2),
            settle: Span::seconds(2),
            max_component_bytes: Size(64 << 20),
            sandboxes: 1_000,
            sandboxes_per_organization: 750,
            sandbox_memory: Size(512 << 20),
            drain_calls: Span::seconds(30),
            drain_streams: Span::seconds(3_600),
            ceilings: Ceilings::default(),
        }
    }
}
