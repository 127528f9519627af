//! The configuration for people to look at: what is secret in it is masked, and what might be is left out.

use hardpoint_domain::plan;
use serde_json::{Map, Value, json};

use super::{Config, Size, without_users};

/// In the place of what is not shown.
pub const MASK: &str = "********";

impl Config {
    /// All of it. Of settings of plugins only the names: somebody may have written a secret there by mistake.
    pub fn masked(&self) -> Value {
        json!({
            "server": self.shown_server(),
            "database": {
                "url": self.database.url.as_ref().map(|_| MASK),
                "durability": self.database.durability,
                "migrate": self.database.migrate,
                "clock_tolerance": self.database.clock_tolerance.to_string(),
            },
            "storage": { "blobs": self.blobs_folder() },
            "plugins": self.shown_plugins(),
            "egress": self.shown_egress(),
            "completions": {
                "attempts": self.completions.attempts,
                "retry_base": self.completions.retry_base.to_string(),
                "retry_cap": self.completions.retry_cap.to_string(),
                "retry_after_cap": self.completions.retry_after_cap.to_string(),
                "tool_rounds": self.completions.tool_rounds,
            },
            "log": { "format": self.log.format, "level": self.log.level },
            "mail": self.shown_mail(),
            "siem": {
                "lease": self.siem.lease.to_string(),
                "attempt_timeout": self.siem.attempt_timeout.to_string(),
                "first_wait": self.siem.first_wait.to_string(),
                "longest_wait": self.siem.longest_wait.to_string(),
            },
            "knowledge": {
                "max_document": bytes(self.knowledge.max_document),
                "at_once": self.knowledge.at_once,
                "lease": self.knowledge.lease.to_string(),
                "embed": self.knowledge.embed,
                "model": self.knowledge.model,
            },
            "billing": { "stripe": self.stripe.as_ref().map(|stripe| stripe.masked()) },
            "plans": plan::IDS.iter().map(|id| ((*id).to_owned(), json!(self.rates(id)))).collect::<Map<_, _>>(),
            "secrets": self.shown_secrets(),
            "master_keys": self.keyring.ids().collect::<Vec<_>>(),
            "bindings": self.shown_bindings(),
            "models": self.models,
        })
    }

    fn shown_server(&self) -> Value {
        let server = &self.server;
        json!({
            "listen": server.listen,
            "data": server.data,
            "max_json_body": bytes(server.max_json_body),
            "max_upload": bytes(server.max_upload),
            "header_timeout": server.header_timeout.to_string(),
            "stall_timeout": server.stall_timeout.to_string(),
            "max_connections": server.max_connections,
            "shutdown_grace": server.shutdown_grace.to_string(),
            "metrics": server.metrics,
        })
    }

    fn shown_plugins(&self) -> Value {
        let plugins = &self.plugins;
        json!({
            "folder": self.plugins_folder(),
            "scan_interval": plugins.scan_interval.to_string(),
            "settle": plugins.settle.to_string(),
            "max_component_bytes": bytes(plugins.max_component_bytes),
            "sandboxes": plugins.sandboxes,
            "sandboxes_per_organization": plugins.sandboxes_per_organization,
            "sandbox_memory": bytes(plugins.sandbox_memory),
            "drain_calls": plugins.drain_calls.to_string(),
            "drain_streams": plugins.drain_streams.to_string(),
            "declared": self.declared.keys().collect::<Vec<_>>(),
        })
    }

    fn shown_egress(&self) -> Value {
        let egress = &self.egress;
        json!({
            "allow_internal": egress.allow_internal,
            "allow_internal_webhooks": egress.allow_internal_webhooks,
            "proxy": egress.proxy.as_deref().map(without_users),
            "connect_timeout": egress.connect_timeout.to_string(),
            "first_byte_timeout": egress.first_byte_timeout.to_string(),
            "gap_timeout": egress.gap_timeout.to_string(),
            "max_response": bytes(egress.max_response),
            "max_request": bytes(egress.max_request),
            "extra_roots": egress.extra_roots,
        })
    }

    fn shown_mail(&self) -> Value {
        let mail = &self.mail;
        json!({
            "from": mail.from,
            "host": mail.host,
            "port": mail.host.as_ref().map(|_| mail.port()),
            "tls": mail.tls,
            "user": mail.user,
            "password": mail.password.as_ref().map(|_| MASK),
            "password_secret": mail.password_secret,
        })
    }

    fn shown_secrets(&self) -> Map<String, Value> {
        let shown = |(name, secret): (&String, &super::ConfiguredSecret)| {
            (name.clone(), json!({ "value": MASK, "audience": secret.audience }))
        };
        self.secrets.iter().map(shown).collect()
    }

    fn shown_bindings(&self) -> Map<String, Value> {
        let shown = |(name, binding): (&String, &super::Binding)| {
            let settings: Vec<&String> = binding.settings.keys().collect();
            let secrets: Vec<&String> = binding.secrets.keys().collect();
            (name.clone(), json!({ "plugin": binding.plugin, "settings": settings, "secrets": secrets }))
        };
        self.bindings.iter().map(shown).collect()
    }
}

fn bytes(Size(bytes): Size) -> u64 {
    bytes
}
