//! How a letter leaves: through an SMTP server, or as a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::Letter;
use crate::config::{Config, MailConfig, MailTls};
use crate::service::effective::Effective;

/// How long one step of the conversation with a server may take.
const STEP: Duration = Duration::from_secs(20);

/// Why a letter was not sent.
#[derive(Debug)]
pub struct NotSent {
    /// For the log.
    pub reason: String,
    /// Whether another attempt would end in the same way.
    pub is_final: bool,
}

impl NotSent {
    fn yet(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string(), is_final: false }
    }
}

/// The way out, as configured now.
pub struct Transport {
    from: Mailbox,
    way: Way,
}

enum Way {
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    Folder(PathBuf),
}

impl Transport {
    /// As configured now.
    ///
    /// # Errors
    /// If the password is a secret that is not there, or a certificate cannot be read.
    pub fn new(effective: &Effective) -> anyhow::Result<Self> {
        let config = &effective.config;
        let from = config.mail.from.parse().context("mail.from is no address")?;
        let way = match &config.mail.host {
            Some(host) => Way::Smtp(Box::new(smtp(host, effective)?)),
            None => Way::Folder(config.server.data.join("mail")),
        };
        Ok(Self { from, way })
    }

    /// Sends a letter, or leaves it as a file. The same mail has the same `Message-ID` whenever it is sent.
    ///
    /// # Errors
    /// If it was not taken.
    pub async fn send(&self, id: &str, letter: &Letter) -> Result<(), NotSent> {
        let message = self
            .message(id, letter)
            .map_err(|error| NotSent { reason: format!("it is no mail: {error:#}"), is_final: true })?;
        match &self.way {
            Way::Smtp(server) => match server.send(message).await {
                Ok(_) => Ok(()),
                Err(error) => Err(NotSent { is_final: is_final(&error), reason: error.to_string() }),
            },
            Way::Folder(folder) => {
                let (folder, name) = (folder.clone(), format!("{id}.eml"));
                let written =
                    tokio::task::spawn_blocking(move || write(&folder, &name, &message.formatted()));
                written.await.map_err(NotSent::yet)?.map_err(NotSent::yet)
            }
        }
    }

    fn message(&self, id: &str, letter: &Letter) -> anyhow::Result<Message> {
        let written = Duration::from_micros(u64::try_from(letter.written_at.micros())?);
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, letter.to.parse()?))
            .subject(&letter.subject)
            .date(UNIX_EPOCH + written)
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.body.clone())?;
        Ok(message)
    }
}

/// Whether it is this mail that the server will never take: nobody has the address, or there is no room (RFC 5321:
/// 550 to 553). All else may be mended without writing the mail anew: a wrong password (535), a policy, a server that
/// is none (554).
fn is_final(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| (550..=553).contains(&u16::from(code)))
}

fn smtp(host: &str, effective: &Effective) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    let config = &effective.config;
    let tls = match config.mail.tls {
        MailTls::None => Tls::None,
        MailTls::Starttls => Tls::Required(parameters(host, config)?),
        MailTls::Tls => Tls::Wrapper(parameters(host, config)?),
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(config.mail.port())
        .timeout(Some(STEP))
        .tls(tls);
    Ok(match credentials(&config.mail, effective)? {
        Some(credentials) => builder.credentials(credentials).build(),
        None => builder.build(),
    })
}

/// Trusts whom requests of plugins trust: the system's authorities, and `egress.extra_roots`.
fn parameters(host: &str, config: &Config) -> anyhow::Result<TlsParameters> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(file) = &config.egress.extra_roots {
        let pem = std::fs::read(file).context("egress.extra_roots cannot be read")?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem)?);
    }
    Ok(builder.build_rustls()?)
}

fn credentials(mail: &MailConfig, effective: &Effective) -> anyhow::Result<Option<Credentials>> {
    let Some(user) = &mail.user else { return Ok(None) };
    let password = match (&mail.password, &mail.password_secret) {
        (Some(password), _) => Some(password),
        (None, Some(name)) => effective.secret(name),
        (None, None) => None,
    };
    let password = password.context("mail.password_secret names a secret that is not there")?;
    Ok(Some(Credentials::new(user.clone(), password.reveal().to_owned())))
}

/// Whole or not at all, for nobody else to read.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let unfinished = folder.join(format!(".{name}.part"));
    let mut options = OpenOptions::new();
    let mut part = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    part.write_all(bytes)?;
    part.sync_all()?;
    std::fs::rename(&unfinished, folder.join(name))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hardpoint_domain::email;
    use hardpoint_domain::time::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::config::Sources;

    fn transport(variables: &[(&str, &str)]) -> anyhow::Result<Transport> {
        let env =
            variables.iter().map(|(name, text)| (format!("HARDPOINT__MAIL__{name}"), (*text).to_owned()));
        let sources = Sources { env: env.collect(), only_named: true, ..Sources::default() };
        Transport::new(&Effective::loaded(Arc::new(Config::load(&sources)?)))
    }

    #[test]
    fn every_way_can_be_taken() {
        for tls in ["none", "starttls", "tls"] {
            let found =
                transport(&[("HOST", "smtp.example.com"), ("TLS", tls), ("USER", "u"), ("PASSWORD", "p")]);
            assert!(matches!(found.unwrap().way, Way::Smtp(_)), "{tls}");
        }
        assert!(matches!(transport(&[]).unwrap().way, Way::Folder(_)));
        let missing = transport(&[("HOST", "h"), ("USER", "u"), ("PASSWORD_SECRET", "smtp")]);
        let told = missing.err().unwrap().to_string();
        assert!(told.contains("password_secret"), "{told}");
    }

    proptest! {
        /// Nobody is invited, or told that a PIN was sent, whom no mail can be written to.
        #[test]
        fn every_address_can_be_written_to(
            text in "[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~\\-ü\u{212a}\u{130}]{1,70}@[a-zA-Z0-9\\-üß\u{130}]{1,66}\\.[a-z]{2}"
        ) {
            if let Some(to) = email::normal(&text) {
                let letter = Letter { to: to.clone(), ..letter() };
                let message = transport(&[]).unwrap().message("mail_1", &letter);
                prop_assert!(message.is_ok(), "{to}: {}", message.unwrap_err());
            }
        }
    }

    fn letter() -> Letter {
        Letter {
            to: "a@b.cd".to_owned(),
            subject: "PIN".to_owned(),
            body: "123456".to_owned(),
            written_at: Timestamp::from_micros(1_700_000_000_000_000),
        }
    }

    #[test]
    fn no_text_becomes_a_header() {
        let letter = Letter {
            subject: "You are invited to A\r\nBcc: x@y.zz".to_owned(),
            body: "Grüße\r\n.\r\nQUIT\r\n".to_owned(),
            ..letter()
        };
        let message = transport(&[]).unwrap().message("mail_1", &letter).unwrap().formatted();
        let text = String::from_utf8(message).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(head.contains("Message-ID: <mail_1@localhost.localdomain>"), "{head}");
        assert!(head.contains("Date: Tue, 14 Nov 2023 22:13:20"), "{head}");
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    }
}
