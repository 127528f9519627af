//! `hardpoint plugin pause`, `resume`, `rollback` and `discard`.

use clap::Args;
use hardpoint_store::plugins::Plugin;
use serde_json::{Value, json};

use super::outlook::Outlook;
use super::{Failure, present_for, whole};
use crate::cli::folder::{self, Found};
use crate::cli::hints::Hints;
use crate::config::Config;
use crate::service::events::Author;
use crate::service::plugins::discard::Discarded;
use crate::service::plugins::narrow::TakenBack;
use crate::service::plugins::switch::RolledBack;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The plugin's id.
    id: String,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct RollbackArguments {
    /// The plugin's id.
    id: String,
    /// Exactly the version whose digest begins so; the one that served before where left out.
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct DiscardArguments {
    /// The plugin's id.
    id: String,
    /// Exactly the version whose digest begins so, where more than one waits; the one that would serve next where left
    /// out.
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn pause(config: Config, arguments: &Arguments, hints: &Hints) -> Result<(), Failure> {
    let desk = present_for(config, &arguments.id).await?;
    let paused = desk.pause(&Author::cli(), &arguments.id).await?;
    desk.store.close().await;
    let Plugin { id, version, .. } = &paused;
    if arguments.json {
        return hints.print_json(&named(&paused));
    }
    println!(
        "{id} {version} is paused: what is under way is finished, and no version serves until it is resumed."
    );
    println!("{}", hints.text(&format!("Resume it with `hardpoint plugin resume {id}`.")));
    Ok(())
}

pub(super) async fn resume(config: Config, arguments: &Arguments, hints: &Hints) -> Result<(), Failure> {
    let desk = present_for(config, &arguments.id).await?;
    let resumed = desk.resume(&Author::cli(), &arguments.id).await?;
    let outlook = Outlook::of(&desk, &arguments.id).await?;
    desk.store.close().await;
    let Plugin { id, version, .. } = &resumed;
    if arguments.json {
        let mut told = named(&resumed);
        told["candidate"] = json!(outlook.view().candidate);
        return hints.print_json(&told);
    }
    println!("{id} {version} is no longer paused. {}", hints.text(&outlook.sentence(&resumed.digest)));
    if let Some(candidate) = outlook.candidate() {
        println!("{}", hints.text(&candidate));
    }
    Ok(())
}

pub(super) async fn roll_back(
    config: Config,
    arguments: &RollbackArguments,
    hints: &Hints,
) -> Result<(), Failure> {
    let desk = present_for(config, &arguments.id).await?;
    let digest = whole(&desk, &arguments.id, arguments.digest.as_ref()).await?;
    let RolledBack { version: next, taken_back } =
        desk.roll_back(&Author::cli(), &arguments.id, digest.as_deref()).await?;
    let outlook = Outlook::of(&desk, &arguments.id).await?;
    desk.store.close().await;
    if arguments.json {
        let mut told = named(&next);
        let now = outlook.version(&next.digest);
        told["taken_back"] = json!(taken_back);
        told["state"] = json!(now.map(|now| &now.state));
        told["reason"] = json!(now.and_then(|now| now.reason.as_ref()));
        return hints.print_json(&told);
    }
    println!("Back to {} {}. {}", next.id, next.version, hints.text(&outlook.sentence(&next.digest)));
    if let Some(meanwhile) = outlook.meanwhile(&next.digest) {
        println!("{meanwhile}");
    }
    show_taken_back(&taken_back, "When it serves, what it does not ask for is no longer allowed:");
    Ok(())
}

pub(super) async fn discard(
    config: Config,
    arguments: &DiscardArguments,
    hints: &Hints,
) -> Result<(), Failure> {
    let desk = present_for(config, &arguments.id).await?;
    let digest = whole(&desk, &arguments.id, arguments.digest.as_ref()).await?;
    let Discarded { version: gone, taken_back } =
        desk.discard(&Author::cli(), &arguments.id, digest.as_deref()).await?;
    let outlook = Outlook::of(&desk, &arguments.id).await?;
    desk.store.close().await;
    if arguments.json {
        let mut told = named(&gone);
        told["taken_back"] = json!(taken_back);
        return hints.print_json(&told);
    }
    let Plugin { id, version, digest, .. } = gone;
    println!("{id} {version} ({digest}) is discarded. {}", hints.text(&outlook.left()));
    show_taken_back(&taken_back, "What was allowed for its sake is taken back:");
    // By what is in it: the name may be another version's by now.
    let left = folder::components(&desk.config).find(|found| found.inspection.digest == digest);
    if let Some(Found { name, .. }) = left {
        println!("The file {name} stays in the plugins folder, and is taken up again when it changes.");
    }
    Ok(())
}

/// A version, for programs.
fn named(version: &Plugin) -> Value {
    let Plugin { id, version, digest, .. } = version;
    json!({ "id": id, "version": version, "digest": digest })
}

/// What bindings are no longer allowed.
fn show_taken_back(taken_back: &TakenBack, title: &str) {
    if !taken_back.is_empty() {
        println!("{title}");
    }
    for (binding, allowed) in taken_back {
        for item in allowed {
            println!("  binding {binding}: {item}");
        }
    }
}
