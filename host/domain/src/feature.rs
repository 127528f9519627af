//! What a plan may include beside its limits, by the names that Sekuire's API gives it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that not every plan includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Running agents and keeping track of them.
    FleetOps,
    /// Reading the audit log.
    AuditLogs,
    /// Sending it to a SIEM.
    SiemExport,
    /// Support before others.
    PrioritySupport,
    /// Support in a Slack channel.
    SlackSupport,
    /// A customer success manager.
    Csm,
    /// The registry's network of agents.
    RegistryNetwork,
    /// Keeping the audit log for longer.
    CustomRetention,
    /// Reports on compliance.
    ComplianceReports,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::FleetOps,
        Self::AuditLogs,
        Self::SiemExport,
        Self::PrioritySupport,
        Self::SlackSupport,
        Self::Csm,
        Self::RegistryNetwork,
        Self::CustomRetention,
        Self::ComplianceReports,
    ];

    /// Its name, in configuration and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FleetOps => "fleet_ops",
            Self::AuditLogs => "audit_logs",
            Self::SiemExport => "siem_export",
            Self::PrioritySupport => "priority_support",
            Self::SlackSupport => "slack_support",
            Self::Csm => "csm",
            Self::RegistryNetwork => "registry_network",
            Self::CustomRetention => "custom_retention",
            Self::ComplianceReports => "compliance_reports",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for feature in Feature::ALL {
            assert_eq!(serde_json::to_value(feature).unwrap(), feature.as_str());
        }
    }
}
