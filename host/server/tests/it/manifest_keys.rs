//! Every key of the manifest, with the tests that fail where nobody enforces it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hardpoint_domain::limits::LimitWishes;
use hardpoint_domain::manifest::{BatchWish, HttpWish, InstanceMode, Kind, Manifest, SecretWish};
use serde_json::{Value, json};

const DOMAIN: &str = "host/domain/src/manifest/tests.rs";
const POWERS: &str = "host/server/tests/it/manifest_powers.rs";
const LIMITS: &str = "host/runtime/tests/it/limits.rs";

/// What keeps the host's index and embedder from those who did not ask for them, or were not granted them.
const OF_RETRIEVERS: &[(&str, &str)] = &[
    ("host/runtime/tests/it/loading.rs", "only_retrievers_are_offered_an_index_and_an_embedder"),
    ("host/runtime/tests/it/retrievers.rs", "an_index_and_an_embedder_are_denied_without_a_grant"),
    ("host/runtime/tests/it/retrievers.rs", "what_is_not_asked_for_is_not_given"),
];

/// A key, and the tests that guard what it means: the file and the function.
const GUARDED: &[(&str, &[(&str, &str)])] = &[
    (
        "id",
        &[
            (DOMAIN, "what_is_wrong_is_named_with_its_line"),
            (POWERS, "what_was_allowed_to_one_plugin_no_other_has"),
        ],
    ),
    (
        "version",
        &[
            (DOMAIN, "what_is_wrong_is_named_with_its_line"),
            ("host/server/src/worker/reload/files.rs", "the_higher_version_speaks_for_a_plugin"),
            ("host/server/tests/it/same_version.rs", "other_bytes_of_the_same_version_wait"),
        ],
    ),
    (
        "kind",
        &[
            (DOMAIN, "what_is_wrong_is_named_with_its_line"),
            ("host/runtime/tests/it/loading.rs", "bad_files_are_refused_for_what_they_are"),
        ],
    ),
    (
        "description",
        &[
            (DOMAIN, "what_is_wrong_is_named_with_its_line"),
            ("host/server/tests/it/plugins.rs", "the_folder_good_and_bad"),
        ],
    ),
    (
        "instance",
        &[
            ("host/runtime/tests/it/fresh.rs", "a_global_counter_is_one_in_every_call"),
            ("host/runtime/tests/it/fresh.rs", "a_warm_instance_is_neither_shared_nor_kept_after_a_fault"),
        ],
    ),
    ("http.host", &[(POWERS, "hosts_that_were_not_asked_for_are_not_reached")]),
    ("http.port", &[(POWERS, "ports_that_were_not_asked_for_are_not_reached")]),
    ("http.scheme", &[(POWERS, "schemes_that_were_not_asked_for_are_not_spoken")]),
    ("http.methods", &[(POWERS, "methods_that_were_not_asked_for_are_not_used")]),
    ("http.path", &[(POWERS, "paths_that_were_not_asked_for_are_not_reached")]),
    ("secret.name", &[(POWERS, "a_secret_goes_by_the_name_that_was_asked_for")]),
    ("secret.audience", &[(POWERS, "a_secret_goes_to_the_audience_that_was_asked_for")]),
    ("secret.optional", &[(POWERS, "only_an_optional_secret_may_be_left_out")]),
    (
        "kv",
        &[
            ("host/runtime/tests/it/loading.rs", "a_manifest_that_lies_is_refused"),
            ("host/runtime/tests/it/powers.rs", "values_are_denied_without_a_grant"),
        ],
    ),
    ("index", OF_RETRIEVERS),
    ("embed", OF_RETRIEVERS),
    (
        "scratch",
        &[
            (POWERS, "a_folder_is_there_only_where_it_was_asked_for"),
            (
                "host/runtime/tests/it/powers.rs",
                "a_scratch_folder_is_there_for_one_call_and_only_with_a_grant",
            ),
        ],
    ),
    ("limits.memory_mib", &[(LIMITS, "memory")]),
    ("limits.cpu_ms", &[(LIMITS, "cpu_time_of_a_call")]),
    ("limits.exchange_cpu_ms", &[(LIMITS, "cpu_time_of_an_exchange")]),
    ("limits.wall_ms", &[(LIMITS, "wall_time")]),
    (
        "limits.output_kib",
        &[(LIMITS, "output"), (POWERS, "a_manifests_limits_are_in_force_and_the_operators_above_them")],
    ),
    ("limits.http_calls", &[(LIMITS, "requests_of_an_exchange"), (LIMITS, "requests_of_a_call")]),
    ("limits.concurrency", &[(LIMITS, "calls_at_once")]),
    (
        "batch.max_events",
        &[("host/server/tests/it/exports.rs", "no_batch_has_more_events_than_was_asked_for")],
    ),
    ("batch.max_bytes", &[("host/server/tests/it/exports.rs", "no_batch_has_more_bytes_than_was_asked_for")]),
    (
        "settings",
        &[
            ("host/server/tests/it/plugins.rs", "settings_that_do_not_fit_are_told"),
            ("host/server/tests/it/bad_manifests.rs", "what_is_wrong_is_refused_wherever_it_comes_in"),
        ],
    ),
    // What a schema says that is no key of the type.
    (SECRET_OPTION, &[("host/server/tests/it/exports.rs", "a_secret_option_is_not_among_the_settings")]),
];

