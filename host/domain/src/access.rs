//! What the holder of a credential may do: a role, narrowed by scopes, a workspace and the mode. Every
//! decision about it is made here.
//!
//! Somebody may be more in a workspace than in its organisation. That counts for what is the workspace's own (itself,
//! its members, the keys that are bound to it) and for nothing else.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::feature::Feature;

/// What a holder is, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Uses an organisation.
    Member,
    /// Administers an organisation.
    Admin,
    /// Owns an organisation.
    Owner,
    /// The platform itself: plugins, grants, configuration, every organisation.
    Operator,
}

impl Role {
    /// All of them, from least to most.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner, Self::Operator];

    /// The word that it is stored and shown as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such role; there are viewer, member, admin, owner, operator")]
pub struct UnknownRole;

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(word: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == word).ok_or(UnknownRole)
    }
}

impl TryFrom<String> for Role {
    type Error = UnknownRole;

    fn try_from(word: String) -> Result<Self, UnknownRole> {
        word.parse()
    }
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Looking.
    Read,
    /// Everything else.
    Write,
}

impl Verb {
    /// As it stands in scopes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Whether a text is a scope: `read:` or `write:` and a name of up to 64 lower-case letters, digits,
/// underscores and hyphens. A name that no resource has is none the less a scope; it grants nothing.
pub fn is_scope(text: &str) -> bool {
    let Some(("read" | "write", resource)) = text.split_once(':') else { return false };
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&resource.len()) && resource.bytes().all(fits)
}

/// What a request asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// This role, or one that is more.
    pub role: Role,
    /// With a key that has scopes: one for this verb …
    pub verb: Verb,
    /// … on this resource.
    pub resource: &'static str,
    /// Whether it is enough to be that in any workspace: which one is meant is known later, and
    /// [`Powers::permit_in`] asked then.
    pub in_workspaces: bool,
}

/// What a resource asks of those who look at it and of those who change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// As it stands in scopes.
    pub resource: &'static str,
    /// The least role that looks.
    pub read: Role,
    /// The least role that does anything else.
    pub write: Role,
    /// What the organisation's plan must include.
    pub feature: Option<Feature>,
    /// Whether some of it is a workspace's own.
    pub in_workspaces: bool,
}

impl Rule {
    /// What doing this asks.
    pub const fn need(&self, verb: Verb) -> Need {
        let role = match verb {
            Verb::Read => self.read,
            Verb::Write => self.write,
        };
        Need { role, verb, resource: self.resource, in_workspaces: self.in_workspaces }
    }

    /// The same, where some of it is a workspace's own.
    #[must_use]
    pub const fn in_workspaces(self) -> Self {
        Self { in_workspaces: true, ..self }
    }

    /// The same, for those whose plan includes this.
    #[must_use]
    pub const fn paid(self, feature: Feature) -> Self {
        Self { feature: Some(feature), ..self }
    }

    /// What the plan of who is this must include. Operators are on no plan.
    pub fn asks_of_plan(&self, role: Role) -> Option<Feature> {
        self.feature.filter(|_| role != Role::Operator)
    }
}

/// What a holder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Powers<'a> {
    /// At most this.
    pub role: Role,
    /// What they are in workspaces, by the workspace's id.
    pub workspaces: &'a [(String, Role)],
    /// `verb:resource`, and nothing else of what the role allows; none leaves it to the role. Writing
    /// includes reading.
    pub scopes: &'a [String],
    /// Only in this workspace; in all of them where there is none.
    pub workspace_id: Option<&'a str>,
    /// Whether outside services may be reached.
    pub livemode: bool,
}

/// Why a request is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The role is too little.
    #[error("this needs the role `{needed}`; this key's is `{has}`")]
    Role {
        /// The least that would do.
        needed: Role,
        /// What the holder is.
        has: Role,
    },
    /// The key has scopes, and not this one.
    #[error("this key lacks the scope `{0}`")]
    Scope(String),
}

/// What somebody has more of than who would make or change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// A higher role.
    #[error("the role `{0}` is more than this key's own")]
    Role(Role),
    /// A scope.
    #[error("the scope `{0}` is more than this key has itself")]
    Scope(String),
    /// No scopes, which is all that the role allows.
    #[error("a key without scopes may do more than this one, which has some")]
    Unscoped,
    /// Another workspace, or all of them.
    #[error("this key is bound to a workspace, and to that workspace alone")]
    Workspace,
    /// Outside services.
    #[error("this is a test key; a live key may do more")]
    Livemode,
}

impl Excess {
    /// The member of a key that it is about.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Role(_) => "role",
            Self::Scope(_) | Self::Unscoped => "scopes",
            Self::Workspace => "workspace_id",
            Self::Livemode => "livemode",
        }
    }
}

