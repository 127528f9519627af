//! Every kind of event that there is. Who adds one adds a line here: `cargo xtask docs` writes it into the documentation,
//! and a filter that names it is taken.

use Whose::{Organization, Platform};

/// Whose the events of a kind are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// An organisation's; the platform's where they concern none.
    Organization,
    /// The platform's alone: no organisation is ever told.
    Platform,
}

/// The kinds, in their order, whose they are, and when an event of each is written.
pub const KINDS: &[(&str, Whose, &str)] = &[
    ("audit_log.export_failed", Organization, "an export on request did not deliver all of its events"),
    ("audit_log.exported", Organization, "events left the house on request"),
    ("audit_log.purged", Organization, "bodies of old events were purged"),
    ("billing.approval_used", Organization, "a request was let past a cap by an approval"),
    ("billing.budget_changed", Organization, "the budget of an organisation was changed"),
    ("billing.checkout_started", Organization, "somebody went to pay"),
    ("billing.credits_added", Organization, "an operator gave credits"),
    ("billing.credits_given_again", Organization, "credits that were taken back were given again"),
    ("billing.credits_purchased", Organization, "credits were paid for"),
    ("billing.credits_taken_back", Organization, "a payment went back, and its credits with it"),
    ("billing.customer_created", Organization, "an organisation became a customer of the payment provider"),
    ("billing.payment_unmatched", Organization, "a payment came of which nobody knows whose it is"),
    ("billing.portal_opened", Organization, "somebody went to the payment provider's portal"),
    ("billing.refund_uncovered", Organization, "a payment went back whose credits were spent"),
    ("billing.soft_cap_reached", Organization, "spending reached the soft cap"),
    ("billing.spend_cap_reached", Organization, "spending reached the cap"),
    ("billing.spending_approved", Organization, "somebody approved spending beyond the cap"),
    ("billing.subscription_changed", Organization, "a subscription began, changed or ended"),
    ("binding.changed", Platform, "a binding was changed"),
    ("binding.created", Platform, "a binding was made"),
    ("binding.removed", Platform, "a binding was removed"),
    ("chat.completed", Organization, "a question was answered"),
    ("chat.created", Organization, "a conversation was begun"),
    ("chat.deleted", Organization, "a conversation was deleted"),
    ("config.changed", Platform, "the configuration was changed by request"),
    ("config.loaded", Platform, "a host started with another configuration than before"),
    ("document.deleted", Organization, "a document was removed"),
    ("document.failed", Organization, "a document cannot be read"),
    ("document.indexed", Organization, "a document can be found"),
    ("document.reindexed", Organization, "a document is to be read anew"),
    ("document.uploaded", Organization, "a document was uploaded"),
    ("egress.refused", Organization, "a plugin's requests were not let out"),
    ("key.archived", Organization, "a key was ended"),
    ("key.created", Organization, "a key was made"),
    ("key.deleted", Organization, "a key was deleted"),
    ("key.renamed", Organization, "a key got another label"),
    ("key.rotated", Organization, "a key was replaced by another"),
    ("knowledge_base.created", Organization, "a knowledge base was made"),
    ("knowledge_base.deleted", Organization, "a knowledge base was removed with all that is in it"),
    ("knowledge_base.updated", Organization, "a knowledge base was changed"),
    ("login.failed", Organization, "somebody tried a PIN that was not the one"),
    ("organization.created", Organization, "an organisation was made"),
    ("organization.limits_changed", Organization, "the limits of an organisation were changed"),
    ("organization.plan_changed", Organization, "an organisation got another plan"),
    ("organization.retention_changed", Organization, "how long its log keeps bodies was changed"),
    ("plugin.activated", Platform, "a version of a plugin went live, or serves again at a host"),
    ("plugin.approved", Platform, "an operator approved what a plugin asks for"),
    ("plugin.disabled", Platform, "a plugin was closed to an organisation"),
    ("plugin.discarded", Platform, "a version of a plugin was thrown away"),
    ("plugin.enabled", Platform, "a plugin was opened to an organisation"),
    ("plugin.enablement_cleared", Platform, "an organisation has a plugin as all have it"),
    ("plugin.paused", Platform, "a plugin was paused"),
    ("plugin.published", Platform, "a version of a plugin came in"),
    ("plugin.rejected", Platform, "a version of a plugin was not taken"),
    ("plugin.reload_requested", Platform, "somebody asked to have the plugins looked through"),
    ("plugin.reloaded", Platform, "a signal changed which plugins are live"),
    ("plugin.removed", Platform, "a plugin was removed"),
    ("plugin.resumed", Platform, "a plugin was resumed"),
    ("plugin.revoked", Platform, "what a plugin was granted was taken back"),
    ("plugin.rolled_back", Platform, "a plugin went back to the version before"),
    (
        "plugin.suspended",
        Platform,
        "what is active of a plugin lacks something, and does not serve at a host",
    ),
    ("plugin.uploaded", Platform, "a component was uploaded"),
    ("request.refused", Organization, "requests were refused (401, 402, 403, 429), by source and minute"),
    ("secret.changed", Platform, "a secret got another value"),
    ("secret.created", Platform, "a secret was kept"),
    ("secret.deleted", Platform, "a secret was forgotten"),
    ("secrets.rotated", Platform, "all secrets were sealed anew"),
    ("session.created", Organization, "somebody logged in"),
    ("session.ended", Organization, "somebody logged out"),
    ("siem_destination.created", Organization, "a destination was made"),
    ("siem_destination.dead_lettered", Organization, "a destination has its first dead letter"),
    (
        "siem_destination.dead_letters_replayed",
        Organization,
        "dead letters of a destination are offered again",
    ),
    ("siem_destination.deleted", Organization, "a destination was removed"),
    ("siem_destination.parked", Organization, "a destination was parked: somebody must act"),
    ("siem_destination.paused", Organization, "a destination was paused"),
    ("siem_destination.replayed", Organization, "a destination gets the log again"),
    ("siem_destination.resumed", Organization, "a destination was resumed"),
    ("siem_destination.tested", Organization, "a destination was tried"),
    ("siem_destination.updated", Organization, "a destination was changed"),
    ("user.activated", Organization, "somebody logged in for the first time"),
    ("user.created", Organization, "somebody was invited"),
    ("user.deactivated", Organization, "somebody was shut out"),
    ("user.role_changed", Organization, "somebody got another role"),
    ("user.updated", Organization, "what is known of somebody was changed"),
    ("webhook.refused", Organization, "a delivery was not let out"),
    ("webhook.replayed", Organization, "deliveries were begun anew"),
    ("webhook.tested", Organization, "somebody tried an endpoint"),
    ("webhook_endpoint.created", Organization, "an endpoint was made"),
    ("webhook_endpoint.dead_lettered", Organization, "deliveries to an endpoint were given up"),
    ("webhook_endpoint.deleted", Organization, "an endpoint was removed"),
    ("webhook_endpoint.disabled", Organization, "an endpoint was switched off, since it answered 410"),
    ("webhook_endpoint.secret_rotated", Organization, "an endpoint got another signing secret"),
    ("webhook_endpoint.updated", Organization, "an endpoint was changed"),
    ("workspace.created", Organization, "a workspace was made"),
    ("workspace.deleted", Organization, "a workspace was removed"),
    (
        "workspace.member_put",
        Organization,
        "somebody became a member of a workspace, or got another role in it",
    ),
    ("workspace.member_removed", Organization, "somebody is no member of a workspace any more"),
    ("workspace.updated", Organization, "a workspace was changed"),
];

/// Whose the events of a kind are; none where there are no such events.
pub fn whose(kind: &str) -> Option<Whose> {
    let place = KINDS.binary_search_by_key(&kind, |(known, ..)| known).ok()?;
    KINDS.get(place).map(|(_, whose, _)| *whose)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::is_pattern;

    #[test]
    fn each_is_there_once_and_can_be_found() {
        assert!(KINDS.is_sorted_by(|(one, ..), (next, ..)| one < next));
        assert!(KINDS.iter().all(|(kind, _, when)| is_pattern(kind) && !when.is_empty()));
        assert!(KINDS.iter().all(|(kind, of, _)| whose(kind) == Some(*of)));
        assert_eq!((whose("user.create"), whose("user.*")), (None, None));
    }
}
