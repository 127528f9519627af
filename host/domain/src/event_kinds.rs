//! Every kind of event that there is. Who adds one adds a line here: `cargo xtask docs` writes it into the documentation,
//! and a filter that names it is taken.

/// The kinds, in their order, and when an event of each is written.
pub const KINDS: &[(&str, &str)] = &[
    ("audit_log.exported", "events left the house on request"),
    ("audit_log.purged", "bodies of old events were purged"),
    ("billing.approval_used", "a request was let past a cap by an approval"),
    ("billing.budget_changed", "the budget of an organisation was changed"),
    ("billing.checkout_started", "somebody went to pay"),
    ("billing.credits_added", "an operator gave credits"),
    ("billing.credits_given_again", "credits that were taken back were given again"),
    ("billing.credits_purchased", "credits were paid for"),
    ("billing.credits_taken_back", "a payment went back, and its credits with it"),
    ("billing.customer_created", "an organisation became a customer of the payment provider"),
    ("billing.payment_unmatched", "a payment came of which nobody knows whose it is"),
    ("billing.portal_opened", "somebody went to the payment provider's portal"),
    ("billing.refund_uncovered", "a payment went back whose credits were spent"),
    ("billing.soft_cap_reached", "spending reached the soft cap"),
    ("billing.spend_cap_reached", "spending reached the cap"),
    ("billing.spending_approved", "somebody approved spending beyond the cap"),
    ("billing.subscription_changed", "a subscription began, changed or ended"),
    ("binding.changed", "a binding was changed"),
    ("binding.created", "a binding was made"),
    ("binding.removed", "a binding was removed"),
    ("config.changed", "the configuration was changed by request"),
    ("config.loaded", "a host started with another configuration than before"),
    ("egress.refused", "a plugin's requests were not let out"),
    ("key.archived", "a key was ended"),
    ("key.created", "a key was made"),
    ("key.deleted", "a key was deleted"),
    ("key.renamed", "a key got another label"),
    ("key.rotated", "a key was replaced by another"),
    ("login.failed", "somebody tried a PIN that was not the one"),
    ("organization.created", "an organisation was made"),
    ("organization.limits_changed", "the limits of an organisation were changed"),
    ("organization.plan_changed", "an organisation got another plan"),
    ("organization.retention_changed", "how long its log keeps bodies was changed"),
    ("plugin.activated", "a plugin went live"),
    ("plugin.approved", "an operator approved what a plugin asks for"),
    ("plugin.disabled", "a plugin was closed to an organisation"),
    ("plugin.discarded", "a version of a plugin was thrown away"),
    ("plugin.enabled", "a plugin was opened to an organisation"),
    ("plugin.enablement_cleared", "an organisation has a plugin as all have it"),
    ("plugin.paused", "a plugin was paused"),
    ("plugin.published", "a version of a plugin came in"),
    ("plugin.rejected", "a version of a plugin was not taken"),
    ("plugin.reload_requested", "somebody asked to have the plugins looked through"),
    ("plugin.reloaded", "a signal changed which plugins are live"),
    ("plugin.removed", "a plugin was removed"),
    ("plugin.resumed", "a plugin was resumed"),
    ("plugin.revoked", "what a plugin was granted was taken back"),
    ("plugin.rolled_back", "a plugin went back to the version before"),
    ("plugin.suspended", "a plugin went off, and waits"),
    ("plugin.uploaded", "a component was uploaded"),
    ("request.refused", "requests were refused (401, 402, 403, 429), by source and minute"),
    ("secret.changed", "a secret got another value"),
    ("secret.created", "a secret was kept"),
    ("secret.deleted", "a secret was forgotten"),
    ("secrets.rotated", "all secrets were sealed anew"),
    ("session.created", "somebody logged in"),
    ("session.ended", "somebody logged out"),
    ("siem_destination.created", "a destination was made"),
    ("siem_destination.dead_lettered", "a destination has its first dead letter"),
    ("siem_destination.dead_letters_replayed", "dead letters of a destination are offered again"),
    ("siem_destination.deleted", "a destination was removed"),
    ("siem_destination.parked", "a destination was parked: somebody must act"),
    ("siem_destination.paused", "a destination was paused"),
    ("siem_destination.replayed", "a destination gets the log again"),
    ("siem_destination.resumed", "a destination was resumed"),
    ("siem_destination.tested", "a destination was tried"),
    ("siem_destination.updated", "a destination was changed"),
    ("user.activated", "somebody logged in for the first time"),
    ("user.created", "somebody was invited"),
    ("user.deactivated", "somebody was shut out"),
    ("user.role_changed", "somebody got another role"),
    ("user.updated", "what is known of somebody was changed"),
    ("webhook.refused", "a delivery was not let out"),
    ("webhook.replayed", "deliveries were begun anew"),
    ("webhook.tested", "somebody tried an endpoint"),
    ("webhook_endpoint.created", "an endpoint was made"),
    ("webhook_endpoint.dead_lettered", "deliveries to an endpoint were given up"),
    ("webhook_endpoint.deleted", "an endpoint was removed"),
    ("webhook_endpoint.disabled", "an endpoint was switched off, since it answered 410"),
    ("webhook_endpoint.secret_rotated", "an endpoint got another signing secret"),
    ("webhook_endpoint.updated", "an endpoint was changed"),
    ("workspace.created", "a workspace was made"),
    ("workspace.deleted", "a workspace was removed"),
    ("workspace.member_put", "somebody became a member of a workspace, or got another role in it"),
    ("workspace.member_removed", "somebody is no member of a workspace any more"),
    ("workspace.updated", "a workspace was changed"),
];

/// Whether there are events of this kind.
pub fn is_known(kind: &str) -> bool {
    KINDS.binary_search_by_key(&kind, |(known, _)| known).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::is_pattern;

    #[test]
    fn each_is_there_once_and_can_be_found() {
        assert!(KINDS.is_sorted_by(|(one, _), (next, _)| one < next));
        assert!(KINDS.iter().all(|(kind, when)| is_pattern(kind) && is_known(kind) && !when.is_empty()));
        assert!(!is_known("user.create") && !is_known("user.*"));
    }
}
