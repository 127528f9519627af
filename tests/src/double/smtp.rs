//! An SMTP server (RFC 5321): takes mail line by line, refuses what is out of order, and keeps what it accepted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running server; gone when it is dropped.
pub struct Smtp {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
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
    connections: u32,
}

impl Smtp {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, state) = (listener.local_addr()?, Arc::<Mutex<State>>::default());
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that breaks off is its own affair.
                tokio::spawn(converse(stream, shared.clone()));
            }
        });
        Ok(Self { address, state, accepting })
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
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
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

async fn converse(stream: TcpStream, state: Arc<Mutex<State>>) -> Result<()> {
    let with = |use_it: &mut dyn FnMut(&mut State)| {
        use_it(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let mut delay = Duration::ZERO;
    with(&mut |state| {
        state.connections += 1;
        delay = state.delay;
    });
    tokio::time::sleep(delay).await;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 double ESMTP\r\n").await?;
    let (mut greeted, mut from, mut to) = (false, false, Vec::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let command = line.trim_end().to_ascii_uppercase();
        let answer = if command.starts_with("EHLO ") {
            greeted = true;
            "250-double\r\n250 8BITMIME"
        } else if command.starts_with("MAIL FROM:<") && greeted {
            let mut is_busy = false;
            with(&mut |state| {
                is_busy = state.busy > 0;
                state.busy = state.busy.saturating_sub(1);
            });
            from = !is_busy;
            if is_busy { "451 4.3.2 later" } else { "250 2.1.0 go on" }
        } else if command.starts_with("RCPT TO:<") && from {
            let mut refuses = false;
            with(&mut |state| refuses = state.refuses);
            if refuses {
                "550 5.1.1 nobody of that name"
            } else {
                to.push(line.trim_end()[9..].trim_end_matches('>').to_owned());
                "250 2.1.5 go on"
            }
        } else if command == "DATA" && !to.is_empty() {
            stream.write_all(b"354 go on\r\n").await?;
            let text = data(&mut stream).await?;
            let mail = Mail { to: std::mem::take(&mut to), text };
            with(&mut |state| state.mails.push(mail.clone()));
            from = false;
            "250 2.0.0 taken"
        } else if command == "RSET" || command == "NOOP" {
            "250 2.0.0 fine"
        } else if command == "QUIT" {
            stream.write_all(b"221 2.0.0 bye\r\n").await?;
            return Ok(());
        } else {
            "503 5.5.1 not now"
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// What comes up to the line with a single dot.
async fn data(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        anyhow::ensure!(stream.read_line(&mut line).await? > 0, "it broke off");
        match line.as_str() {
            ".\r\n" => return Ok(text),
            dotted => text.push_str(dotted.strip_prefix('.').unwrap_or(dotted)),
        }
    }
}
