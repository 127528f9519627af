//! From an origin to a connection: resolve, check, connect, secure.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::config::{EgressConfig, EgressConfigError, Senders};
use super::error::{EgressError, EgressErrorKind};
use super::policy::{self, Internal};
use super::proxy::Proxy;
use super::resolve::{Resolve, SystemResolver};

/// Opens connections. Whether one is allowed depends on the configuration alone, so that connections may
/// be shared by all who may send to their origin.
pub(super) struct Connector {
    senders: Senders,
    internal: Internal,
    resolver: Arc<dyn Resolve>,
    proxy: Option<Proxy>,
    extra_roots: Vec<CertificateDer<'static>>,
    /// Reading the system's certificates takes a while: on first use.
    tls: OnceLock<TlsConnector>,
}

impl Connector {
    pub(super) fn new(config: &EgressConfig) -> Result<Self, EgressConfigError> {
        let roots_error = |reason: String| EgressConfigError::Roots(reason);
        let extra_roots: Vec<_> = CertificateDer::pem_slice_iter(&config.extra_roots_pem)
            .collect::<Result<_, _>>()
            .map_err(|error| roots_error(error.to_string()))?;
        for certificate in &extra_roots {
            RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|error| roots_error(error.to_string()))?;
        }
        Ok(Self {
            senders: config.senders,
            internal: Internal::new(&config.allow_internal)?,
            resolver: config.resolver.clone().unwrap_or_else(|| Arc::new(SystemResolver)),
            proxy: config.proxy.as_deref().map(Proxy::parse).transpose()?,
            extra_roots,
            tls: OnceLock::new(),
        })
    }

    /// The proxy that requests to `url` go through, if any.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<&Proxy> {
        let proxy = self.proxy.as_ref()?;
        (!self.is_internal(url)).then_some(proxy)
    }

    /// Refuses hosts that the operator named internal, and such as are not public: where there is a proxy, it
    /// alone would know, so they are looked up here as well.
    pub(super) async fn check_public(&self, url: &Url) -> Result<(), EgressError> {
        if !self.is_internal(url) {
            if let (Some(_), Some(Host::Domain(name))) = (self.proxy_for(url), url.host()) {
                let addresses = lookup(&*self.resolver, name).await?;
                policy::check(self.senders, name, port(url), &addresses)?;
            }
            return Ok(());
        }
        Err(EgressError::denied(format!(
            "{} is a host of `egress.allow_internal`, and an address that is chosen for one call must be a \
             public one; an operator may set it under [bindings.NAME.settings] in the configuration instead, and \
             grant it",
            authority(url)
        )))
    }

    /// Who sends through it.
    pub(super) const fn senders(&self) -> Senders {
        self.senders
    }

    /// Whether the operator named the URL's host.
    pub(super) fn is_internal(&self, url: &Url) -> bool {
        self.internal.names(url.host_str().unwrap_or_default(), port(url))
    }

    /// A connection to the origin of `url`, within `limit`.
    pub(super) async fn connect(&self, url: &Url, limit: Duration) -> Result<Transport, EgressError> {
        let deadline = tokio::time::Instant::now() + limit;
        match tokio::time::timeout_at(deadline, self.open(url, limit)).await {
            Ok(opened) => opened,
            Err(_) => Err(EgressError::new(
                EgressErrorKind::Timeout,
                format!(
                    "no connection to {} within {} ms (egress.connect_timeout)",
                    authority(url),
                    limit.as_millis()
                ),
            )),
        }
    }

    async fn open(&self, url: &Url, limit: Duration) -> Result<Transport, EgressError> {
        let (host, port) = (url.host_str().unwrap_or_default(), port(url));
        let parsed = url.host().ok_or_else(|| EgressError::denied("the URL has no host"))?;
        let stream = match self.proxy_for(url) {
            Some(proxy) => self.through(proxy, url, limit).await?,
            None => {
                let addresses = match parsed {
                    Host::Domain(name) => lookup(&*self.resolver, name).await?,
                    Host::Ipv4(ip) => vec![IpAddr::V4(ip)],
                    Host::Ipv6(ip) => vec![IpAddr::V6(ip)],
                };
                if !self.is_internal(url) {
                    policy::check(self.senders, host, port, &addresses)?;
                }
                dial(&addresses, port, host, limit).await?
            }
        };
        if url.scheme() != "https" {
            return Ok(Transport::Plain(stream));
        }
        let name = match parsed {
            Host::Domain(name) => ServerName::try_from(name.to_owned())
                .map_err(|_| EgressError::connect(format!("{host} cannot be the name of a TLS server")))?,
            Host::Ipv4(ip) => ServerName::from(IpAddr::V4(ip)),
            Host::Ipv6(ip) => ServerName::from(IpAddr::V6(ip)),
        };
        let secured = self.tls().connect(name, stream).await;
        let secured =
            secured.map_err(|error| EgressError::connect(format!("no TLS with {host}: {error}")))?;
        Ok(Transport::Tls(Box::new(secured)))
    }

    /// A connection through the proxy: for https a tunnel, to the first that it opens one to.
    async fn through(&self, proxy: &Proxy, url: &Url, limit: Duration) -> Result<TcpStream, EgressError> {
        let targets = self.targets(url).await?;
        let proxies = lookup(&SystemResolver, proxy.host()).await?;
        let share = limit / u32::try_from(targets.len()).unwrap_or(u32::MAX).max(1);
        let mut failure = EgressError::connect(format!("{} has no address", authority(url)));
        for target in &targets {
            let opened = async {
                let stream = dial(&proxies, proxy.port(), proxy.host(), share).await?;
                if url.scheme() == "https" {
                    proxy.tunnel(stream, target, port(url)).await
                } else {
                    Ok(stream)
                }
            };
            match tokio::time::timeout(share, opened).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = error,
                Err(_) => failure = EgressError::connect("the proxy did not answer in time"),
            }
        }
        Err(failure)
    }

    /// What the proxy is asked for. An address that clients chose is looked up and judged here, and the proxy is asked
    /// for what was looked at: what it would find under the name itself nobody here has seen.
    async fn targets(&self, url: &Url) -> Result<Vec<String>, EgressError> {
        let host = url.host().ok_or_else(|| EgressError::denied("the URL has no host"))?;
        policy::check_unresolved(self.senders, &host, port(url))?;
        match (host, self.senders) {
            (Host::Domain(name), Senders::Webhooks) => {
                let addresses = lookup(&*self.resolver, name).await?;
                policy::check(self.senders, name, port(url), &addresses)?;
                Ok(addresses.into_iter().map(in_authority).collect())
            }
            (host, _) => Ok(vec![host.to_string()]),
        }
    }

    fn tls(&self) -> &TlsConnector {
        self.tls.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            let native = rustls_native_certs::load_native_certs();
            for error in &native.errors {
                tracing::warn!(%error, "a system certificate could not be read");
            }
            let (added, _) =
                roots.add_parsable_certificates(native.certs.into_iter().chain(self.extra_roots.clone()));
            if added == 0 {
                tracing::warn!("there are no trusted certificates: every https request will fail");
            }
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
            #[expect(clippy::expect_used, reason = "ring supports both versions, whatever the configuration")]
            let builder = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&versions)
                .expect("versions");
            let mut config = builder.with_root_certificates(roots).with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            TlsConnector::from(Arc::new(config))
        })
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("internal", &self.internal)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

