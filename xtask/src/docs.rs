//! `cargo xtask docs`: the parts of the documentation that are made from the code, so that they cannot drift.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, ensure};
use clap::Args;
use hardpoint_domain::limits::Limits;
use hardpoint_domain::manifest::{Kind, Manifest};
use hardpoint_domain::webhook;

use crate::places;

mod manifest;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Only say whether they are as the code has them.
    #[arg(long)]
    check: bool,
}

const KINDS: [(Kind, &str); 4] = [
    (Kind::Tool, "tool"),
    (Kind::Model, "model"),
    (Kind::Exporter, "exporter"),
    (Kind::Retriever, "retriever"),
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.check { check() } else { write() }
}

/// Fails where a part is not as the code has it.
pub(crate) fn check() -> Result<()> {
    let stale: Vec<&str> =
        pages()?.into_iter().filter(|page| page.now != page.then).map(|page| page.path).collect();
    ensure!(stale.is_empty(), "{} must be made anew: cargo xtask docs", stale.join(", "));
    Ok(())
}

fn write() -> Result<()> {
    for page in pages()?.into_iter().filter(|page| page.now != page.then) {
        fs::write(places::root().join(page.path), page.then)?;
        eprintln!("{} is made anew", page.path);
    }
    Ok(())
}

struct Page {
    path: &'static str,
    now: String,
    then: String,
}

fn pages() -> Result<Vec<Page>> {
    let guide = page("docs/PLUGINS.md", &[("manifest", manifest::reference()?), ("limits", limits())])?;
    let gallery = page("docs/PLUGIN_GALLERY.md", &[("gallery", gallery()?)])?;
    let webhooks = page("docs/WEBHOOKS.md", &[("events", events(webhook::kinds()))])?;
    let siem = page("docs/SIEM.md", &[("events", events(webhook::untold()))])?;
    Ok(vec![guide, gallery, webhooks, siem])
}

/// A page with what stands between its marks made anew.
fn page(path: &'static str, parts: &[(&str, String)]) -> Result<Page> {
    let now = fs::read_to_string(places::root().join(path)).with_context(|| path.to_owned())?;
    let mut then = now.clone();
    for (name, text) in parts {
        let (open, close) =
            (format!("<!-- {name}: made by `cargo xtask docs` -->"), format!("<!-- /{name} -->"));
        let from = then.find(&open).with_context(|| format!("{path} has no mark `{open}`"))? + open.len();
        let to = then[from..].find(&close).with_context(|| format!("{path} has no mark `{close}`"))? + from;
        then.replace_range(from..to, &format!("\n\n{}\n\n", text.trim_end()));
    }
    Ok(Page { path, now, then })
}

/// Kinds of events, and when they happen.
fn events(kinds: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let rows = kinds.map(|(kind, when)| format!("| `{kind}` | {when} |\n"));
    rows.fold("| event | when |\n|---|---|\n".to_owned(), |table, row| table + &row)
}

fn limits() -> String {
    let of = KINDS.map(|(kind, _)| (Limits::defaults(kind).shown(), Limits::default_ceiling(kind).shown()));
    let mut names: Vec<&str> = of.iter().flat_map(|(own, _)| own.iter().map(|(name, _)| *name)).collect();
    names.sort_unstable();
    names.dedup();
    let mut out = format!("| limit | {} |\n|---|---|---|---|---|\n", KINDS.map(|(_, name)| name).join(" | "));
    for name in names {
        let cells = of.each_ref().map(|(own, most)| {
            let value = |shown: &[(&str, u64)]| {
                shown.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
            };
            match (value(own), value(most)) {
                (Some(own), Some(most)) if own != most => format!("{own}, at most {most}"),
                (Some(own), _) => own,
                (None, _) => "none".to_owned(),
            }
        });
        out += &format!("| `{name}` | {} |\n", cells.join(" | "));
    }
    out + &searching()
}

/// What a retriever's search gets where that is not what its ingestion does.
fn searching() -> String {
    let ingestion = Limits::defaults(Kind::Retriever);
    let search = ingestion.searching().shown();
    let other = ingestion.shown().into_iter().zip(search).filter(|(one, other)| one != other);
    let named: Vec<String> = other.map(|(_, (name, value))| format!("`{name}` {value}")).collect();
    format!(
        "\nOf a retriever these are an ingestion's. A search or a removal gets of them at most: {}. Of how many may be \
         under way at once both are counted by themselves.\n",
        named.join(", ")
    )
}

/// The shipped plugins by kind and name.
fn gallery() -> Result<String> {
    let mut manifests = Vec::new();
    for entry in fs::read_dir(places::root().join("plugins"))? {
        let file = entry?.path().join("plugin.toml");
        if file.is_file() {
            let manifest = Manifest::from_toml(&fs::read_to_string(&file)?);
            manifests.push(manifest.with_context(|| file.display().to_string())?);
        }
    }
    manifests.sort_by(|one, other| one.id.cmp(&other.id));
    let mut out = String::new();
    for (kind, name) in KINDS {
        let of_kind: Vec<_> = manifests.iter().filter(|manifest| manifest.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        writeln!(out, "## {}{}s\n", name[..1].to_uppercase(), &name[1..])?;
        for manifest in of_kind {
            writeln!(out, "### {}\n\n{}\n", manifest.id, manifest.description.trim())?;
            let asks = manifest.wishes();
            if asks.is_empty() {
                writeln!(out, "Asks for nothing: it may serve at once.\n")?;
                continue;
            }
            writeln!(out, "Asks to:\n")?;
            for ask in asks {
                writeln!(out, "- {ask}")?;
            }
            out.push('\n');
        }
    }
    Ok(out)
}
