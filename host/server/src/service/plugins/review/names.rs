//! What the names lead to that models give: bindings, or plugins by their ids.

use hardpoint_domain::manifest::Kind;
use hardpoint_domain::model::Model;

use super::{Known, Review, word};
use crate::config::{Config, no_binding};
use crate::service::models::with_fallbacks;
use crate::service::plugins::near::{but, near};

impl Known {
    /// Whether models are bound to model adapters that are there, and their tools are tools.
    pub(super) fn judge_models(&self, config: &Config, review: &mut Review) {
        let names = self.arranged.names().chain(self.kinds.keys().cloned());
        let lead_somewhere = names.filter(|name| self.hidden(config, name).is_none()).collect();
        for (key, Model { binding, .. }) in config.unbound(&lead_somewhere) {
            let message = self.hidden(config, binding);
            let message = message
                .unwrap_or_else(|| no_binding(binding, &but(&self.near(config, binding, Kind::Model))));
            // In a folder where no host ever was, nothing is known of plugins that it will have.
            let told = if self.kinds.is_empty() { &mut review.warnings } else { &mut review.problems };
            told.push(config.problem(key, message));
        }
        for (at, model) in config.models.iter().enumerate() {
            if let Some(kind) = self.kind_behind(config, &model.binding)
                && kind != Kind::Model
            {
                let message = format!("`{}` is a plugin of kind {}, no model", model.binding, word(kind));
                review.problems.push(config.problem(config.places.model(at, "binding"), message));
            }
            let plugin = self.plugin_behind(config, &model.binding);
            if self.paused.contains(plugin)
                && with_fallbacks(&config.models, model)
                    .all(|model| self.off(config, self.plugin_behind(config, &model.binding)).is_some())
            {
                let message =
                    format!("nobody answers: `hardpoint plugin resume {plugin}` lets its plugin go on");
                review.warnings.push(config.problem(config.places.model(at, "binding"), message));
            }
            for (of_tools, tool) in model.tools.iter().enumerate() {
                self.judge_tool(config, config.places.model(at, &format!("tools.{of_tools}")), tool, review);
            }
        }
    }

    /// Whether a name leads to a tool that a model can call. Without one it answers all the same.
    fn judge_tool(&self, config: &Config, key: String, tool: &str, review: &mut Review) {
        let warning = match self.kind_behind(config, tool) {
            Some(Kind::Tool) => {
                let plugin = self.plugin_behind(config, tool);
                self.off(config, plugin).map(|off| format!("the model answers without `{tool}`: {off}"))
            }
            Some(kind) => {
                let message = format!("`{tool}` is a plugin of kind {}, no tool", word(kind));
                return review.problems.push(config.problem(key, message));
            }
            None if self.kinds.get(tool).is_some_and(|kind| *kind != Kind::Tool) => {
                let message = format!("`{tool}` is a plugin of kind {}, no tool", word(self.kinds[tool]));
                return review.problems.push(config.problem(key, message));
            }
            // Of a binding without its plugin that is said where it was written.
            None if self.arranged.binding(config, tool).is_some() => None,
            None => Some(self.hidden(config, tool).unwrap_or_else(|| {
                format!("there is no tool `{tool}` here yet{}", but(&self.near(config, tool, Kind::Tool)))
            })),
        };
        review.warnings.extend(warning.map(|message| config.problem(key, message)));
    }

    /// Why nobody is served by a plugin that is there; none where it serves, or only waits.
    pub(super) fn off(&self, config: &Config, plugin: &str) -> Option<String> {
        let reach = config.declared.get(plugin).and_then(|declared| declared.reach.as_ref());
        if config.declared_off(plugin).is_some() {
            Some(format!("[plugins.{plugin}] switches its plugin off"))
        } else if reach.is_some_and(|reach| !reach.others && reach.except.is_empty()) {
            Some(format!("[plugins.{plugin}] opens its plugin to no organisation"))
        } else if self.paused.contains(plugin) {
            Some(format!("its plugin is paused; `hardpoint plugin resume {plugin}` lets it go on"))
        } else {
            None
        }
    }

    /// The plugin that a name leads to: a binding's, or the one of this id.
    pub(super) fn plugin_behind<'a>(&'a self, config: &'a Config, name: &'a str) -> &'a str {
        self.arranged.binding(config, name).map_or(name, |binding| binding.plugin.as_str())
    }

    /// The kind of that plugin; none where it is not there, or the name does not lead to it.
    fn kind_behind(&self, config: &Config, name: &str) -> Option<Kind> {
        let kind = self.kinds.get(self.plugin_behind(config, name)).copied();
        kind.filter(|_| self.hidden(config, name).is_none())
    }

    /// Why a plugin's id leads to none of its bindings: the configuration binds it under other names only.
    fn hidden(&self, config: &Config, name: &str) -> Option<String> {
        if !self.kinds.contains_key(name) || self.arranged.binding(config, name).is_some() {
            return None;
        }
        let bindings = self.arranged.names_of(config, name);
        let leads_nowhere = bindings.iter().all(|(binding, _)| *binding != name);
        let known: Vec<String> = bindings.iter().map(|(binding, _)| format!("`{binding}`")).collect();
        leads_nowhere.then(|| {
            format!(
                "plugin `{name}` has no binding of that name, since hardpoint.toml binds it as {}: write that, or add [bindings.{name}]",
                known.join(", ")
            )
        })
    }

    /// Names that lead to plugins of a kind, or to none that is here, and that may have been meant.
    fn near(&self, config: &Config, name: &str, kind: Kind) -> Vec<String> {
        let stored: Vec<String> = self.arranged.names().collect();
        let bound = stored.iter().map(String::as_str).chain(config.bindings.keys().map(String::as_str));
        let known = bound.chain(self.kinds.keys().map(String::as_str)).filter(|known| {
            let plugin = self.plugin_behind(config, known);
            self.hidden(config, known).is_none() && self.kinds.get(plugin).is_none_or(|other| *other == kind)
        });
        near(name, known)
    }
}