pub(super) fn port(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or_default()
}

fn authority(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), port(url))
}

/// An address as it stands before a port (RFC 3986, section 3.2.2).
fn in_authority(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

async fn lookup(resolver: &dyn Resolve, host: &str) -> Result<Vec<IpAddr>, EgressError> {
    let failed =
        |reason: &dyn std::fmt::Display| EgressError::connect(format!("{host} cannot be resolved: {reason}"));
    let addresses = resolver.resolve(host).await.map_err(|error| failed(&error))?;
    if addresses.is_empty() { Err(failed(&"it has no address")) } else { Ok(addresses) }
}

/// Tries the addresses in turn, so that each has a fair part of the time.
async fn dial(
    addresses: &[IpAddr],
    port: u16,
    host: &str,
    limit: Duration,
) -> Result<TcpStream, EgressError> {
    let share = limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut failure = None;
    for &ip in addresses {
        match tokio::time::timeout(share, TcpStream::connect(SocketAddr::new(ip, port))).await {
            Ok(Ok(stream)) => {
                // Without this a request waits for the acknowledgement of the one before it.
                stream.set_nodelay(true).map_err(EgressError::connect)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = Some(error.to_string()),
            Err(_) => failure = Some("no answer in time".to_owned()),
        }
    }
    Err(EgressError::connect(format!("{host}:{port} cannot be reached: {}", failure.unwrap_or_default())))
}

/// A connection, secured or not.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! forward {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Transport::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Transport::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_shutdown(cx))
    }
}
