//! What people are written.

use hardpoint_domain::access::Role;
use hardpoint_domain::login::Pin;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::organizations::Organization;

use super::Letter;

/// The PIN that somebody asked for.
pub fn pin(to: &str, pin: &Pin, now: Timestamp) -> Letter {
    Letter {
        to: to.to_owned(),
        // Not the PIN: subjects are shown on locked screens.
        subject: "Your PIN for Hardpoint".to_owned(),
        body: format!(
            "Your PIN is {}.\n\nIt lets you in once, within five minutes. If you did not ask for it, you need do \
             nothing: nobody gets in without it. Never pass it on.\n",
            pin.reveal()
        ),
        written_at: now,
    }
}

/// The news that somebody may log in.
pub fn invitation(to: &str, organization: &Organization, role: Role, now: Timestamp) -> Letter {
    let Organization { id, name, .. } = organization;
    Letter {
        to: to.to_owned(),
        subject: format!("You are invited to {name}"),
        body: format!(
            "You are invited to {name} on Hardpoint, as {role}.\n\nTo log in, ask for a PIN with this address, \
             {to}, and this organisation, {id}. It will be sent here.\n"
        ),
        written_at: now,
    }
}
