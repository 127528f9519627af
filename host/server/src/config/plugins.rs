//! `[plugins]`: where plugins come from and the most that any of them may use.

use std::path::PathBuf;

use hardpoint_domain::limits::LimitWishes;
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
    /// A file whose size or time changed within this span is taken to be still on its way.
    pub settle: Span,
    /// The largest component.
    pub max_component_bytes: Size,
    /// Sandboxes that may exist at once.
    pub sandboxes: u32,
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

impl Default for PluginsConfig {
    fn default() -> Self {
        Self {
            folder: None,
            scan_interval: Span::seconds(2),
            settle: Span::seconds(1),
            max_component_bytes: Size(64 << 20),
            sandboxes: 1_000,
            sandbox_memory: Size(512 << 20),
            drain_calls: Span::seconds(30),
            drain_streams: Span::seconds(3_600),
            ceilings: Ceilings::default(),
        }
    }
}
