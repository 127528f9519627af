//! Who is calling.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
pub use hardpoint_domain::access::Role;
use hardpoint_domain::access::{Powers, Refusal};
use hardpoint_domain::plan::{Rates, Terms};
use hardpoint_store::organizations::Organization;
use http::request::Parts;

use crate::call::CallNote;
use crate::error::ApiError;
use crate::middleware::entry::Peer;
use crate::service::limits::Quota;
use crate::service::login::Visitor;

/// What a credential stands for: the part of a caller that is the same in all of a key's requests,
/// shared by them through the key cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `key_…`, or `ses_…` of somebody who logged in; empty for the host itself.
    pub key_id: String,
    /// The key's label, for events.
    pub label: Option<String>,
    /// Who logged in; none for a key.
    pub user: Option<SessionUser>,
    /// `org_…`.
    pub organization_id: String,
    /// The name of the plan that it is on.
    pub plan: String,
    /// The only workspace that it may be used in; all of them where there is none.
    pub workspace_id: Option<String>,
    /// What it may do.
    pub role: Role,
    /// What somebody who logged in is in workspaces, by the workspace's id.
    pub workspaces: Vec<(String, Role)>,
    /// `verb:resource`; empty where the key was made without any, which leaves it to the role.
    pub scopes: Vec<String>,
    /// False for a test key, which never calls an outside service.
    pub livemode: bool,
    /// How its organisation pays.
    pub terms: Terms,
    /// The limits that the key itself was made with.
    pub own_rates: Rates,
    /// What its requests count against.
    pub quota: Quota,
}

/// Who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUser {
    /// `user_…`.
    pub id: String,
    /// Their address.
    pub email: String,
}

impl Identity {
    /// The host itself, at work for an organisation that pays for it. What it may do in time is not limited: such work
    /// waits for nobody's requests, and takes no tokens from them.
    pub fn host(organization: Organization, terms: Terms) -> Self {
        Self {
            key_id: String::new(),
            label: None,
            user: None,
            organization_id: organization.id,
            plan: organization.plan,
            workspace_id: None,
            role: Role::Viewer,
            workspaces: Vec::new(),
            scopes: Vec::new(),
            livemode: true,
            terms,
            own_rates: Rates::default(),
            quota: Quota::default(),
        }
    }

    /// Whether it is the host itself.
    pub fn is_host(&self) -> bool {
        self.key_id.is_empty()
    }

    /// What it may do.
    pub fn powers(&self) -> Powers<'_> {
        Powers {
            role: self.role,
            workspaces: &self.workspaces,
            scopes: &self.scopes,
            workspace_id: self.workspace_id.as_deref(),
            livemode: self.livemode,
        }
    }
}

/// The caller of one request. Dereferences to its [`Identity`], so `caller.organization_id` reads as it should.
///
/// As an extractor it answers 401 where the route let an anonymous request through.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What the credential stands for.
    pub identity: Arc<Identity>,
    /// `req_…`, as in the `Request-Id` header.
    pub request_id: Arc<str>,
    /// Where the request came from.
    pub ip: Option<IpAddr>,
}

impl Deref for Caller {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::unauthenticated)
    }
}

/// As an extractor it takes anybody.
impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let note = parts.extensions.get::<CallNote>();
        let request_id =
            note.ok_or_else(|| ApiError::internal("a request came in beside the door"))?.request_id();
        Ok(Self { request_id, ip: parts.extensions.get::<Peer>().map(|peer| peer.0) })
    }
}

/// A caller that runs the platform; anybody else gets a 403. The router lets nobody else come to these
/// routes; this says so where it is used.
#[derive(Clone, Debug)]
pub struct Operator(pub Caller);

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.role == Role::Operator {
            Ok(Self(caller))
        } else {
            Err(Refusal::Role { needed: Role::Operator, has: caller.role }.into())
        }
    }
}