impl Powers<'_> {
    /// Whether a request is allowed.
    ///
    /// # Errors
    /// If the role is too little, or scopes leave it out.
    pub fn permit(&self, need: Need) -> Result<(), Refusal> {
        let somewhere = self.workspaces.iter().filter(|_| need.in_workspaces).map(|(_, role)| *role);
        if somewhere.fold(self.role, Role::max) < need.role {
            return Err(Refusal::Role { needed: need.role, has: self.role });
        }
        if self.scopes.is_empty() || self.has_scope(need.verb, need.resource) {
            return Ok(());
        }
        Err(Refusal::Scope(format!("{}:{}", need.verb.as_str(), need.resource)))
    }

    /// Whether a role is enough for something of a workspace, or of the organisation's own where there is none.
    ///
    /// # Errors
    /// If it is too little.
    pub fn permit_in(&self, workspace_id: Option<&str>, needed: Role) -> Result<(), Refusal> {
        let has = self.role_in(workspace_id);
        if has < needed { Err(Refusal::Role { needed, has }) } else { Ok(()) }
    }

    /// What the holder is in a workspace, or in the organisation where there is none: the higher of the two.
    pub fn role_in(&self, workspace_id: Option<&str>) -> Role {
        let there = self.workspaces.iter().find(|(id, _)| Some(id.as_str()) == workspace_id);
        there.map_or(self.role, |(_, role)| self.role.max(*role))
    }

    /// Whether `other` can do nothing that this cannot. Who makes, renews or ends a key must cover it, or
    /// could come by more than they were given.
    ///
    /// # Errors
    /// With what `other` has more.
    pub fn cover(&self, other: &Powers<'_>) -> Result<(), Excess> {
        if other.role > self.role_in(other.workspace_id) {
            return Err(Excess::Role(other.role));
        }
        if other.livemode && !self.livemode {
            return Err(Excess::Livemode);
        }
        if self.workspace_id.is_some() && self.workspace_id != other.workspace_id {
            return Err(Excess::Workspace);
        }
        if self.scopes.is_empty() {
            return Ok(());
        }
        if other.scopes.is_empty() {
            return Err(Excess::Unscoped);
        }
        let is_more = |scope: &&String| match scope.split_once(':') {
            Some(("read", resource)) => !self.has_scope(Verb::Read, resource),
            Some(("write", resource)) => !self.has_scope(Verb::Write, resource),
            // What is no scope grants nothing.
            _ => false,
        };
        other.scopes.iter().find(is_more).map_or(Ok(()), |scope| Err(Excess::Scope(scope.clone())))
    }

    fn has_scope(&self, verb: Verb, resource: &str) -> bool {
        self.scopes.iter().any(|scope| match scope.split_once(':') {
            Some(("write", of)) => of == resource,
            Some(("read", of)) => of == resource && verb == Verb::Read,
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn powers(role: Role, scopes: &[String]) -> Powers<'_> {
        Powers { role, workspaces: &[], scopes, workspace_id: None, livemode: true }
    }

    fn texts(scopes: &[&str]) -> Vec<String> {
        scopes.iter().map(|&scope| scope.to_owned()).collect()
    }

    #[test]
    fn words_of_roles() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert_eq!("Owner".parse::<Role>(), Err(UnknownRole));
    }

    #[test]
    fn texts_that_are_scopes() {
        for good in ["read:models", "write:api_keys", "read:sec", "write:a-b_9"] {
            assert!(is_scope(good), "{good}");
        }
        let long = format!("read:{}", "a".repeat(65));
        for bad in ["", "read", "read:", ":models", "delete:models", "Read:models", "read:Models", "read:a b"]
        {
            assert!(!is_scope(bad), "{bad}");
        }
        assert!(!is_scope("read:a:b") && !is_scope("read:a\0") && !is_scope(&long));
    }

    #[test]
    fn what_scopes_let_through() {
        let read = Need { role: Role::Viewer, verb: Verb::Read, resource: "models", in_workspaces: false };
        let write = Need { verb: Verb::Write, ..read };
        let lacking = |scope: &str| Err(Refusal::Scope(scope.to_owned()));
        for (scopes, reading, writing) in [
            (&[][..], Ok(()), Ok(())),
            (&["read:models"], Ok(()), lacking("write:models")),
            (&["write:models"], Ok(()), Ok(())),
            (&["read:sec", "write:tools"], lacking("read:models"), lacking("write:models")),
            (&["admin:models"], lacking("read:models"), lacking("write:models")),
        ] {
            let scopes = texts(scopes);
            let powers = powers(Role::Member, &scopes);
            assert_eq!((powers.permit(read), powers.permit(write)), (reading, writing), "{scopes:?}");
        }
        let rule = Rule {
            resource: "users",
            read: Role::Member,
            write: Role::Admin,
            feature: None,
            in_workspaces: false,
        };
        assert_eq!(powers(Role::Member, &[]).permit(rule.need(Verb::Read)), Ok(()));
        let refused = powers(Role::Member, &[]).permit(rule.need(Verb::Write)).unwrap_err();
        assert_eq!(refused.to_string(), "this needs the role `admin`; this key's is `member`");
        let paid = rule.paid(Feature::SiemExport);
        assert_eq!((rule.asks_of_plan(Role::Admin), paid.asks_of_plan(Role::Operator)), (None, None));
        assert_eq!(paid.asks_of_plan(Role::Owner), Some(Feature::SiemExport));
    }

    #[test]
    fn what_one_key_may_make_of_another() {
        let (narrow, reading, none) =
            (texts(&["write:api_keys", "read:models"]), texts(&["read:api_keys"]), texts(&[]));
        let admin = powers(Role::Admin, &none);
        let scoped = powers(Role::Admin, &narrow);
        assert_eq!(admin.cover(&powers(Role::Owner, &none)), Err(Excess::Role(Role::Owner)));
        assert_eq!(admin.cover(&scoped), Ok(()));
        assert_eq!(scoped.cover(&powers(Role::Viewer, &none)), Err(Excess::Unscoped));
        assert_eq!(scoped.cover(&powers(Role::Member, &reading)), Ok(()));
        let other = texts(&["write:models"]);
        assert_eq!(
            scoped.cover(&powers(Role::Member, &other)),
            Err(Excess::Scope("write:models".to_owned()))
        );
        let test = Powers { livemode: false, ..admin };
        assert_eq!((test.cover(&admin), admin.cover(&test)), (Err(Excess::Livemode), Ok(())));
        let bound = Powers { workspace_id: Some("ws_1"), ..admin };
        let elsewhere = Powers { workspace_id: Some("ws_2"), ..admin };
        assert_eq!(
            (bound.cover(&admin), bound.cover(&elsewhere)),
            (Err(Excess::Workspace), Err(Excess::Workspace))
        );
        assert_eq!((bound.cover(&bound), admin.cover(&bound)), (Ok(()), Ok(())));
    }

    #[test]
    fn a_role_in_a_workspace_is_of_that_workspace_alone() {
        let workspaces = [("ws_1".to_owned(), Role::Admin), ("ws_2".to_owned(), Role::Viewer)];
        let none = texts(&[]);
        let member = Powers { workspaces: &workspaces, ..powers(Role::Member, &none) };
        let users = Rule {
            resource: "users",
            read: Role::Member,
            write: Role::Admin,
            feature: None,
            in_workspaces: false,
        };
        assert!(member.permit(users.need(Verb::Write)).is_err());
        assert_eq!(member.permit(users.in_workspaces().need(Verb::Write)), Ok(()));
        let too_little = Err(Refusal::Role { needed: Role::Admin, has: Role::Member });
        for (workspace, permitted) in [
            (Some("ws_1"), Ok(())),
            (Some("ws_2"), too_little.clone()),
            (Some("ws_3"), too_little.clone()),
            (None, too_little),
        ] {
            assert_eq!(member.permit_in(workspace, Role::Admin), permitted, "{workspace:?}");
        }
        // It may be passed on, bound to that workspace.
        let made = |role, workspace_id| member.cover(&Powers { workspace_id, ..powers(role, &none) });
        assert_eq!(made(Role::Admin, Some("ws_1")), Ok(()));
        assert_eq!(made(Role::Owner, Some("ws_1")), Err(Excess::Role(Role::Owner)));
        for workspace in [Some("ws_2"), None] {
            assert_eq!(made(Role::Admin, workspace), Err(Excess::Role(Role::Admin)), "{workspace:?}");
            assert_eq!(made(Role::Member, workspace), Ok(()), "{workspace:?}");
        }
    }

    fn any_scopes() -> impl Strategy<Value = Vec<String>> {
        let scope = prop::sample::select(vec!["read:a", "write:a", "read:b", "write:b", "read:none", "odd"]);
        prop::collection::vec(scope.prop_map(str::to_owned), 0..4)
    }

    proptest! {
        /// Who covers another may do whatever that one may.
        #[test]
        fn nobody_makes_more_than_they_have(
            roles in prop::array::uniform2(0_usize..5),
            scopes in prop::array::uniform2(any_scopes()),
            live: [bool; 2],
            workspaces in prop::array::uniform2(prop::option::of(prop::sample::select(vec!["ws_1", "ws_2"]))),
        ) {
            let of = |at: usize| Powers {
                role: Role::ALL[roles[at]],
                workspaces: &[],
                scopes: &scopes[at],
                workspace_id: workspaces[at],
                livemode: live[at],
            };
            let (one, other) = (of(0), of(1));
            if one.cover(&other).is_ok() {
                for role in Role::ALL {
                    for verb in [Verb::Read, Verb::Write] {
                        for resource in ["a", "b", "c"] {
                            let need = Need { role, verb, resource, in_workspaces: false };
                            prop_assert!(other.permit(need).is_err() || one.permit(need).is_ok(), "{need:?}");
                        }
                    }
                }
                prop_assert!(one.workspace_id.is_none() || one.workspace_id == other.workspace_id);
                prop_assert!(one.livemode || !other.livemode);
            }
            prop_assert_eq!(one.cover(&one), Ok(()), "{:?}", one);
        }
    }
}
