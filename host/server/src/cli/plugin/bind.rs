//! `hardpoint plugin bind` and `unbind`.

use std::collections::BTreeMap;

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

use super::call::object;
use super::outlook::Outlook;
use super::{Failure, present_for};
use crate::cli::hints::Hints;
use crate::cli::print_json;
use crate::config::Config;
use crate::service::events::Author;
use crate::service::plugins::bind::{Bound, NewBinding};

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The plugin's id.
    id: String,
    /// The binding's name: what models, exports and tools are called by. The plugin's id where left out.
    name: Option<String>,
    /// Its settings: a JSON object, or @FILE with one.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    settings: String,
    /// The manifest's name for a secret, and the one of hardpoint.toml that stands for it; may be repeated.
    #[arg(long, value_name = "NAME=SECRET")]
    secret: Vec<String>,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct UnbindArguments {
    /// The plugin's id.
    id: String,
    /// The binding's name.
    name: String,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn bind(config: Config, arguments: &Arguments, hints: &Hints) -> Result<(), Failure> {
    let new = NewBinding { settings: settings(&arguments.settings)?, secrets: secrets(&arguments.secret)? };
    let (id, name) = (&arguments.id, arguments.name.as_ref().unwrap_or(&arguments.id));
    let desk = present_for(config, id).await?;
    let bound = desk.bind(&Author::cli(), id, name, new).await?;
    let serving = desk.serving(id).await?;
    let outlook = Outlook::of(&desk, id).await?;
    desk.store.close().await;
    if arguments.json {
        let Bound { created, planned, named } = &bound;
        return hints.print_json(&json!({
            "plugin": id,
            "name": name,
            "created": created,
            "settings": planned.settings,
            "ready": planned.is_ready(),
            "reason": planned.obstacle(id, named.as_deref()),
            "warnings": planned.warnings,
        }));
    }
    println!("Binding {name} of {id} is {}.", if bound.created { "made" } else { "changed" });
    for warning in &bound.planned.warnings {
        println!("Warning: {}", hints.text(warning));
    }
    match bound.planned.obstacle(id, bound.named.as_deref()) {
        Some(obstacle) => println!("It does not serve yet: {}", hints.text(&obstacle)),
        None => println!("{}", hints.text(&outlook.sentence(&serving.digest))),
    }
    Ok(())
}

pub(super) async fn unbind(config: Config, arguments: &UnbindArguments) -> Result<(), Failure> {
    let UnbindArguments { id, name, json } = arguments;
    let desk = present_for(config, id).await?;
    desk.unbind(&Author::cli(), id, name).await?;
    desk.store.close().await;
    if *json {
        return print_json(&json!({ "plugin": id, "name": name }));
    }
    println!("Binding {name} of {id} is gone. A running server follows within a second.");
    Ok(())
}

fn settings(text: &str) -> Result<Map<String, Value>, Failure> {
    let Some(file) = text.strip_prefix('@') else { return object("--settings", text) };
    let text = std::fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))?;
    object(file, &text)
}

fn secrets(pairs: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((asked, secret)) if !asked.is_empty() && !secret.is_empty() => {
            Ok((asked.to_owned(), secret.to_owned()))
        }
        _ => {
            Err(Failure::Misuse("--secret: write the manifest's name, `=`, and the secret's name".to_owned()))
        }
    };
    pairs.iter().map(pair).collect()
}
