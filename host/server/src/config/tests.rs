use std::io::Write;

use hardpoint_domain::money::Credits;
use hardpoint_domain::payment::Sold;

use super::*;

fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, &[])
}

fn load_with(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let env = env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let loaded = Config::load(&Sources { file: Some(file.path().to_owned()), env, ..Sources::default() });
    let shown = file.path().display().to_string();
    loaded.map_err(|ConfigError(mut problems)| {
        for problem in &mut problems {
            problem.message = problem.message.replace(&shown, "FILE");
            problem.origin = problem.origin.take().map(|origin| origin.replace(&shown, "FILE"));
        }
        ConfigError(problems)
    })
}

fn problems(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

#[test]
fn nothing_configured_answers_all_the_same() {
    let config = load("").unwrap();
    assert_eq!(config.server.listen, "127.0.0.1:8080");
    assert_eq!(config.plugins_folder(), Path::new("data/plugins"));
    assert_eq!(config.models[0].binding, "extractive");
}

#[test]
fn the_example_is_the_defaults() {
    let default = load("").unwrap();
    let example = Config { file_digest: default.file_digest.clone(), ..load(EXAMPLE).unwrap() };
    assert_eq!(format!("{example:#?}"), format!("{default:#?}"));
}

#[test]
fn hosts_whose_clocks_may_differ_hold_their_claims() {
    let found = problems("[database]\nclock_tolerance = \"6s\"\n");
    assert!(found.contains("database.clock_tolerance: must be 5s at most"), "{found}");
    // Nothing would ever be delivered.
    let found = problems("[database]\nclock_tolerance = \"0s\"\n");
    assert!(found.contains("database.clock_tolerance: must be longer than nothing"), "{found}");
    let shared = "[database]\nurl = \"postgres://127.0.0.1/hardpoint\"\n";
    let found = problems(&format!("{shared}[siem]\nlease = \"7s\"\n"));
    assert!(
        found.contains("database.clock_tolerance: must be a quarter of siem.lease, 7s, at most"),
        "{found}"
    );
    load(&format!("{shared}[siem]\nlease = \"8s\"\n")).unwrap();
    load("[siem]\nlease = \"3s\"\n").unwrap();
}

#[test]
fn what_is_said_of_vectors_is_checked() {
    let found = problems("[[models]]\nid = \"e\"\nbinding = \"b\"\ndimensions = 0\nrelevant_cosine = 1\n");
    assert!(found.contains("models.0.dimensions: must be from 1 to 4096 (FILE, line 4)"), "{found}");
    assert!(
        found.contains("models.0.relevant_cosine: must be more than 0 and less than 1 (FILE, line 5)"),
        "{found}"
    );
    let config = load("[[models]]\nid = \"e\"\nbinding = \"b\"\nrelevant_cosine = 0.4\n").unwrap();
    assert_eq!((config.models[0].relevant_cosine, config.models[0].dimensions), (Some(0.4), None));
}

#[test]
fn every_key_of_the_example_exists() {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => rest,
        _ => line,
    });
    let all = lines.collect::<Vec<_>>().join("\n");
    let names = ["OPENAI_API_KEY", "DD_API_KEY", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"];
    let config = load_with(&all, &names.map(|name| (name, "sk-1"))).unwrap();
    assert_eq!(config.secrets["openai"].value.reveal(), "sk-1");
    assert_eq!(config.models[0].fallbacks, ["extractive"]);
    assert_eq!(config.declared["datadog"].limits.cpu_ms, Some(20));
    assert!(config.bindings["datadog"].grant.is_some());
    assert_eq!(config.plugins.ceilings.tool.cpu_ms, Some(250));
    assert_eq!(config.rates("free").requests_per_hour, Some(600));
    let stripe = config.stripe.unwrap();
    assert_eq!(stripe.sold("price_1PgafmB7WZ01zgkW"), Some(Sold::Plan("professional")));
    assert_eq!(stripe.sold("price_1PgaA3B7WZ01zgkX"), Credits::from_whole(50).map(Sold::Credits));
    assert_eq!(stripe.sold("price_1"), None);
}

