//! `hardpoint plugin grant` and `revoke`.

use std::path::Path;

use bytes::Bytes;
use clap::Args;
use hardpoint_store::plugins::Source;
use serde_json::{Value, json};

use super::outlook::Outlook;
use super::{Failure, component, confirm, desk, has_store, no_store, present_for, whole};
use crate::cli::folder;
use crate::cli::hints::Hints;
use crate::config::Config;
use crate::service::events::Author;
use crate::service::plugins::desk::Revoked;
use crate::service::plugins::near::{but, near};
use crate::service::plugins::plan::{Planned, Readiness};
use crate::service::plugins::{Desk, DeskError, Granted};

/// So many digits of a digest are taken for the whole: 128 bits.
const EXACT_DIGITS: usize = 32;

#[derive(Args)]
pub(in crate::cli) struct GrantArguments {
    /// The plugin's id.
    id: String,
    /// Only this binding of it.
    #[arg(long, value_name = "NAME")]
    binding: Option<String>,
    /// Exactly the version whose digest begins so; the one that waits where left out, else the one that serves.
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Answer in JSON, for programs; implies --yes.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct RevokeArguments {
    /// The plugin's id.
    id: String,
    /// Only this binding of it.
    #[arg(long, value_name = "NAME")]
    binding: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Answer in JSON, for programs; implies --yes.
    #[arg(long)]
    json: bool,
}

pub(super) async fn grant(config: Config, arguments: &GrantArguments, hints: &Hints) -> Result<(), Failure> {
    let (id, binding) = (&arguments.id, arguments.binding.as_deref());
    component::check_id(id)?;
    let asks = !(arguments.yes || arguments.json);
    // What lies in the folder may be granted before a host has seen it. Where nothing does, no store is made.
    if !has_store(&config) {
        if !config.plugins_folder().is_dir() {
            return Err(no_store(&config));
        }
        in_folder(&config, id, &[])?;
    }
    let desk = desk(config).await?;
    match desk.version(id, None).await {
        Err(DeskError::NoPlugin { near, .. }) => take_from_folder(&desk, id, &near).await?,
        known => drop(known?),
    }
    let digest = whole(&desk, id, arguments.digest.as_ref()).await?;
    if !asks {
        arguments.digest.as_deref().map_or(Ok(()), exact)?;
    }
    let preview = desk.preview(id, digest.as_deref(), binding).await?;
    if asks {
        show(&preview, "would be allowed to");
        confirm("Allow this?")?;
    }
    // Exactly what was shown, or nothing.
    desk.grant_shown(&Author::cli(), id, &preview).await?;
    let outlook = Outlook::of(&desk, id).await?;
    desk.store.close().await;
    if arguments.json {
        return hints.print_json(&granted_json(&preview, &outlook));
    }
    if asks {
        println!("Allowed.");
    } else {
        show(&preview, "is allowed to");
    }
    println!("{}", hints.text(&outlook.sentence(&preview.version.digest)));
    for planned in preview.bindings.iter().filter(|planned| planned.declared) {
        println!("What binding {} may do stands in hardpoint.toml, and was left as it is.", planned.name);
    }
    // The command has read what the host may have been started before.
    for planned in preview.bindings.iter().filter(|planned| planned.table().is_some()) {
        let name = &planned.name;
        println!(
            "Binding {name} stands in hardpoint.toml: restart a host that was started before it stood there."
        );
    }
    Ok(())
}

/// Refuses a beginning of a digest that other bytes could be made to have: nobody looks at what is allowed.
fn exact(digest: &str) -> Result<(), Failure> {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest).len();
    if digits >= EXACT_DIGITS {
        return Ok(());
    }
    Err(Failure::Misuse(format!(
        "--digest {digest}: without a question it takes at least {EXACT_DIGITS} of the digits, and all of them stand in \
         `hardpoint plugin inspect`"
    )))
}

