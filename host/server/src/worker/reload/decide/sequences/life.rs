//! What may happen to a plugin: the bytes that come, and the steps that are taken.

use std::collections::BTreeSet;

use hardpoint_domain::grant::Permissions;
use hardpoint_domain::manifest::Manifest;
use proptest::prelude::*;
use serde_json::Value;
use url::Url;

use super::ID;

/// One thing that some binding may do: a request, a secret at an address, a flag.
pub(super) type Power = String;

/// What a version may ask for.
pub(super) const WISHES: [&str; 8] = [
    "[[http]]\nhost = \"{settings.base}\"\n",
    "[[http]]\nhost = \"{settings.base}\"\nmethods = [\"GET\", \"POST\"]\npath = \"/x\"\n",
    "[[http]]\nhost = \"*.a.test\"\nmethods = [\"DELETE\", \"GET\"]\n",
    "[[http]]\nhost = \"d.test\"\npath = \"/v1\"\nmethods = [\"POST\"]\n",
    "[[secret]]\nname = \"k\"\naudience = \"{settings.base}\"\noptional = true\n",
    "[[secret]]\nname = \"l\"\naudience = \"https://d.test\"\n",
    "kv = true\n",
    "scratch = true\n",
];

/// The same requests for every permission there is.
fn requests() -> Vec<(&'static str, Url)> {
    let hosts = ["a.test", "b.a.test", "c.b.a.test", "d.test", "e.test"];
    let urls = hosts.iter().flat_map(|host| {
        ["/", "/v1", "/v1/x", "/x"].map(|path| Url::parse(&format!("https://{host}{path}")).unwrap())
    });
    urls.flat_map(|url| ["GET", "POST", "DELETE"].map(|method| (method, url.clone()))).collect()
}

pub(super) fn powers(permissions: &Permissions) -> BTreeSet<Power> {
    let requests = requests().into_iter().filter(|(method, url)| permissions.permits(method, url).is_ok());
    let requests = requests.map(|(method, url)| format!("{method} {url}"));
    let secrets = permissions.secrets.iter().map(|secret| format!("{} to {}", secret.name, secret.audience));
    let flags = [("kv", permissions.kv), ("scratch", permissions.scratch)];
    let flags = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned());
    requests.chain(secrets).chain(flags).collect()
}

/// Bytes that somebody might publish.
#[derive(Clone, Debug)]
pub(super) struct Bytes {
    pub(super) digest: String,
    pub(super) version: &'static str,
    pub(super) manifest: String,
}

impl Bytes {
    pub(super) fn new(number: usize, version: &'static str, asks: &[&str]) -> Self {
        let (flags, tables): (Vec<&str>, Vec<&str>) = asks.iter().partition(|wish| !wish.starts_with('['));
        let settings = "[settings]\ntype = \"object\"\n[settings.properties.base]\ntype = \"string\"\ndefault = \"https://a.test\"\n";
        let manifest = format!(
            "id = \"{ID}\"\nversion = \"{version}\"\nkind = \"tool\"\ndescription = \"x\"\n{}{}{settings}",
            flags.concat(),
            tables.concat()
        );
        Self { digest: format!("sha256:{number:064}"), version, manifest }
    }

    /// What it asks for with a binding's settings.
    pub(super) fn asks(&self, settings: &Value) -> BTreeSet<Power> {
        powers(&Manifest::from_toml(&self.manifest).unwrap().permissions(settings).unwrap())
    }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// As a file, or an upload.
    Publish(usize, Published),
    /// A file goes.
    Unpublish(usize),
    /// It cannot be loaded from now on.
    Break(usize),
    /// One of the [`HOSTS`] starts anew, in another version: whatever could not be loaded now can.
    Restart(usize),
    Grant(Option<usize>, Option<usize>),
    Revoke(Option<usize>),
    RollBack(Option<usize>),
    /// With these settings, of [`BASES`].
    Bind(usize),
    Unbind,
    Pause,
    Resume,
    Discard,
    Remove,
}

/// Each may have two files for the plugin.
pub(super) const HOSTS: [&str; 2] = ["one", "other"];

/// The files of all hosts: the even ones are of the first.
pub(super) const FILES: usize = 4;

/// How bytes come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Published {
    /// As one of the [`FILES`].
    File(usize),
    Upload,
}

/// The binding that steps make and remove; the others are the plugin's own, or configured.
pub(super) const MADE: &str = "made";

/// What its settings may say.
pub(super) const BASES: [&str; 3] = ["https://a.test", "https://b.a.test/x", "https://e.test"];

pub(super) fn life() -> impl Strategy<Value = (bool, Vec<Bytes>, Vec<Step>)> {
    let asks = prop::sample::subsequence(&WISHES[..], 0..4);
    let bytes = prop::collection::vec((prop::sample::select(&["1.0.0", "1.1.0", "2.0.0"][..]), asks), 4);
    let bytes = bytes.prop_map(|all| {
        let numbered = all.iter().enumerate();
        numbered.map(|(number, (version, asks))| Bytes::new(number, version, asks)).collect()
    });
    let which = || prop::option::of(0_usize..4);
    let binding = || prop_oneof![2 => Just(None), 1 => (0_usize..4).prop_map(Some)];
    let step = prop_oneof![
        6 => (0_usize..4, prop_oneof![3 => (0..FILES).prop_map(Published::File), 1 => Just(Published::Upload)])
            .prop_map(|(which, how)| Step::Publish(which, how)),
        3 => (0..FILES).prop_map(Step::Unpublish),
        1 => (0_usize..4).prop_map(Step::Break),
        1 => (0..HOSTS.len()).prop_map(Step::Restart),
        5 => (which(), binding()).prop_map(|(which, binding)| Step::Grant(which, binding)),
        2 => binding().prop_map(Step::Revoke),
        3 => which().prop_map(Step::RollBack),
        3 => (0_usize..BASES.len()).prop_map(Step::Bind),
        1 => Just(Step::Unbind),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => Just(Step::Discard),
        1 => Just(Step::Remove),
    ];
    // Most lives begin with something that serves: there is more to lose.
    let begins = [Step::Publish(0, Published::File(0)), Step::Grant(None, None)];
    let begins = prop_oneof![4 => Just(begins.to_vec()), 1 => Just(Vec::new())];
    let steps =
        (begins, prop::collection::vec(step, 1..20)).prop_map(|(begins, steps)| [begins, steps].concat());
    (any::<bool>(), bytes, steps)
}
