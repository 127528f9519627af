//! The steps of `cargo xtask test`, cheap ones first.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::clients::Clients;
use crate::cluster::{Cluster, VARIABLE};
use crate::{clients, debian, deny, docs, model, places, plugins, run, tidy};

/// One step.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&mut Needs) -> Result<()>,
}

/// Every step, in the order in which they run.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "fmt", about: "formatting of every workspace", run: fmt },
    Step {
        name: "tidy",
        about: "our own checks: who may know what, lengths, leftovers",
        run: |_| tidy::check().and_then(|()| docs::check()),
    },
    Step {
        name: "deny",
        about: "licences, bans and sources of dependencies, by cargo-deny",
        run: |_| deny::check(),
    },
    Step {
        name: "guests",
        about: "plugins and hostile guests, built as components",
        run: |needs| needs.guests(),
    },
    Step { name: "clippy", about: "clippy of every workspace, warnings denied", run: clippy },
    Step { name: "doc", about: "rustdoc, broken links denied", run: doc },
    Step {
        name: "plugins",
        about: "the plugins' own tests, natively, with the SDK's harness",
        run: plugin_tests,
    },
    Step { name: "unit", about: "the tests of every crate, the store's on SQLite and PostgreSQL", run: unit },
    Step {
        name: "templates",
        about: "a project for every kind and language, made, tested, built, packed and called",
        run: templates,
    },
    Step { name: "blackbox", about: "the real binary, real sockets, real clients", run: blackbox },
];

/// Workspaces apart from the host's: they are built for another target, and lint themselves.
const GUEST_WORKSPACES: [&str; 2] = ["plugins", "tests/fixtures"];

/// What several steps need, made once and only when needed. Ends the database with itself.
#[derive(Default)]
pub(crate) struct Needs {
    database: Option<Cluster>,
    built_guests: bool,
    /// Requests that are made of each described operation.
    examples: u32,
}

impl Needs {
    /// Nothing is made yet.
    pub(crate) fn new(examples: u32) -> Self {
        Self { examples, ..Self::default() }
    }

    /// The address of a PostgreSQL: the caller's own, or a throw-away one that ends with us.
    fn postgres(&mut self) -> Result<String> {
        if let Ok(url) = std::env::var(VARIABLE)
            && !url.is_empty()
        {
            eprintln!("PostgreSQL: the one that {VARIABLE} names");
            return Ok(url);
        }
        if self.database.is_none() {
            let why =
                || format!("the store is tested on PostgreSQL too; {VARIABLE} can name one (postgres://…)");
            let cluster = cluster(Cluster::start).with_context(why)?;
            eprintln!("PostgreSQL: a throw-away cluster at {}", cluster.url());
            self.database = Some(cluster);
        }
        self.database.as_ref().map(Cluster::url).context("no cluster")
    }

    fn guests(&mut self) -> Result<()> {
        if !self.built_guests {
            // Building would mend a stale lock file and say nothing.
            for workspace in GUEST_WORKSPACES {
                let manifest = places::root().join(workspace).join("Cargo.toml");
                let mut look = run::cargo(&["metadata", "--locked", "--format-version", "1"]);
                run::output(look.arg("--manifest-path").arg(manifest))?;
            }
            plugins::build(true, None)?;
            self.built_guests = true;
        }
        Ok(())
    }
}

/// A cluster, started in one way or the other; PostgreSQL is installed where it is missing.
pub(crate) fn cluster(start: fn() -> io::Result<Cluster>) -> Result<Cluster> {
    match start() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            debian::install(&["postgresql"], "the store's second database")?;
            Ok(start()?)
        }
        started => Ok(started?),
    }
}

fn fmt(_: &mut Needs) -> Result<()> {
    run::show_and_run(&mut run::cargo(&["fmt", "--all", "--check"]))?;
    for workspace in GUEST_WORKSPACES {
        let mut fmt = run::cargo(&["fmt", "--all", "--check"]);
        run::show_and_run(fmt.arg("--manifest-path").arg(places::root().join(workspace).join("Cargo.toml")))?;
    }
    Ok(())
}

