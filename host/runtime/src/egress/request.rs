//! From what a plugin asks to what is sent: checked against the permissions, secrets put in, compressed.

use std::collections::BTreeMap;
use std::io::Write;

use bytes::Bytes;
use hardpoint_domain::grant::Permissions;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use http_body_util::Full;
use url::{Position, Url};

use super::config::Holder;
use super::error::EgressError;
use crate::secret::{Secret, SecretEncoding};

/// A request as a plugin words it.
#[derive(Clone, Debug)]
pub struct EgressRequest {
    /// In capitals.
    pub method: String,
    /// Absolute, `https` or `http`.
    pub url: String,
    /// Names, and values in parts.
    pub headers: Vec<(String, Vec<Part>)>,
    /// In parts.
    pub body: Vec<Part>,
    /// Whether the joined body is compressed.
    pub gzip: bool,
}

/// A piece of a header value or of a body.
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes as they are.
    Bytes(Bytes),
    /// A secret by its name, written by the host.
    Secret {
        /// The manifest's name for it.
        name: String,
        /// How it is written.
        encoding: SecretEncoding,
    },
}

const MAX_HEADERS: usize = 100;
const MAX_HEADER_BYTES: usize = 64 << 10;
/// Compressing more than this takes long enough to be done beside the workers.
const COMPRESS_INLINE: usize = 32 << 10;
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("hardpoint/", env!("CARGO_PKG_VERSION")));
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// Checks a request and puts it together.
pub(super) struct Preparation<'a> {
    pub(super) holder: Holder<'a>,
    pub(super) url: &'a Url,
    pub(super) permissions: &'a Permissions,
    pub(super) secrets: &'a BTreeMap<String, Secret>,
    pub(super) max_body: u64,
}

impl Preparation<'_> {
    /// The request that is sent. `absolute` for a proxy.
    pub(super) async fn prepare(
        &self,
        request: EgressRequest,
        absolute: bool,
    ) -> Result<http::Request<Full<Bytes>>, EgressError> {
        self.permissions
            .permits(&request.method, self.url)
            .map_err(|refusal| EgressError::denied(format!("{refusal}; {}", self.holder.how_to_allow())))?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| EgressError::denied("the method is no HTTP method"))?;
        let headers = self.headers(request.headers, request.gzip)?;
        let mut body = self.join(request.body, self.max_body, |size| {
            format!("the body has {size} bytes, {} may be sent", self.max_body)
        })?;
        if request.gzip {
            body = compress(body).await?;
        }
        let mut out = http::Request::new(Full::new(body));
        *out.method_mut() = method;
        *out.uri_mut() = self.uri(absolute)?;
        *out.headers_mut() = headers;
        Ok(out)
    }

    fn uri(&self, absolute: bool) -> Result<Uri, EgressError> {
        let from = if absolute { Position::BeforeScheme } else { Position::BeforePath };
        let text = &self.url[from..Position::AfterQuery];
        Uri::try_from(text)
            .map_err(|_| EgressError::denied("the URL holds characters that no request line may hold"))
    }

    fn headers(&self, asked: Vec<(String, Vec<Part>)>, gzip: bool) -> Result<HeaderMap, EgressError> {
        if asked.len() > MAX_HEADERS {
            return Err(EgressError::denied(format!("more than {MAX_HEADERS} headers")));
        }
        let mut headers = HeaderMap::with_capacity(asked.len() + 4);
        let host = &self.url[Position::BeforeHost..Position::AfterPort];
        let host =
            HeaderValue::from_str(host).map_err(|_| EgressError::denied("the host cannot be a header"))?;
        headers.insert(header::HOST, host);
        let mut total = 0;
        for (name, parts) in asked {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| EgressError::denied("a header has a name that no header can have"))?;
            if is_the_hosts(&name) {
                return Err(EgressError::denied(format!("the header `{name}` is the host's to set")));
            }
            let sensitive = parts.iter().any(|part| matches!(part, Part::Secret { .. }));
            let too_long = |_| "the headers have more than 64 KiB".to_owned();
            let value = self.join(parts, MAX_HEADER_BYTES as u64, too_long)?;
            total += name.as_str().len() + value.len();
            if total > MAX_HEADER_BYTES {
                return Err(EgressError::denied("the headers have more than 64 KiB"));
            }
            let mut value = HeaderValue::from_maybe_shared(value).map_err(|_| {
                EgressError::denied(format!("the value of the header `{name}` holds control characters"))
            })?;
            value.set_sensitive(sensitive);
            headers.append(name, value);
        }
        // A compressed answer could not be searched for secrets.
        headers.insert(header::ACCEPT_ENCODING, IDENTITY);
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        if gzip {
            headers.insert(header::CONTENT_ENCODING, GZIP);
        }
        Ok(headers)
    }

    /// Puts parts together. What is too large is refused before it takes memory: a part that names a secret
    /// costs the plugin next to nothing.
    fn join(
        &self,
        parts: Vec<Part>,
        most: u64,
        too_large: impl FnOnce(u64) -> String,
    ) -> Result<Bytes, EgressError> {
        let mut pieces = parts.into_iter().map(|part| self.bytes(part)).collect::<Result<Vec<_>, _>>()?;
        let size = pieces.iter().map(|piece| piece.len() as u64).sum();
        if size > most {
            return Err(EgressError::denied(too_large(size)));
        }
        if pieces.len() < 2 {
            return Ok(pieces.pop().unwrap_or_default());
        }
        Ok(pieces.concat().into())
    }

    fn bytes(&self, part: Part) -> Result<Bytes, EgressError> {
        match part {
            Part::Bytes(bytes) => Ok(bytes),
            Part::Secret { name, encoding } => self.secret(&name, encoding),
        }
    }

    /// Both have to agree with the address: what was granted, and the value itself.
    fn secret(&self, name: &str, encoding: SecretEncoding) -> Result<Bytes, EgressError> {
        let Some(audience) = self.permissions.secret_audience(name) else {
            return Err(EgressError::denied(format!(
                "the secret `{name}` is not granted; {}",
                self.holder.how_to_allow()
            )));
        };
        let Some(secret) = self.secrets.get(name) else {
            return Err(EgressError::denied(format!(
                "the secret `{name}` has no value; name one in the configuration, under {}",
                self.holder.secrets_table()
            )));
        };
        match [audience, secret.audience()].into_iter().find(|audience| !audience.is_of(self.url)) {
            None => Ok(secret.encoded(encoding).clone()),
            Some(audience) => Err(EgressError::denied(format!(
                "the secret `{name}` may be sent to {audience} only, not to {}",
                &self.url[..Position::BeforePath]
            ))),
        }
    }
}

/// Headers that frame the message or belong to the connection.
fn is_the_hosts(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::HOST
            | header::CONTENT_LENGTH
            | header::TRANSFER_ENCODING
            | header::CONNECTION
            | header::UPGRADE
            | header::TE
            | header::TRAILER
            | header::EXPECT
            | header::PROXY_AUTHORIZATION
            | header::PROXY_AUTHENTICATE
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
}

async fn compress(body: Bytes) -> Result<Bytes, EgressError> {
    if body.len() <= COMPRESS_INLINE {
        return Ok(gzip(&body));
    }
    let failed = |_| EgressError::denied("the body could not be compressed: the host is shutting down");
    tokio::task::spawn_blocking(move || gzip(&body)).await.map_err(failed)
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder =
        flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::default());
    // Writing into memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}
