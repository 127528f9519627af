use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::double::raw;
use super::*;

/// A server with a certificate of its own for `api.test`: its port, and the certificate in PEM.
async fn server() -> (u16, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    // As most do, this one would rather speak HTTP/2.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let port = raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            let mut head = [0; 4096];
            while stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        }
    })
    .await;
    let encoded = STANDARD.encode(cert.der());
    (port, format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n"))
}

#[tokio::test]
async fn a_certificate_is_accepted_from_a_trusted_root_and_for_its_name_only() {
    let (port, pem) = server().await;
    let names = resolver(&[(HOST, &["127.0.0.1"]), ("other.test", &["127.0.0.1"])]);
    let with = |roots: &str| {
        Egress::new(EgressConfig {
            extra_roots_pem: roots.as_bytes().to_vec(),
            allow_internal: vec![HOST.to_owned(), "other.test".to_owned(), "127.0.0.1".to_owned()],
            resolver: Some(Arc::clone(&names) as _),
            ..EgressConfig::default()
        })
    };
    let trusting = with(&pem).unwrap();
    let url = format!("https://{HOST}:{port}/");
    for _ in 0..2 {
        let answer = send(&trusting, get(&url)).await.unwrap();
        assert_eq!(read(answer.body).await.unwrap(), "ok");
    }
    assert_eq!(trusting.stats().origins[0].connections, 1);

    let refused = [
        (with("").unwrap(), url),
        (trusting.clone(), format!("https://other.test:{port}/")),
        (trusting, format!("https://127.0.0.1:{port}/")),
    ];
    for (egress, url) in refused {
        let error = send(&egress, get(&url)).await.unwrap_err();
        assert_eq!(error.kind, EgressErrorKind::Connect, "{url}: {error}");
        assert!(error.message.contains("no TLS"), "{error}");
    }
    assert!(with("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
}