const SECRET_OPTION: &str = "settings.properties.*.secret";

/// With everything filled in. A field that is new does not compile before it is here, and then needs a guard.
fn full() -> Manifest {
    let http = HttpWish {
        host: "api.example.com".to_owned(),
        port: Some(8443),
        scheme: Some("https".to_owned()),
        methods: vec!["GET".to_owned()],
        path: Some("/v1".to_owned()),
    };
    let secret =
        SecretWish { name: "key".to_owned(), audience: "https://api.example.com".to_owned(), optional: true };
    let limits = LimitWishes {
        memory_mib: Some(1),
        cpu_ms: Some(1),
        exchange_cpu_ms: Some(1),
        wall_ms: Some(1),
        output_kib: Some(1),
        http_calls: Some(1),
        concurrency: Some(1),
    };
    Manifest {
        id: "full".to_owned(),
        version: "1.0.0".to_owned(),
        kind: Kind::Tool,
        description: "Asks for everything.".to_owned(),
        instance: InstanceMode::Warm,
        http: vec![http],
        secret: vec![secret],
        kv: true,
        index: true,
        embed: true,
        scratch: true,
        limits,
        batch: Some(BatchWish { max_events: 1, max_bytes: 1 }),
        settings: Some(json!({ "type": "object" })),
    }
}

/// The keys of a value, down to what holds no more of them. What is in a settings schema is the author's own.
fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) if path != "settings" => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                keys(member, &path, found);
            }
        }
        Value::Array(items) if items.first().is_some_and(Value::is_object) => {
            items.iter().for_each(|item| keys(item, path, found));
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn every_key_is_guarded() {
    let mut wanted = BTreeSet::from([SECRET_OPTION.to_owned()]);
    keys(&serde_json::to_value(full()).unwrap(), "", &mut wanted);
    let guarded: BTreeSet<String> = GUARDED.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(guarded, wanted, "left: the list of guards, right: the keys of the type");
    assert_eq!(GUARDED.len(), guarded.len(), "a key stands in the list twice");
    for (key, guards) in GUARDED {
        assert!(!guards.is_empty(), "`{key}` has no guard");
        for (file, name) in *guards {
            assert!(is_compiled(file), "{file} is part of no test binary");
            let source =
                std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(has_test(&source, name), "`{key}` is guarded by {file}, which has no test `{name}`");
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether a function of this name has an attribute that makes it a test.
fn has_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}()")) else { return false };
    let attributes =
        before.rsplit('\n').skip(1).map(str::trim_start).take_while(|line| line.starts_with("#["));
    attributes.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

/// Whether the module that a file is stands in the one above it.
fn is_compiled(file: &str) -> bool {
    let path = Path::new(file);
    let (folder, stem) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
    let above = ["main.rs", "mod.rs", "lib.rs"].map(|name| folder.join(name));
    above.iter().chain([&folder.with_extension("rs")]).any(|above| {
        let source = std::fs::read_to_string(root().join(above)).unwrap_or_default();
        source.lines().any(|line| line.trim_start_matches("pub ") == format!("mod {stem};"))
    })
}

#[test]
fn what_is_no_test_guards_nothing() {
    let source = "#[test]\nfn one() {}\n\n/// Words.\n#[tokio::test(flavor = \"multi_thread\")]\nasync fn two() {}\n\nfn three() {}\n";
    assert_eq!(
        ["one", "two", "three", "four"].map(|name| has_test(source, name)),
        [true, true, false, false]
    );
    assert!(is_compiled(DOMAIN) && is_compiled(LIMITS) && !is_compiled("host/server/tests/it/nothing.rs"));
}
