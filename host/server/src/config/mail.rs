//! `[mail]`: how PINs and invitations reach people.

use serde::{Deserialize, Serialize};

use super::read::Problem;
use super::secrets::SecretText;

/// `[mail]`. Without a `host`, mail becomes files in the folder `mail` of the data folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// Who it is from: `name@host`, or `Name <name@host>`.
    pub from: String,
    /// The SMTP server's name.
    pub host: Option<String>,
    /// Its port; 465 with `tls`, 587 with `starttls`, 25 with `none` where left out.
    pub port: Option<u16>,
    /// How the conversation is kept from others.
    pub tls: MailTls,
    /// Who we are to the server.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<SecretText>,
    /// Or the name of the secret, kept by `hardpoint secrets set`, that is the password.
    pub password_secret: Option<String>,
}

/// How the conversation with an SMTP server is kept from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// TLS is begun in the conversation; without it there is none.
    #[default]
    Starttls,
    /// TLS from the first byte on.
    Tls,
    /// Not at all: for a server on this machine.
    None,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            from: "Hardpoint <hardpoint@localhost.localdomain>".to_owned(),
            host: None,
            port: None,
            tls: MailTls::default(),
            user: None,
            password: None,
            password_secret: None,
        }
    }
}

impl MailConfig {
    /// The server's port.
    pub fn port(&self) -> u16 {
        let usual = match self.tls {
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        };
        self.port.unwrap_or(usual)
    }

    /// What is wrong with it by itself. Nothing says what was written as the password.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if self.from.parse::<lettre::message::Mailbox>().is_err() {
            let message = format!("`{}` is no sender: write `name@host` or `Name <name@host>`", self.from);
            problems.push(Problem::new("mail.from", message));
        }
        if self.host.as_ref().is_some_and(|host| host.is_empty() || host.contains(['/', '@', ' '])) {
            problems
                .push(Problem::new("mail.host", "is no name of a server: leave scheme, port and user out"));
        }
        if self.host.is_none() && (self.user.is_some() || self.port.is_some()) {
            problems.push(Problem::new(
                "mail.host",
                "is missing: without it no server is asked, and mail becomes files",
            ));
        }
        let has_password = self.password.is_some() || self.password_secret.is_some();
        if self.password.is_some() && self.password_secret.is_some() {
            let message = "stands beside `password`; leave one of them";
            problems.push(Problem::new("mail.password_secret", message));
        }
        if has_password != self.user.is_some() {
            let message = "go together: one of `user` and the password is missing";
            problems.push(Problem::new("mail.user", message));
        }
    }
}
