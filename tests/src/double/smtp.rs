//! An SMTP server (RFC 5321): takes mail line by line, refuses what is out of order, and keeps what it accepted. Over
//! TLS (RFC 8314), begun in the conversation (RFC 3207), or in the open; from whoever comes, or from who logs in
//! (RFC 4954).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A running server; gone when it is dropped.
pub struct Smtp {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
    certificate: String,
}

/// How conversations are kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    None,
    /// TLS is begun in the conversation; before that, nothing else is said.
    Starttls,
    /// TLS from the first byte on.
    Tls,
}

/// A mail that was accepted.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Whom it was to, by the conversation.
    pub to: Vec<String>,
    /// Head and body, with the dots of the conversation taken out.
    pub text: String,
}

#[derive(Default)]
struct State {
    mails: Vec<Mail>,
    delay: Duration,
    busy: u32,
    refuses: bool,
    /// A user and their password: nobody else leaves mail here.
    only: Option<(String, String)>,
    connections: u32,
}

impl Smtp {
    /// Starts it on a free port, in the open.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start() -> Result<Self> {
        Self::protected(Protection::None).await
    }

    /// The same, as `localhost`, with a certificate of its own.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn protected(by: Protection) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, state) = (listener.local_addr()?, Arc::<Mutex<State>>::default());
        let (acceptor, certificate) = certified()?;
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that breaks off is its own affair.
                tokio::spawn(converse(stream, shared.clone(), by, acceptor.clone()));
            }
        });
        Ok(Self { address, state, accepting, certificate })
    }

    /// Its certificate, in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How long it takes to greet from now on.
    pub fn delay(&self, delay: Duration) {
        self.with(|state| state.delay = delay);
    }

    /// So many next mails are to be tried again later.
    pub fn busy(&self, times: u32) {
        self.with(|state| state.busy = times);
    }

    /// Refuses every recipient for good from now on.
    pub fn refuse(&self) {
        self.with(|state| state.refuses = true);
    }

    /// Takes mail from now on only from who logs in like this.
    pub fn only(&self, user: &str, password: &str) {
        self.with(|state| state.only = Some((user.to_owned(), password.to_owned())));
    }

    /// How often somebody connected.
    pub fn connections(&self) -> u32 {
        self.with(|state| state.connections)
    }

    /// What it accepted, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.with(|state| state.mails.clone())
    }

    /// How often it accepted each `Message-ID`.
    pub fn counts(&self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for mail in self.mails() {
            *counts.entry(mail.header("Message-ID").unwrap_or_default()).or_default() += 1;
        }
        counts
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut lock(&self.state))
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Mail {
    /// A header of one line.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\r\n\r\n").next()?;
        let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.map(str::to_owned)
    }
}

/// A key and a certificate for `localhost` that nobody signed but itself; and the certificate in PEM.
fn certified() -> Result<(TlsAcceptor, String)> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    let pem = STANDARD.encode(cert.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n");
    Ok((TlsAcceptor::from(Arc::new(config)), pem))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Lines = BufReader<Box<dyn Stream>>;

/// How far somebody is.
#[derive(Default)]
struct Progress {
    greeted: bool,
    /// Whether the next thing is a TLS handshake.
    begins_tls: bool,
    is_known: bool,
    from: bool,
    to: Vec<String>,
}

async fn converse(
    stream: TcpStream,
    state: Arc<Mutex<State>>,
    by: Protection,
    acceptor: TlsAcceptor,
) -> Result<()> {
    let delay = {
        let mut state = lock(&state);
        state.connections += 1;
        state.delay
    };
    tokio::time::sleep(delay).await;
    let mut is_safe = by != Protection::Starttls;
    let stream: Box<dyn Stream> = match by {
        Protection::Tls => Box::new(acceptor.accept(stream).await?),
        _ => Box::new(stream),
    };
    let mut lines: Lines = BufReader::new(stream);
    lines.write_all(b"220 double ESMTP\r\n").await?;
    let mut progress = Progress::default();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let command = line.trim_end().to_ascii_uppercase();
        if command == "DATA" && !progress.to.is_empty() {
            lines.write_all(b"354 go on\r\n").await?;
            let mail = Mail { to: std::mem::take(&mut progress.to), text: data(&mut lines).await? };
            lock(&state).mails.push(mail);
            progress.from = false;
            lines.write_all(b"250 2.0.0 taken\r\n").await?;
            continue;
        }
        let said = answer(&command, line.trim_end(), &mut progress, &mut lock(&state), is_safe);
        lines.write_all(format!("{said}\r\n").as_bytes()).await?;
        if command == "QUIT" {
            return Ok(());
        }
        if std::mem::take(&mut progress.begins_tls) {
            // What was said in the open does not count.
            (progress, is_safe) = (Progress::default(), true);
            let safe: Box<dyn Stream> = Box::new(acceptor.accept(lines.into_inner()).await?);
            lines = BufReader::new(safe);
        }
    }
}

/// What is answered to a command, in capitals and as it was said.
fn answer(
    command: &str,
    said: &str,
    progress: &mut Progress,
    state: &mut State,
    is_safe: bool,
) -> &'static str {
    if command.starts_with("EHLO ") {
        progress.greeted = true;
        return match is_safe {
            true => "250-double\r\n250-AUTH PLAIN\r\n250 8BITMIME",
            false => "250-double\r\n250 STARTTLS",
        };
    }
    match command {
        "RSET" | "NOOP" => return "250 2.0.0 fine",
        "QUIT" => return "221 2.0.0 bye",
        "STARTTLS" if !is_safe && progress.greeted => {
            progress.begins_tls = true;
            return "220 2.0.0 go on";
        }
        _ if !is_safe => return "530 5.7.0 begin TLS first",
        _ if !progress.greeted => return "503 5.5.1 not now",
        _ => {}
    }
    if command.starts_with("AUTH PLAIN ") {
        let (user, password) = state.only.clone().unwrap_or_default();
        progress.is_known = said[11..] == STANDARD.encode(format!("\0{user}\0{password}"));
        return if progress.is_known { "235 2.7.0 come in" } else { "535 5.7.8 that is not the password" };
    }
    if command.starts_with("MAIL FROM:<") {
        if state.only.is_some() && !progress.is_known {
            return "530 5.7.0 who are you?";
        }
        progress.from = state.busy == 0;
        state.busy = state.busy.saturating_sub(1);
        return if progress.from { "250 2.1.0 go on" } else { "451 4.3.2 later" };
    }
    if command.starts_with("RCPT TO:<") && progress.from {
        if state.refuses {
            return "550 5.1.1 nobody of that name";
        }
        progress.to.push(said[9..].trim_end_matches('>').to_owned());
        return "250 2.1.5 go on";
    }
    "503 5.5.1 not now"
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What comes up to the line with a single dot.
async fn data(lines: &mut Lines) -> Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        anyhow::ensure!(lines.read_line(&mut line).await? > 0, "it broke off");
        match line.as_str() {
            ".\r\n" => return Ok(text),
            dotted => text.push_str(dotted.strip_prefix('.').unwrap_or(dotted)),
        }
    }
}
