//! `hardpoint plugin grant` and `revoke`.

use bytes::Bytes;
use clap::Args;
use hardpoint_runtime::inspect;
use hardpoint_store::plugins::Source;
use serde_json::json;

use super::{Failure, confirm, desk, has_store, no_store, present};
use crate::cli::print_json;
use crate::config::Config;
use crate::service::events::Author;
use crate::service::plugins::near::{but, near};
use crate::service::plugins::plan::Planned;
use crate::service::plugins::{Desk, DeskError, Granted};
use crate::worker::reload::folder::{Content, Entry, Folder};

#[derive(Args)]
pub(in crate::cli) struct GrantArguments {
    /// The plugin's id.
    id: String,
    /// Only this binding of it.
    #[arg(long, value_name = "NAME")]
    binding: Option<String>,
    /// Exactly these bytes; the version that waits where left out, else the one that serves.
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// For programs; implies --yes.
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
    /// For programs; implies --yes.
    #[arg(long)]
    json: bool,
}

pub(super) async fn grant(config: Config, arguments: &GrantArguments) -> Result<(), Failure> {
    // What lies in the folder may be granted before a host has seen it. Where nothing does, no store is made.
    if !has_store(&config) {
        if !config.plugins_folder().is_dir() {
            return Err(no_store(&config));
        }
        in_folder(&config, &arguments.id, &[])?;
    }
    let desk = desk(config).await?;
    let (id, digest, binding) = (&arguments.id, arguments.digest.as_deref(), arguments.binding.as_deref());
    let preview = match desk.preview(id, digest, binding).await {
        Err(DeskError::NoPlugin { near, .. }) if digest.is_none() => {
            take_from_folder(&desk, id, &near).await?;
            desk.preview(id, digest, binding).await?
        }
        preview => preview?,
    };
    if !(arguments.yes || arguments.json) {
        show(&preview);
        confirm("Allow this?")?;
    }
    // Exactly what was shown, or nothing.
    desk.grant_shown(&Author::cli(), id, &preview).await?;
    let granted = preview;
    desk.store.close().await;
    if arguments.json {
        let bindings: Vec<_> = granted
            .bindings
            .iter()
            .map(|planned| json!({ "name": planned.name, "allowed": planned.asked.describe(), "declared": planned.declared, "configured": planned.table().is_some() }))
            .collect();
        let version = &granted.version;
        return print_json(
            &json!({ "id": id, "version": version.version, "digest": version.digest, "bindings": bindings }),
        );
    }
    println!("Allowed. A running server follows within a second.");
    if let Some(off) = desk.config.declared_off(id) {
        println!("It serves nobody all the same: {off}.");
    }
    for planned in granted.bindings.iter().filter(|planned| planned.declared) {
        println!("What binding {} may do stands in hardpoint.toml, and was left as it is.", planned.name);
    }
    // The command has read what the host may have been started before.
    for planned in granted.bindings.iter().filter(|planned| planned.table().is_some()) {
        let name = &planned.name;
        println!(
            "Binding {name} stands in hardpoint.toml: restart a host that was started before it stood there."
        );
    }
    Ok(())
}

pub(super) async fn revoke(config: Config, arguments: &RevokeArguments) -> Result<(), Failure> {
    let desk = present(config).await?;
    let (id, binding) = (&arguments.id, arguments.binding.as_deref());
    desk.version(id, None).await?;
    if !(arguments.yes || arguments.json) {
        match binding {
            Some(binding) => println!("Binding {binding} of {id} stops serving."),
            None => {
                println!("{id} stops serving, with all its bindings that were allowed by command or API.")
            }
        }
        confirm("Revoke?")?;
    }
    let revoked = desk.revoke(&Author::cli(), id, binding).await?;
    desk.store.close().await;
    if arguments.json {
        return print_json(&json!({ "id": id, "bindings": revoked }));
    }
    println!("Revoked. A running server follows within a second.");
    Ok(())
}

/// Takes a plugin out of the folder that no server has looked at yet.
async fn take_from_folder(desk: &Desk, id: &str, published: &[String]) -> Result<(), Failure> {
    let (name, bytes) = in_folder(&desk.config, id, published)?;
    let taken = desk.upload(&Author::cli(), bytes, Source::Folder, Some(name)).await;
    taken.map(drop).map_err(|error| Failure::Other(error.into()))
}

/// The file of a plugin in the folder: its name and its bytes. `published` are those that may have been meant.
fn in_folder(config: &Config, id: &str, published: &[String]) -> Result<(String, Bytes), Failure> {
    let path = config.plugins_folder();
    let mut others = published.to_vec();
    let found = path.is_dir().then(|| find(config, id, &mut others).ok().flatten()).flatten();
    found.ok_or_else(|| {
        let (near, path) = (near(id, others.iter().map(String::as_str)), path.display());
        let but = but(&near);
        Failure::Other(anyhow::anyhow!(
            "there is no plugin `{id}`{but}, neither published nor in {path}; `hardpoint plugin list` tells those \
             that there are"
        ))
    })
}

/// Adds the plugins that it meets before it finds this one to `others`.
fn find(config: &Config, id: &str, others: &mut Vec<String>) -> std::io::Result<Option<(String, Bytes)>> {
    let folder = Folder::at(&config.plugins_folder())?;
    let limit = config.plugins.max_component_bytes.0;
    for (name, entry) in folder.entries()? {
        let Entry::File(signature) = entry else { continue };
        if signature.size > limit {
            continue;
        }
        if let Content::Whole(bytes) = folder.read(&name, signature)
            && let Ok(inspection) = inspect(&bytes)
        {
            if inspection.manifest.id == id {
                return Ok(Some((name, bytes)));
            }
            others.push(inspection.manifest.id);
        }
    }
    Ok(None)
}

fn show(granted: &Granted) {
    let version = &granted.version;
    println!("{} {} ({})", version.id, version.version, version.digest);
    for planned in &granted.bindings {
        println!("Binding {} would be allowed to:", planned.name);
        show_asked(planned);
    }
}

fn show_asked(planned: &Planned) {
    let asked = planned.asked.describe();
    if asked.is_empty() {
        println!("  - nothing: it asks for nothing");
    }
    for item in asked {
        println!("  - {item}");
    }
    for warning in &planned.warnings {
        println!("  note: {warning}");
    }
}
