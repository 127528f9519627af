//! The payment provider's API: Stripe's, or one that is compatible with it. Requests are forms, answers JSON; what is
//! read of these is in `objects.rs`. Requests go out by the one way out, to the configured address alone; redirects are not
//! followed, and the key is put in by the host for that origin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hardpoint_domain::grant::{HttpRule, Permissions, SecretRule};
use hardpoint_domain::hex;
use hardpoint_domain::origin::Origin;
use hardpoint_domain::signature::{self, Unsigned};
use hardpoint_domain::time::Timestamp;
use hardpoint_runtime::Secret;
use hardpoint_runtime::egress::{EgressRequest, Part, SecretEncoding, SendOptions, Timeouts};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::failed::{Failed, Refusal};
use crate::config::{Held, SecretText, Stripe, page};
use crate::error::ApiError;
use crate::service::effective::Effective;
use crate::state::App;

/// The version of the API that the fields below are read by.
const VERSION: &str = "2024-06-20";
/// The largest answer, in bytes.
const MOST: u64 = 1 << 20;
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_secs(30),
    gap: Duration::from_secs(15),
};
/// Of what the provider says in an error, so many characters are kept.
const LONGEST_REASON: usize = 300;
/// The key's name among the secrets of a request.
const KEY: &str = "api_key";

/// The provider, as configured now.
pub(super) struct Provider<'a> {
    app: &'a App,
    effective: Arc<Effective>,
    /// What is configured.
    pub config: Arc<Stripe>,
}

impl<'a> Provider<'a> {
    /// As configured now.
    ///
    /// # Errors
    /// 503 where none is.
    pub(super) fn of(app: &'a App) -> Result<Self, ApiError> {
        let effective = app.effective();
        let config =
            effective.config.stripe.clone().ok_or_else(|| {
                not_configured().caused_by("there is no [billing.stripe] in the configuration")
            })?;
        Ok(Self { app, effective, config })
    }

    /// Whether a notice is the provider's, and of now.
    ///
    /// # Errors
    /// 401 where it is not; 503 where the secret is not here.
    pub(super) fn verify(&self, header: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), ApiError> {
        let (secret, _) = self.held("webhook_secret", &self.config.webhook_secret)?;
        let verified = match header {
            Some(header) => signature::verify(header, body, secret.reveal(), now),
            None => Err(Unsigned::Missing),
        };
        verified.map_err(|reason| {
            let message = format!("This notice is not taken: {reason}. See its `Stripe-Signature` header.");
            ApiError::new(StatusCode::UNAUTHORIZED, "invalid_signature", message)
        })
    }

    /// Makes something. The same request under the same name is carried out once, however often it is sent.
    ///
    /// # Errors
    /// See [`Failed`].
    pub(super) async fn create<T: DeserializeOwned>(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        name: &[&str],
    ) -> Result<T, Failed> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let name = idempotency_key(path, &form, name);
        self.ask("POST", path, Some((form, name))).await
    }

    /// Looks at something.
    ///
    /// # Errors
    /// See [`Failed`].
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        self.ask("GET", path, None).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        sent: Option<(String, String)>,
    ) -> Result<T, Failed> {
        let (key, audience) = self.held(KEY, &self.config.api_key)?;
        let url = format!("{}/v1/{path}", self.config.address);
        let origin = page(&url).ok_or_else(|| ApiError::internal("the provider's address has no origin"))?;
        let permissions = self.permissions(&origin)?;
        let secret = Secret::new(key.reveal(), audience.cloned().unwrap_or(origin));
        let secrets = BTreeMap::from([(KEY.to_owned(), secret)]);
        let secret = Part::Secret { name: KEY.to_owned(), encoding: SecretEncoding::Raw };
        let mut headers = vec![
            ("authorization".to_owned(), vec![text("Bearer "), secret]),
            ("stripe-version".to_owned(), vec![text(VERSION)]),
        ];
        let mut body = Vec::new();
        if let Some((form, name)) = sent {
            headers.push(("content-type".to_owned(), vec![text("application/x-www-form-urlencoded")]));
            headers.push(("idempotency-key".to_owned(), vec![text(&name)]));
            body.push(Part::Bytes(form.into()));
        }
        let request = EgressRequest { method: method.to_owned(), url, headers, body, gzip: false };
        let options = SendOptions::for_binding("billing.stripe").max_response(MOST).timeouts(TIMEOUTS);
        let egress = self.app.runtime.egress();
        let mut answer = egress.send(request, &permissions, &secrets, &options).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.body.chunk().await {
            body.extend_from_slice(&chunk?);
        }
        read(answer.status, &body, key)
    }

    /// The configured address, and the key for it: nothing else.
    fn permissions(&self, origin: &Origin) -> Result<Permissions, ApiError> {
        let rule = format!("GET,POST {}/v1", self.config.address);
        let rule = rule.parse::<HttpRule>().map_err(ApiError::internal)?;
        let secret = SecretRule { name: KEY.to_owned(), audience: origin.clone(), optional: false };
        Ok(Permissions { http: vec![rule], secrets: vec![secret], ..Permissions::default() })
    }

    fn held<'s>(
        &'s self,
        member: &str,
        held: &'s Held,
    ) -> Result<(&'s SecretText, Option<&'s Origin>), ApiError> {
        let missing = || format!("the secret of billing.stripe.{member} is not there, or cannot be opened");
        self.effective.held(held).ok_or_else(|| not_configured().caused_by(missing()))
    }
}

