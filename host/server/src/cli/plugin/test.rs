//! `hardpoint plugin test`: an author's recordings, and what every plugin must bear, in the real sandbox.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Args;
use hardpoint_recording::Recording;
use hardpoint_runtime::egress::EgressConfig;
use serde::Serialize;
use serde_json::{Map, Value};

use super::call::object;
use super::{Failure, component, count, workbench};
use crate::author::bench::Bench;
use crate::author::conformance::{Stubborn, conformance};
use crate::author::replay::{Player, replay};
use crate::cli::print_json;
use crate::cli::serve::compiler;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The packed component.
    file: PathBuf,
    /// A recording, or a folder of them; `recordings` here or beside the component where left out, if it is there.
    #[arg(long, value_name = "PATH")]
    recordings: Option<PathBuf>,
    /// Also try what every plugin of its kind must bear.
    #[arg(long)]
    conformance: bool,
    /// Settings for --conformance: a JSON object. What is required is made up where left out.
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// Name what passed too.
    #[arg(long, short)]
    verbose: bool,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// One thing that was tried.
#[derive(Serialize)]
struct Line {
    name: String,
    passed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

pub(super) async fn run(data: Option<&Path>, arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.settings.as_deref().map(|text| object("--settings", text)).transpose()?;
    let component = component::read(&arguments.file)?;
    let home = workbench(data)?;
    let beside = arguments.file.with_file_name("recordings");
    let folder = arguments
        .recordings
        .clone()
        .or_else(|| [PathBuf::from("recordings"), beside].into_iter().find(|folder| folder.exists()));
    if folder.is_none() && !arguments.conformance {
        return Err(Failure::Misuse(
            "there is nothing to test: name recordings with --recordings, or add --conformance".to_owned(),
        ));
    }
    let mut lines = Vec::new();
    if let Some(folder) = folder {
        lines.extend(replay_all(component.clone(), &home, &folder).await?);
    }
    if arguments.conformance {
        lines.extend(conform(component, &home, settings).await?);
    }
    report(&lines, arguments)
}

async fn replay_all(component: Bytes, home: &Path, path: &Path) -> Result<Vec<Line>, Failure> {
    let files = files(path)?;
    if files.is_empty() {
        return Err(Failure::Misuse(format!("there are no recordings (*.json) in {}", path.display())));
    }
    let player = Player::new();
    let bench = Bench::open(component, home, compiler()?, EgressConfig::default(), player.clone()).await?;
    let mut lines = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(&file).with_context(|| format!("{name} cannot be read"))?;
        let recording = Recording::from_json(&text).map_err(|error| anyhow!("{name}: {error}"))?;
        let (problems, ways) = replay(&bench, &player, &recording).await.with_context(|| name.clone())?;
        let name = format!("{name}: {} ({})", recording.about, count(ways, "way"));
        lines.push(Line { name, passed: problems.is_empty(), problems });
    }
    Ok(lines)
}

async fn conform(
    component: Bytes,
    home: &Path,
    settings: Option<Map<String, Value>>,
) -> Result<Vec<Line>, Failure> {
    let tape = Stubborn::new();
    let bench = Bench::open(component, home, compiler()?, EgressConfig::default(), tape.clone()).await?;
    let checks = conformance(&bench, &tape, settings).await?;
    let line = |check: crate::author::conformance::Check| Line {
        name: check.name,
        passed: check.problem.is_none(),
        problems: check.problem.into_iter().collect(),
    };
    Ok(checks.into_iter().map(line).collect())
}

/// The file itself, or the JSON files of the folder in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("{} cannot be read", path.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn report(lines: &[Line], arguments: &Arguments) -> Result<(), Failure> {
    let failed = lines.iter().filter(|line| !line.passed).count();
    if arguments.json {
        print_json(&lines)?;
    } else {
        for line in lines.iter().filter(|line| arguments.verbose || !line.passed) {
            println!("{}  {}", if line.passed { "ok    " } else { "FAILED" }, line.name);
            for problem in &line.problems {
                println!("          {problem}");
            }
        }
        println!("{} passed, {failed} failed", lines.len() - failed);
    }
    if failed == 0 {
        return Ok(());
    }
    let text = anyhow!("{} of {}", count(failed, "failure"), count(lines.len(), "trial"));
    Err(Failure::Told(Box::new(Failure::Other(text))))
}
