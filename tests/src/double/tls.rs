//! TLS in front of a double, for `localhost`, with a certificate that is over or one that is good.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A running front; dropping it ends it.
pub struct Tls {
    address: SocketAddr,
    good: (Arc<ServerConfig>, String),
    over: (Arc<ServerConfig>, String),
    shown: Arc<Mutex<Arc<ServerConfig>>>,
    accepting: JoinHandle<()>,
}

impl Tls {
    /// Starts it before a server. Its certificate was over long ago.
    ///
    /// # Errors
    /// Where it cannot listen, or no certificate can be made.
    pub async fn expired_before(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (good, over) = (certified(4096)?, certified(2001)?);
        let shown = Arc::new(Mutex::new(over.0.clone()));
        let showing = shown.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let config = showing.lock().unwrap_or_else(PoisonError::into_inner).clone();
                tokio::spawn(async move {
                    let Ok(mut client) = TlsAcceptor::from(config).accept(stream).await else { return };
                    if let Ok(mut server) = TcpStream::connect(server).await {
                        drop(copy_bidirectional(&mut client, &mut server).await);
                    }
                });
            }
        });
        Ok(Self { address, good, over, shown, accepting })
    }

    /// `https://localhost:PORT`.
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Both certificates, in PEM.
    pub fn certificates(&self) -> String {
        format!("{}{}", self.good.1, self.over.1)
    }

    /// From now on it has the good one.
    pub fn renew(&self) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = self.good.0.clone();
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A certificate that holds until a year begins.
fn certified(year: i32) -> Result<(Arc<ServerConfig>, String)> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(year, 1, 1));
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let encoded = STANDARD.encode(certificate.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok((Arc::new(config), pem))
}