fn granted_json(granted: &Granted, outlook: &Outlook) -> Value {
    let binding = |planned: &Planned| {
        json!({
            "name": planned.name,
            "allowed": planned.asked.describe(),
            "declared": planned.declared,
            "configured": planned.table().is_some(),
        })
    };
    let version = &granted.version;
    let now = outlook.version(&version.digest);
    json!({
        "id": version.id,
        "version": version.version,
        "digest": version.digest,
        "bindings": granted.bindings.iter().map(binding).collect::<Vec<_>>(),
        "state": now.map(|now| &now.state),
        "reason": now.and_then(|now| now.reason.as_ref()),
    })
}

pub(super) async fn revoke(
    config: Config,
    arguments: &RevokeArguments,
    hints: &Hints,
) -> Result<(), Failure> {
    let (id, binding) = (&arguments.id, arguments.binding.as_deref());
    let desk = present_for(config, id).await?;
    if !(arguments.yes || arguments.json) {
        match binding {
            Some(binding) => println!("Binding {binding} of {id} stops serving."),
            None => println!(
                "{id} stops serving, and what its bindings were allowed by command or API is forgotten."
            ),
        }
        confirm("Revoke?")?;
    }
    let Revoked { bindings, stopped, again, declared } = desk.revoke(&Author::cli(), id, binding).await?;
    desk.store.close().await;
    if arguments.json {
        return hints.print_json(&json!({
            "id": id, "bindings": bindings, "stopped": stopped, "again": again, "declared": declared,
        }));
    }
    match bindings.as_slice() {
        [] if !stopped => println!("Nothing was allowed that could be taken back."),
        [] => println!("{id} is out of service. A running server follows within a second."),
        some => println!("Taken back from {}. A running server follows within a second.", some.join(", ")),
    }
    for (binding, place) in &declared {
        println!("What binding {binding} may do stands under {place}, and stays.");
    }
    if let Some(again) = again {
        println!("{}", hints.text(&format!("It serves again after `{again}`.")));
    }
    Ok(())
}

/// Takes a plugin out of the folder that no server has looked at yet. `published` are those that may have been meant.
async fn take_from_folder(desk: &Desk, id: &str, published: &[String]) -> Result<(), Failure> {
    let (name, bytes) = in_folder(&desk.config, id, published)?;
    let taken = desk.upload(&Author::cli(), bytes, Source::Folder, Some(name)).await;
    taken.map(drop).map_err(|error| Failure::Other(error.into()))
}

/// The file of a plugin in the folder: its name and its bytes. `published` are those that may have been meant.
fn in_folder(config: &Config, id: &str, published: &[String]) -> Result<(String, Bytes), Failure> {
    let mut others = published.to_vec();
    for found in folder::components(config) {
        if found.inspection.manifest.id == id {
            return Ok((found.name, found.bytes));
        }
        others.push(found.inspection.manifest.id);
    }
    if Path::new(id).is_dir() {
        return Err(component::folder(Path::new(id)));
    }
    let but = but(&near(id, others.iter().map(String::as_str)));
    let path = config.plugins_folder();
    Err(Failure::Other(anyhow::anyhow!(
        "there is no plugin `{id}`{but}, neither published nor in {}; `hardpoint plugin list` tells those that there are",
        path.display()
    )))
}

fn show(granted: &Granted, may: &str) {
    let version = &granted.version;
    println!("{} {} ({})", version.id, version.version, version.digest);
    for planned in &granted.bindings {
        match &planned.readiness {
            Readiness::Unfit(reason) => println!("Binding {} is left out: {reason}", planned.name),
            _ if planned.asked.is_empty() => println!("Binding {} asks for nothing.", planned.name),
            // Whatever is said here, the file decides.
            _ if planned.declared => println!("Binding {} asks to:", planned.name),
            _ => println!("Binding {} {may}:", planned.name),
        }
        for item in planned.asked.describe() {
            println!("  - {item}");
        }
        for warning in &planned.warnings {
            println!("  note: {warning}");
        }
    }
}