#[test]
fn what_is_sold_is_checked() {
    let text = r#"
        [billing.stripe]
        address = "https://api.stripe.com/?a=b"
        api_key = { env = "NOT_SET" }
        webhook_secret = { value = "whsec_1", secret = "stripe" }
        success_url = "/billing"
        cancel_url = "javascript:alert(1)"
        return_url = "https://app.example.com"
        allowed_origins = ["https://app.example.com/path"]
        prices = [
            { id = "price_1" },
            { id = "price_1", plan = "gold" },
            { id = "", credits = 0 },
            { id = "price_2", plan = "free", credits = 5 },
        ]
    "#;
    insta::assert_snapshot!(problems(text), @r"
    the configuration has 12 problems:
      billing.stripe.address: is no address of an API: write `https://api.stripe.com` (FILE, line 3)
      billing.stripe.api_key.env: names the environment variable NOT_SET, which is not set, or is no UTF-8 (FILE, line 4)
      billing.stripe.webhook_secret: has more than one of `value`, `env`, `file` and `secret`; leave one (FILE, line 5)
      billing.stripe.success_url: must be an address, `https://host/path`, where people come to afterwards (FILE, line 6)
      billing.stripe.cancel_url: must be an address, `https://host/path`, where people come to afterwards (FILE, line 7)
      billing.stripe.allowed_origins.0: `https://app.example.com/path` is no origin: it has a path, a query or a fragment (write `https://host` or `https://host:port`) (FILE, line 9)
      billing.stripe.prices.0: needs one of `plan` and `credits` (FILE, line 11)
      billing.stripe.prices.1.id: there are two prices `price_1` (FILE, line 12)
      billing.stripe.prices.1.plan: there is no such plan; there are free, standard, professional, enterprise (FILE, line 12)
      billing.stripe.prices.2.id: is no id of a price: write `price_…` (FILE, line 13)
      billing.stripe.prices.2.credits: must be whole credits, from 1 to 1000000000 (FILE, line 13)
      billing.stripe.prices.3: needs one of `plan` and `credits` (FILE, line 14)
    ");
    let missing = problems("[billing.stripe]\nsuccess_url = \"https://a.example\"\ncolour = \"blue\"\n");
    insta::assert_snapshot!(missing, @r"
    the configuration has 3 problems:
      billing.stripe.colour: unknown key; there are address, api_key, webhook_secret, success_url, cancel_url, return_url, allowed_origins, prices (FILE, line 3)
      billing.stripe.api_key: is missing: write one of `env`, `file` and `secret`, the name of one that is kept by `hardpoint secrets set` (FILE, line 1)
      billing.stripe.webhook_secret: is missing: write one of `env`, `file` and `secret`, the name of one that is kept by `hardpoint secrets set` (FILE, line 1)
    ");
    // None of the ways to say a secret shows it.
    let env = [
        ("HARDPOINT__BILLING__STRIPE__API_KEY__VALUE", "007"),
        ("HARDPOINT__BILLING__STRIPE__WEBHOOK_SECRET__SECRET", "stripe-notices"),
        ("HARDPOINT__BILLING__STRIPE__SUCCESS_URL", "https://a.example"),
        ("HARDPOINT__BILLING__STRIPE__ADDRESS", "http://127.0.0.1:12111/"),
    ];
    let config = load_with("", &env).unwrap();
    let shown = config.masked()["billing"]["stripe"].clone();
    assert_eq!(
        (&shown["api_key"], &shown["webhook_secret"]["secret"]),
        (&MASK.into(), &"stripe-notices".into())
    );
    assert_eq!(shown["address"], "http://127.0.0.1:12111");
    assert!(!format!("{config:?}").contains("007"));
}

#[test]
fn the_environment_wins_and_reads_as_toml() {
    let config = load_with(
        "[server]\nlisten = \"127.0.0.1:1\"\n",
        &[
            ("HARDPOINT__SERVER__LISTEN", "0.0.0.0:2"),
            ("HARDPOINT__SERVER__MAX_JSON_BODY", "1KiB"),
            ("HARDPOINT__COMPLETIONS__ATTEMPTS", "5"),
            ("HARDPOINT__EGRESS__ALLOW_INTERNAL", "[\"localhost:1\", \"db\"]"),
            ("HARDPOINT__SECRETS__PIN__VALUE", "007"),
            ("HARDPOINT__SECRETS__PIN__AUDIENCE", "https://a.example"),
            ("HARDPOINT_BOOTSTRAP_KEY", "not ours"),
            ("PATH", "not ours"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.listen, "0.0.0.0:2");
    assert_eq!(config.server.max_json_body, Size(1024));
    assert_eq!(config.completions.attempts, 5);
    assert_eq!(config.egress.allow_internal, ["localhost:1", "db"]);
    assert_eq!(config.secrets["pin"].value.reveal(), "007");
}

#[test]
fn the_command_line_wins_over_all() {
    let sources = Sources {
        env: vec![("HARDPOINT__SERVER__LISTEN".into(), "0.0.0.0:2".into())],
        listen: Some("[::1]:3".into()),
        data: Some("elsewhere".into()),
        ..Sources::default()
    };
    let config = Config::load(&sources).unwrap();
    assert_eq!(
        (config.server.listen.as_str(), config.plugins_folder()),
        ("[::1]:3", "elsewhere/plugins".into())
    );
    let listen = Some("eighty".into());
    let error = Config::load(&Sources { listen, ..Sources::default() }).unwrap_err();
    assert!(error.to_string().contains("server.listen: `eighty` is no address"), "{error}");
    assert!(error.to_string().ends_with("(--listen)"), "{error}");
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = r#"
        [sevrer]
        listen = "x"
        [server]
        listne = "127.0.0.1:1"
        max_upload = "big"
        metrics = "everybody"
        [plugins]
        settle = -1
        [plugins.ceilings.tool]
        cpu = 3
        [completions]
        attempts = 0
        [database]
        url = "mysql://secret@host/x"
        [egress]
        allow_internal = ["http://localhost"]
        proxy = "socks5://x"
        [secrets.none]
        [secrets.two]
        value = "a"
        env = "B"
        audience = "https://a.example/path"
        [secrets.gone]
        file = "/nowhere/at/all"
        audience = "https://a.example"
        [bindings.UPPER]
        plugin = "openai"
        [bindings.b]
        plugin = "Open AI"
        secrets = { k = "unknown", l = "gone" }
        grant = { http = ["POST api.example.com"], secrets = ["m"], disk = true }
        [[models]]
        id = "a"
        binding = "No Body"
        fallbacks = ["b", "z"]
        [[models]]
        id = "b"
        binding = "extractive"
        fallbacks = ["a"]
        colour = "red"
        [[models]]
        binding = "extractive"
    "#;
    insta::assert_snapshot!(problems(text), @r#"
    the configuration has 26 problems:
      server.listne: unknown key; there are listen, data, max_json_body, max_upload, header_timeout, stall_timeout, max_connections, shutdown_grace, metrics, upgrade_url (FILE, line 5)
      server.max_upload: `big` is not a size such as "10MB" or 65536 (FILE, line 6)
      server.metrics: `everybody` is none of open, operator (FILE, line 7)
      plugins.ceilings.tool.cpu: unknown key; there are memory_mib, cpu_ms, exchange_cpu_ms, wall_ms, output_kib, http_calls, concurrency (FILE, line 11)
      plugins.settle: -1 is below zero; write a duration such as "500ms", "30s" or "5m" (FILE, line 9)
      bindings.b.grant.disk: unknown key; there are http, secrets, kv, index, embed, scratch (FILE, line 32)
      bindings.b.grant.http.0: `POST api.example.com` is no HTTP rule: the scheme is missing (write `POST https://host/path` or `GET,POST https://*.example.com:8443`) (FILE, line 32)
      models.1.colour: unknown key; there are id, description, binding, upstream, context_length, max_output_tokens, dimensions, relevant_cosine, capabilities, prices, fallbacks, tools (FILE, line 41)
      models.2.id: is missing (FILE, line 42)
      sevrer: unknown section; there are server, database, storage, plugins, plugins.ID, egress, completions, log, mail, siem, knowledge, billing.stripe, plans.NAME, secrets.NAME, bindings.NAME, models (FILE, line 2)
      secrets.gone.file: cannot be read: No such file or directory (os error 2) (FILE, line 25)
      secrets.none: needs one of `value`, `env` and `file` (FILE, line 19)
      secrets.none.audience: is missing: add `audience = "https://…"` under [secrets.none], the only origin it may be sent to (FILE, line 19)
      secrets.two: has more than one of `value`, `env` and `file`; leave one (FILE, line 20)
      secrets.two.audience: is no origin: it has a path, a query or a fragment (write `https://host` or `https://host:port`) (FILE, line 23)
      bindings.UPPER: `UPPER` is no binding name: 1 to 63 lower-case letters, digits and hyphens or underscores, a letter first (FILE, line 27)
      bindings.b.plugin: `Open AI` is no plugin id: 1 to 63 lower-case letters, digits and hyphens, a letter first (FILE, line 30)
      bindings.b.secrets.k: is not the name of a secret (there are gone, none, two): add [secrets.NAME] with a value and an audience, and write NAME here (FILE, line 31)
      bindings.b.grant.secrets.0: stands for no secret: write a name that has one under [bindings.b.secrets] (FILE, line 32)
      completions.attempts: must be at least 1 (FILE, line 13)
      database.url: is no `postgres://host/database`; leave it out for SQLite in the data folder (FILE, line 15)
      egress.proxy: is no `http://host:port` (FILE, line 18)
      egress.allow_internal.0: `http://localhost` is neither `host`, `host:port` nor `*.host`; leave scheme and path out (FILE, line 17)
      models.0.binding: there is no binding `No Body`, nor a plugin of that id: add [bindings.No Body] with `plugin = "…"` (FILE, line 35)
      models.0.fallbacks: there is no model `z` to fall back to (FILE, line 36)
      models.0.fallbacks: they lead in a circle: a → b → a (FILE, line 36)
    "#);
}

#[test]
fn a_file_that_is_no_toml_or_not_there() {
    insta::assert_snapshot!(problems("[server\nlisten = 1"), @r"
    the configuration has 1 problem:
      no TOML at column 8: unclosed table, expected `]` (FILE, line 1)
    ");
    let error =
        Config::load(&Sources { file: Some("/nowhere/x.toml".into()), ..Sources::default() }).unwrap_err();
    insta::assert_snapshot!(error, @r"
    the configuration has 1 problem:
      /nowhere/x.toml cannot be read: No such file or directory (os error 2)
    ");
}

/// One run names everything: what cannot be read hides nothing behind it, and moves nothing.
#[test]
fn what_cannot_be_read_hides_nothing() {
    let text = r#"
        completions = 3
        [log]
        level = "a=b=c"
        [egress]
        allow_internal = [
            "good",
            "http://bad",
        ]
        [secrets.gone]
        env = "NOT_SET"
        audience = "https://a.example"
        [bindings.b]
        plugin = "openai"
        secrets = { k = "gone" }
        [[models]]
        id = "a"
        [[models]]
        id = "b"
        binding = "extractive"
        fallbacks = [
            "nobody",
        ]
    "#;
    insta::assert_snapshot!(problems(text), @r"
    the configuration has 6 problems:
      completions: is not a table of keys (FILE, line 2)
      models.0.binding: is missing (FILE, line 16)
      secrets.gone.env: names the environment variable NOT_SET, which is not set, or is no UTF-8 (FILE, line 11)
      log.level: `a=b=c` is neither a level nor a filter (FILE, line 4)
      egress.allow_internal.1: `http://bad` is neither `host`, `host:port` nor `*.host`; leave scheme and path out (FILE, line 8)
      models.1.fallbacks: there is no model `nobody` to fall back to (FILE, line 21)
    ");
    let env = [("HARDPOINT__EGRESS__ALLOW_INTERNAL", "[\"fine\", \"http://bad\"]")];
    insta::assert_snapshot!(load_with("[egress]\nallow_internal = [\n\"a\",\n\"b\",\n]", &env).unwrap_err(), @r"
    the configuration has 1 problem:
      egress.allow_internal.1: `http://bad` is neither `host`, `host:port` nor `*.host`; leave scheme and path out (environment variable HARDPOINT__EGRESS__ALLOW_INTERNAL)
    ");
}

/// `[plugins.folder]` is a table and the key `folder` a text; only `ceilings` is a table of its own.
#[test]
fn a_plugin_may_be_called_like_a_key() {
    let config = load("[plugins]\nsettle = \"3s\"\n[plugins.folder]\nenabled = false\n").unwrap();
    assert_eq!((config.declared["folder"].enabled, &config.plugins.folder), (false, &None));
    assert_eq!(config.plugins.settle, Span::seconds(3));
    let refused = problems("[plugins.ceilings]\nenabled = false\n");
    assert!(refused.contains("there are tool, model, exporter, retriever"), "{refused}");
    assert!(refused.contains("bind it under [bindings.ceilings]"), "{refused}");
}

#[test]
fn the_environment_is_named_where_it_is_to_blame() {
    let error =
        load_with("", &[("HARDPOINT__SERVER__PORT", "1"), ("HARDPOINT__SEVRER__X", "1")]).unwrap_err();
    insta::assert_snapshot!(error, @r"
    the configuration has 2 problems:
      server.port: unknown key; there are listen, data, max_json_body, max_upload, header_timeout, stall_timeout, max_connections, shutdown_grace, metrics, upgrade_url (environment variable HARDPOINT__SERVER__PORT)
      sevrer: unknown section; there are server, database, storage, plugins, plugins.ID, egress, completions, log, mail, siem, knowledge, billing.stripe, plans.NAME, secrets.NAME, bindings.NAME, models (environment variable HARDPOINT__SEVRER__X)
    ");
}

#[test]
fn fallbacks_lead_in_no_circle() {
    let models = |edges: &[(&str, &str)]| {
        let entries = edges.iter().map(|(id, next)| {
            let fallbacks = if next.is_empty() { String::new() } else { format!("fallbacks = [\"{next}\"]") };
            format!("[[models]]\nid = \"{id}\"\nbinding = \"extractive\"\n{fallbacks}\n")
        });
        entries.collect::<String>()
    };
    assert!(load(&models(&[("a", "b"), ("b", "c"), ("c", "")])).is_ok());
    for circle in
        [&[("a", "a")][..], &[("a", "b"), ("b", "c"), ("c", "a")], &[("x", "a"), ("a", "b"), ("b", "a")]]
    {
        let error = load(&models(circle)).unwrap_err();
        assert_eq!(error.0.len(), 1, "{error}");
        assert!(error.to_string().contains("circle"), "{error}");
    }
}

#[test]
fn a_model_may_be_bound_to_a_plugin_by_its_id() {
    let config = load("[[models]]\nid = \"m\"\nbinding = \"somebody\"\n").unwrap();
    assert!(config.unbound(&["somebody".to_owned()].into()).is_empty());
    let problems = config.unbound(&["else".to_owned()].into());
    assert_eq!(problems[0].0, "models.0.binding");
    assert!(load("").unwrap().unbound(&BTreeSet::new()).is_empty());
}

#[test]
fn secrets_are_never_shown() {
    let text = "[secrets.s]\nvalue = \"hunter2\"\naudience = \"https://a.example\"\n[database]\nurl = \"postgres://u:hunter2@h/d\"";
    let config = load(text).unwrap();
    assert_eq!(config.secrets["s"].value.reveal(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(!problems(&format!("{text}\nuri = 1")).contains("hunter2"));
    let error =
        problems("[secrets.s]\nvalue = 4711\naudience = \"https://a.example\"\n[database]\nurl = 4711");
    assert!(
        !error.contains("4711") && error.contains("secrets.s.value: must be a text in quotes"),
        "{error}"
    );
    assert!(!problems("[secrets.s]\nvalue = \"hunter2").contains("hunter2"));
}

/// Whoever mistakes where a secret belongs writes it where a name or a table does.
#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let known = "[secrets.known]\nvalue = \"v\"\naudience = \"https://a.example\"\n";
    for wrong in [
        "secrets = \"sk-live-1\"",
        "secrets.openai = \"sk-live-1\"",
        "secrets.openai = { env = \"sk-live-1\", audience = \"https://a.example\" }",
        "secrets.openai = { file = \"sk-live-1\", audience = \"https://a.example\" }",
        "secrets.openai = { value = \"x\", audience = \"sk-live-1\" }",
        "secrets.openai = { value = \"x\", audience = [\"sk-live-1\"] }",
        "secrets.openai = { value = { sk = \"sk-live-1\" }, audience = \"https://a.example\" }",
        "bindings.b = \"sk-live-1\"",
        "bindings.b = { plugin = \"p\", secrets = \"sk-live-1\" }",
        "bindings.b = { plugin = \"p\", secrets = [\"sk-live-1\"] }",
        "bindings.b = { plugin = \"p\", secrets = { k = \"sk-live-1\" } }",
        "bindings.b = { plugin = \"p\", grant = { secrets = [\"sk-live-1\"] } }",
        "plugins.p = { secrets = \"sk-live-1\" }",
        "plugins.p = { secrets = { k = \"sk-live-1\" } }",
        "egress.proxy = \"https://user:sk-live-1@proxy:3128\"",
        "egress.proxy = \"user:sk-live-1@proxy\"",
        "egress.allow_internal = [\"http://user:sk-live-1@host\"]",
        "bindings.b = { plugin = \"p\", grant = { http = [\"GET https://user:sk-live-1@host\"] } }",
        "secrets.openai = {\n  value = \"sk-live-1\",\n  audience = [\n}",
    ] {
        let told = problems(wrong);
        assert!(!told.contains("sk-live"), "{wrong}: {told}");
    }
    let told = problems(&format!("{known}[plugins.p]\nsecrets = {{ k = \"sk-live-1\" }}"));
    assert!(told.contains("plugins.p.secrets.k: ") && told.contains("there are known"), "{told}");
    for (name, text) in [
        ("HARDPOINT__SECRETS", "sk-live-1"),
        ("HARDPOINT__PLUGINS__P__SECRETS", "sk-live-1"),
        ("HARDPOINT__PLUGINS__P__SECRETS", "4711"),
        ("HARDPOINT__BINDINGS__B__SECRETS__K", "4711"),
    ] {
        let told = load_with("[bindings.b]\nplugin = \"p\"", &[(name, text)]).unwrap_err().to_string();
        assert!(!told.contains("sk-live") && !told.contains("4711"), "{name}: {told}");
    }
}

/// What a newer TOML allows is read by whoever is asked, once.
#[test]
fn a_table_may_take_several_lines() {
    let config = load("secrets.s = {\n  value = \"v\",\n  audience = \"https://a.example\",\n}").unwrap();
    assert_eq!(config.secrets["s"].value.reveal(), "v");
}

#[test]
fn a_variable_that_cannot_be_read_is_reported() {
    let sources = Sources {
        env: vec![
            ("HARDPOINT__".into(), "x".into()),
            ("HARDPOINT__LOG____LEVEL".into(), "x".into()),
            ("HARDPOINT__EGRESS__ALLOW_INTERNAL".into(), "[".repeat(60_000)),
        ],
        garbled: vec!["HARDPOINT__LOG__LEVEL".into(), "LESSOPEN".into()],
        ..Sources::default()
    };
    insta::assert_snapshot!(Config::load(&sources).unwrap_err(), @r"
    the configuration has 4 problems:
      is no UTF-8 (environment variable HARDPOINT__LOG__LEVEL)
      names no key: write HARDPOINT__SECTION__KEY (environment variable HARDPOINT__)
      has tables or lists more than 32 deep (environment variable HARDPOINT__EGRESS__ALLOW_INTERNAL)
      names no key: write HARDPOINT__SECTION__KEY (environment variable HARDPOINT__LOG____LEVEL)
    ");
}

#[test]
fn a_declared_grant_takes_its_audience_from_the_secret() {
    let text = r#"
        [secrets.s]
        value = "v"
        audience = "https://a.example"
        [bindings.b]
        plugin = "openai"
        secrets = { api_key = "s" }
        grant = { http = ["GET,POST https://a.example/v1"], secrets = ["api_key"], kv = true }
    "#;
    let config = load(text).unwrap();
    let grant = config.bindings["b"].grant.clone().unwrap();
    assert_eq!(grant.secret_audience("api_key").unwrap().to_string(), "https://a.example");
    assert_eq!(grant.describe().len(), 3);
}

#[test]
fn master_keys_are_in_a_file_and_in_the_environment() {
    use hardpoint_domain::seal::MasterKey;
    let key = |start: u8| {
        struct From(u8);
        impl hardpoint_domain::time::Rng for From {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(self.0);
            }
        }
        MasterKey::generate(&From(start))
    };
    let (old, new) = (key(1), key(2));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "# made in spring\n{}", old.reveal()).unwrap();
    let toml = format!("[secrets]\nmaster_key_file = \"{}\"\n", file.path().display());
    let config = load_with(&toml, &[("HARDPOINT_MASTER_KEY", &new.reveal())]).unwrap();
    assert_eq!(config.keyring.ids().collect::<Vec<_>>(), [old.id(), new.id()]);
    assert_eq!(config.keyring.newest(), Some(&new));
    assert!(!format!("{config:?}").contains(&old.reveal()[10..20]));

    let wrong = format!("{}0", old.reveal());
    let told =
        load_with("[secrets]\nmaster_key_file = 7\n", &[("HARDPOINT_MASTER_KEY", &wrong)]).unwrap_err();
    let told = told.to_string();
    assert!(told.contains("secrets.master_key_file: is a number"), "{told}");
    assert!(told.contains("not a master key") && !told.contains(&wrong[10..20]), "{told}");
    let empty = tempfile::NamedTempFile::new().unwrap();
    for (path, says) in
        [("/nowhere/key", "cannot be read"), (empty.path().to_str().unwrap(), "without a key")]
    {
        let told = problems(&format!("[secrets]\nmaster_key_file = \"{path}\"\n"));
        assert!(told.contains(says), "{told}");
    }
}

#[test]
fn a_secret_that_only_the_store_can_have_is_awaited() {
    let toml = "[bindings.b]\nplugin = \"p\"\nsecrets = { api_key = \"kept\" }\n[bindings.b.grant]\nsecrets = [\"api_key\"]\n";
    assert!(problems(toml).contains("is not the name of a secret"));
    let key = hardpoint_domain::seal::MasterKey::generate(&crate::system::SystemRng).reveal();
    let config = load_with(toml, &[("HARDPOINT_MASTER_KEY", &key)]).unwrap();
    let awaited = &config.awaited[0];
    assert_eq!((awaited.secret.as_str(), awaited.key.as_str()), ("kept", "bindings.b.secrets.api_key"));
    assert!(awaited.is_granted && config.bindings["b"].grant.as_ref().unwrap().secrets.is_empty());
    // What can be no name is a secret in the wrong place.
    let told = load_with(&toml.replace("kept", "sk-Live!"), &[("HARDPOINT_MASTER_KEY", &key)]).unwrap_err();
    assert!(!told.to_string().contains("sk-Live"), "{told}");
}

#[test]
fn what_cannot_be_mail() {
    let told = problems(
        "[mail]\nfrom = \"nobody\"\nhost = \"smtp://a\"\nuser = \"u\"\ntls = \"ssl\"\npassword_secret = \"x\"\npassword = \"pw-canary\"\n",
    );
    for says in [
        "mail.tls: `ssl` is none of",
        "mail.from: `nobody` is no sender",
        "mail.host: is no name",
        "mail.password_secret: stands beside",
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
    assert!(!told.contains("pw-canary"));
    assert!(problems("[mail]\nuser = \"u\"\n").contains("mail.host: is missing"));
    assert!(
        problems("[mail]\nhost = \"h\"\nuser = \"u\"\n")
            .contains("one of `user` and the password is missing")
    );
    let config =
        load_with("[mail]\nhost = \"h\"\nuser = \"u\"\n", &[("HARDPOINT__MAIL__PASSWORD", "007")]).unwrap();
    assert_eq!(config.mail.password.as_ref().unwrap().reveal(), "007");
    assert_eq!(config.mail.port(), 587);
}

#[test]
fn uploads_are_kept_apart_from_the_plugins_folder() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name).display().to_string();
    std::fs::create_dir(at("plugins")).unwrap();
    std::fs::write(at("file"), "").unwrap();
    std::os::unix::fs::symlink(at("plugins"), at("link")).unwrap();
    std::fs::create_dir(at("linked")).unwrap();
    std::os::unix::fs::symlink(at("plugins"), at("linked/plugins")).unwrap();
    let written = |plugins: &str, blobs: &str| {
        let text = format!("[plugins]\nfolder = \"{}\"\n[storage]\nblobs = \"{blobs}\"\n", at(plugins));
        load(&text).map(drop).map_err(|error| error.to_string())
    };
    for (plugins, blobs) in [
        ("plugins", at("")),
        ("plugins", at("plugins")),
        ("link", at("plugins/in")),
        ("new/plugins", at("new")),
        ("plugins", at("linked")),
        ("new/plugins", at("none/../new/plugins")),
    ] {
        let problem = written(plugins, &blobs).unwrap_err();
        assert!(problem.contains("storage.blobs") && problem.contains("must be apart"), "{problem}");
    }
    assert!(written("plugins", "").unwrap_err().contains("must be the path of a folder"));
    assert!(written("plugins", &at("file")).unwrap_err().contains("is no folder"));
    assert_eq!(written("plugins", &at("plugins2")), Ok(()));
    // Where nothing is said of it too.
    let text = format!("[server]\ndata = \"{0}\"\n[plugins]\nfolder = \"{0}/blobs/plugins\"\n", at("data"));
    assert!(problems(&text).contains("must be apart"));
    assert!(load(&format!("[plugins]\nfolder = \"{}\"\n", Path::new(".").display())).is_ok());
}