/// 503 where nobody takes payments.
fn not_configured() -> ApiError {
    let message = "Payments are not set up on this host: an operator has to configure `[billing.stripe]`.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "billing_provider_not_configured", message)
}

fn text(text: &str) -> Part {
    Part::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

/// Names a request to the provider: by who asks for it and what for, and by what is asked, since another request under
/// the same name is refused.
fn idempotency_key(path: &str, form: &str, name: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in [path, form].iter().chain(name) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    format!("hardpoint-{}", hex::show(&hash.finalize()))
}

fn read<T: DeserializeOwned>(status: u16, body: &[u8], key: &SecretText) -> Result<T, Failed> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Object {
        r#type: Option<String>,
        code: Option<String>,
        param: Option<String>,
        message: Option<String>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Answer {
        error: Object,
    }
    // Whoever answers may repeat what was sent.
    let shown = |text: String| -> String {
        text.replace(key.reveal(), "[redacted]").chars().take(LONGEST_REASON).collect()
    };
    if status == 200 {
        return serde_json::from_slice(body).map_err(|error| Failed::Garbled(shown(error.to_string())));
    }
    let Object { r#type, code, param, message } =
        serde_json::from_slice::<Answer>(body).unwrap_or_default().error;
    let told = |text: Option<String>| shown(text.unwrap_or_default());
    let code = told(code.or(r#type));
    Err(Failed::Refused(Refusal { status, code, param: told(param), message: told(message) }))
}

#[cfg(test)]
mod tests {
    use super::super::objects::Page;
    use super::*;

    fn refused(status: u16, body: &str) -> Refusal {
        let key = SecretText::new("sk_test_secret");
        match read::<Page>(status, body.as_bytes(), &key).unwrap_err() {
            Failed::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_refused_shows_no_key() {
        let body =
            r#"{"error":{"type":"invalid_request_error","message":"Invalid API Key: sk_test_secret"}}"#;
        let refusal = refused(401, body);
        assert_eq!(refusal.message, "Invalid API Key: [redacted]");
        let error = ApiError::from(Failed::Refused(refusal));
        assert_eq!((error.status(), error.kind()), (StatusCode::BAD_GATEWAY, "billing_provider_refused"));
        assert!(!format!("{error:?}").contains("sk_test_secret"));
    }

    #[test]
    fn a_customer_that_is_not_there_is_told_from_other_things() {
        let missing = |param: &str| {
            let body = format!(
                r#"{{"error":{{"type":"invalid_request_error","code":"resource_missing","param":"{param}"}}}}"#
            );
            Failed::Refused(refused(400, &body)).is_for_lack_of_customer()
        };
        assert!(missing("customer"));
        assert!(!missing("line_items[0][price]"));
    }

    #[test]
    fn answers_that_are_none() {
        for (status, body) in [(302, ""), (404, "not found"), (500, "{}"), (503, "[1]")] {
            assert_eq!(refused(status, body).status, status);
        }
        let key = SecretText::new("sk");
        for body in ["", "{}", "{\"id\":7,\"url\":\"https://a\"}"] {
            assert!(matches!(read::<Page>(200, body.as_bytes(), &key), Err(Failed::Garbled(_))), "{body}");
        }
    }

    #[test]
    fn the_name_of_a_request_is_that_of_what_is_asked() {
        let name = |form: &str, of: &[&str]| idempotency_key("customers", form, of);
        assert_eq!(name("a=b", &["org_1"]), name("a=b", &["org_1"]));
        assert_ne!(name("a=b", &["org_1"]), name("a=c", &["org_1"]));
        assert_ne!(name("a=b", &["org_1", "x"]), name("a=b", &["org_1x"]));
        assert!(name("a=b", &[]).len() < 255);
    }
}
