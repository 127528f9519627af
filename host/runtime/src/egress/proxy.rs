//! An outbound proxy: `CONNECT` for https, absolute addresses for http (RFC 9110, sections 7.1 and 9.3.6).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::config::EgressConfigError;
use super::error::EgressError;

/// The longest head of a proxy's answer, in bytes.
const MAX_HEAD: usize = 8 << 10;

/// Where the proxy is, and what it wants to be shown.
pub(super) struct Proxy {
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    pub(super) fn parse(text: &str) -> Result<Self, EgressConfigError> {
        let url = Url::parse(text).map_err(|_| EgressConfigError::Proxy)?;
        let host = url
            .host_str()
            .filter(|_| url.scheme() == "http" && url.path() == "/")
            .ok_or(EgressConfigError::Proxy)?;
        let authorization = if url.username().is_empty() { None } else { Some(basic(&url)?) };
        // An IPv6 address is resolved without its brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: url.port().unwrap_or(80), authorization })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What goes with every plain request.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// A tunnel to `host`, whose name the proxy resolves.
    pub(super) async fn tunnel(
        &self,
        mut stream: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, EgressError> {
        let failed = |reason: &str| {
            EgressError::connect(format!("the proxy opens no tunnel to {host}:{port}: {reason}"))
        };
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
        if let Some(value) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(value.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await.map_err(|error| failed(&error.to_string()))?;
        let mut head = Vec::with_capacity(512);
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= MAX_HEAD {
                return Err(failed("its answer is too long"));
            }
            // Nothing may follow the head before the handshake of TLS begins, so there is nothing to overread.
            let read = stream.read_buf(&mut head).await.map_err(|error| failed(&error.to_string()))?;
            if read == 0 {
                return Err(failed("it closed the connection"));
            }
        }
        match status(&head) {
            Some(200..=299) => Ok(stream),
            Some(407) => Err(failed("it wants other credentials (egress.proxy)")),
            Some(other) => Err(failed(&format!("it answered {other}"))),
            None => Err(failed("it did not answer in HTTP/1")),
        }
    }
}

fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.1 ").or_else(|| head.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()
}

fn basic(url: &Url) -> Result<HeaderValue, EgressConfigError> {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
            match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == b'%') {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                None => {
                    bytes.push(first);
                    rest = after;
                }
            }
        }
        bytes
    };
    let credentials = [decode(url.username()), decode(url.password().unwrap_or_default())].join(&b':');
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(credentials)))
        .map_err(|_| EgressConfigError::Proxy)?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}