fn clippy(_: &mut Needs) -> Result<()> {
    run::show_and_run(&mut run::cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))?;
    for workspace in GUEST_WORKSPACES {
        let mut clippy = run::cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--quiet"]);
        in_guest_workspace(&mut clippy, workspace);
        run::show_and_run(clippy.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn doc(_: &mut Needs) -> Result<()> {
    let mut doc = run::cargo(&["doc", "--workspace", "--no-deps", "--locked", "--quiet"]);
    // Private items are documented too, so links to them lead somewhere.
    run::show_and_run(doc.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"))
}

fn plugin_tests(_: &mut Needs) -> Result<()> {
    let mut test = run::cargo(&["test", "--workspace", "--locked"]);
    in_guest_workspace(&mut test, "plugins");
    run::show_and_run(&mut test)
}

/// The whole workspace is named here and in `blackbox`, so that both build dependencies with the same features.
fn unit(needs: &mut Needs) -> Result<()> {
    let database = needs.postgres()?;
    needs.guests()?;
    model::prepare()?;
    let mut test =
        run::cargo(&["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--test", "it"]);
    run::show_and_run(with_guests(test.env(VARIABLE, &database)))?;
    let mut doc = run::cargo(&["test", "--workspace", "--locked", "--doc"]);
    run::show_and_run(&mut doc)
}

fn templates(_: &mut Needs) -> Result<()> {
    let host = host()?;
    let mut test = run::cargo(&["test", "--workspace", "--locked", "--test", "templates"]);
    // What passed says what it took, and how much of the conformance suite it passed.
    test.args(["--", "--show-output"]);
    run::show_and_run(test.env("HARDPOINT_BIN", host))
}

/// The host's binary, as the crates' own tests need it: `cargo build` would leave the test dependencies out,
/// choose other features, and build wasmtime a second time.
fn host() -> Result<PathBuf> {
    run::show_and_run(&mut run::cargo(&["test", "--workspace", "--locked", "--test", "it", "--no-run"]))?;
    let host = places::host_binary("debug");
    ensure!(host.is_file(), "{} was not built", host.display());
    Ok(host)
}

fn blackbox(needs: &mut Needs) -> Result<()> {
    let database = needs.postgres()?;
    needs.guests()?;
    let Clients { python, javascript, schemathesis } = clients::prepare()?;
    if !run::on_path("curl") {
        debian::install(&["curl", "ca-certificates"], "testing the lines of the README")?;
    }
    if !run::on_path("pdftotext") {
        debian::install(&["poppler-utils"], "comparing what is cited of a PDF")?;
    }
    model::prepare()?;
    let manual = debian::file_of("libtasn1-doc", "usr/share/doc/libtasn1-doc/libtasn1.pdf")?;
    let host = host()?;
    let mut test = run::cargo(&["test", "--workspace", "--locked", "--test", "blackbox"]);
    test.env("HARDPOINT_BIN", host).env(VARIABLE, database);
    test.env("HARDPOINT_PYTHON", python).env("HARDPOINT_JAVASCRIPT", javascript);
    test.env("HARDPOINT_SCHEMATHESIS", schemathesis).env("HARDPOINT_EXAMPLES", needs.examples.to_string());
    test.env("HARDPOINT_PDF", manual);
    run::show_and_run(with_guests(&mut test))
}

/// Told where the components are that plugins and fixtures were built to.
pub(crate) fn with_guests(command: &mut Command) -> &mut Command {
    command.env("HARDPOINT_PLUGINS", places::target().join("plugins"));
    command.env("HARDPOINT_FIXTURES", places::target().join("fixtures"))
}

/// Natively, in a target folder that both guest workspaces share.
fn in_guest_workspace(command: &mut Command, workspace: &str) {
    command.arg("--manifest-path").arg(places::root().join(workspace).join("Cargo.toml"));
    command.arg("--target-dir").arg(places::target().join("guests-native"));
}
