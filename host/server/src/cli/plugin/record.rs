//! `hardpoint plugin record`: one live exchange, kept as a recording.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use hardpoint_domain::manifest::Manifest;
use hardpoint_recording::Recording;
use hardpoint_runtime::egress::EgressConfig;
use hardpoint_runtime::inspect;
use serde_json::json;

use super::{Failure, component, count, workbench};
use crate::author::bench::Bench;
use crate::author::recorder::Recorder;
use crate::author::replay;
use crate::cli::print_json;
use crate::cli::serve::compiler;
use crate::config::Config;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The packed component.
    file: PathBuf,
    /// What to ask: a recording without `exchanges` and `expect`.
    question: PathBuf,
    /// A secret the manifest asks for, and the environment variable that holds it. May be repeated.
    #[arg(long, value_name = "NAME=VARIABLE")]
    secret: Vec<String>,
    /// Where the recording goes; standard output where left out.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Put it in the place of a file that is there.
    #[arg(long, requires = "out")]
    force: bool,
    /// With --out: say what was recorded as JSON, for programs. Without, standard output is the recording, JSON itself.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, data: Option<&Path>, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(file) = arguments.out.as_deref().filter(|file| file.exists() && !arguments.force) {
        let what = format!("{} is there already: name another file, or add --force", file.display());
        return Err(Failure::Misuse(what));
    }
    let secrets = secrets(&arguments.secret)?;
    let component = component::read(&arguments.file)?;
    let inspection =
        inspect(&component).with_context(|| format!("{} is no plugin", arguments.file.display()))?;
    check_names(&secrets, &inspection.manifest)?;
    let question = arguments.question.display();
    let text =
        std::fs::read_to_string(&arguments.question).with_context(|| format!("{question} cannot be read"))?;
    let mut recording = Recording::from_json(&text).map_err(|error| anyhow!("{question}: {error}"))?;
    let asked = recording.asked().map_err(|error| anyhow!("{question}: {error}"))?;
    let recorder = Recorder::new();
    // As a server would reach the outside, by the same configuration.
    let egress = EgressConfig {
        allow_internal: config.egress.allow_internal.clone(),
        proxy: config.egress.proxy.clone(),
        ..EgressConfig::default()
    };
    let bench = Bench::open(component, &workbench(data)?, compiler()?, egress, recorder.clone()).await?;
    let binding = bench.bind(&recording.settings, |name| secrets.get(name).cloned())?;
    recording.expect = replay::run(&bench, &binding, asked).await?;
    recording.exchanges = recorder.exchanges();
    if recording.exchanges.is_empty() {
        eprintln!("The plugin sent no request: the recording holds what it was asked and what came of it.");
    }
    if recording.expect.failure.is_some() {
        eprintln!("What was recorded is a failure: keep it only if the plugin is to fail like that.");
    }
    let text = recording.to_json();
    match &arguments.out {
        Some(file) => {
            std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
            let requests = recording.exchanges.len();
            if arguments.json {
                return print_json(
                    &json!({ "file": file, "requests": requests, "expect": recording.expect }),
                );
            }
            eprintln!("{} recorded in {}", count(requests, "request"), file.display());
        }
        None => print!("{text}"),
    }
    Ok(())
}

/// Refuses secrets that the plugin does not ask for: a name was mistaken, and its request would go out without one.
fn check_names(secrets: &BTreeMap<String, String>, manifest: &Manifest) -> Result<(), Failure> {
    let is_asked = |name: &&String| manifest.secret.iter().any(|wish| wish.name == **name);
    let Some(stranger) = secrets.keys().find(|name| !is_asked(name)) else { return Ok(()) };
    let known: Vec<&str> = manifest.secret.iter().map(|wish| wish.name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let id = &manifest.id;
    Err(Failure::Misuse(format!("--secret: plugin {id} asks for no secret `{stranger}`, but for {known}")))
}

/// Secrets by the manifest's names. Their values come from the environment: a command line is seen by others. What
/// somebody wrote in the place of a variable's name may be the secret, and is not repeated.
fn secrets(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let secret = |text: &String| {
        let wrong = |what: &str| Failure::Misuse(format!("--secret {what}: write NAME=VARIABLE"));
        let (name, variable) = text.split_once('=').ok_or_else(|| wrong("has no `=`"))?;
        let value = std::env::var(variable)
            .map_err(|_| wrong(&format!("{name} names an environment variable that is not set")))?;
        Ok((name.to_owned(), value))
    };
    given.iter().map(secret).collect()
}
