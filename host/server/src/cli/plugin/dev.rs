//! `hardpoint plugin dev`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use clap::Args;
use hardpoint_authoring::Project;
use hardpoint_domain::key::{KeyText, Mode};
use hardpoint_domain::manifest::{Kind, Manifest};
use hardpoint_domain::model::Model;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Failure;
use super::call::object;
use crate::author::dev::{Dev, Host, News, Tell};
use crate::cli::serve::{compiler, connections, url};
use crate::config::Config;
use crate::serve::serve;
use crate::start::{Parts, Server, start};
use crate::system;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The project's folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// A running host; one of its own where left out.
    #[arg(long, value_name = "URL", requires = "key")]
    server: Option<String>,
    /// An operator's key of that host.
    #[arg(long, value_name = "KEY", env = "HARDPOINT_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Allow the plugin what it asks for, each time it is built. A host of its own always does.
    #[arg(long)]
    allow: bool,
    /// Also run the author's own tests before each build.
    #[arg(long)]
    test: bool,
    /// Settings of the plugin's binding: a JSON object.
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// One JSON object a line, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, arguments: Arguments) -> Result<(), Failure> {
    let settings = arguments.settings.as_deref().map(|text| object("--settings", text)).transpose()?;
    let project = Project::open(&arguments.folder).map_err(super::project::failure)?;
    let mut own = None;
    let (address, key) = match (&arguments.server, &arguments.key) {
        (Some(server), Some(key)) => (server.clone(), key.clone()),
        _ => {
            let started = OwnHost::start(config, &project).await?;
            let found = (started.address.clone(), started.key.reveal().to_owned());
            own = Some(started);
            found
        }
    };
    let host = Host::at(&address, &key)?;
    let tell =
        if arguments.json { as_json() } else { in_words(project.folder(), &host, &key, project.manifest()) };
    tell(&News::Host { address, key: own.as_ref().map(|_| key) });
    let dev = Dev {
        folder: project.folder().to_owned(),
        host,
        allow: arguments.allow || own.is_some(),
        test: arguments.test,
        settings,
        tell,
    };
    tokio::select! {
        ended = dev.run() => ended?,
        stopped = tokio::signal::ctrl_c() => stopped?,
    }
    if let Some(own) = own {
        own.finish().await;
    }
    Ok(())
}

/// A host for one project, in this process.
struct OwnHost {
    address: String,
    key: KeyText,
    server: Server,
    serving: tokio::task::JoinHandle<usize>,
}

impl OwnHost {
    /// With the configuration that is there, but for where it listens and keeps its data.
    async fn start(mut config: Config, project: &Project) -> anyhow::Result<Self> {
        let data = project.folder().join("build/dev");
        clear(&data).with_context(|| format!("{} cannot be cleared", data.display()))?;
        config.plugins.folder = Some(data.join("plugins"));
        config.server.data = data;
        config.database.url = None;
        let id = &project.manifest().id;
        if project.manifest().kind == Kind::Model && config.model(id).is_none() {
            let model = json!({ "id": id, "binding": id });
            config.models.push(serde_json::from_value::<Model>(model)?);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = url(listener.local_addr()?);
        let (clock, rng) = (system::clock(), system::rng());
        let key = KeyText::generate(Mode::Live, &*rng);
        let connections = connections(&config);
        let first_key = Some(key.reveal().to_owned());
        let server = start(Parts { config, clock, rng, compiler: compiler()?, first_key }).await?;
        let serving = tokio::spawn(serve(listener, server.router.clone(), connections, server.stopping()));
        Ok(Self { address, key, server, serving })
    }

    async fn finish(self) {
        self.server.app.stop.stop();
        // However many connections had to be cut.
        drop(self.serving.await);
        self.server.finish().await;
    }
}

/// Removes what an earlier run left, but for what it compiled.
fn clear(data: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(data)?;
    let data = Dir::open_ambient_dir(data, ambient_authority())?;
    for entry in data.entries()? {
        let entry = entry?;
        if entry.file_name() == "cache" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            data.remove_dir_all(entry.file_name())?;
        } else {
            entry.remove_file()?;
        }
    }
    Ok(())
}

fn as_json() -> Tell {
    Arc::new(|news| println!("{}", json!(news)))
}

fn in_words(folder: &Path, host: &Host, key: &str, manifest: &Manifest) -> Tell {
    let watching = format!("watching {}; end it with Ctrl-C", folder.display());
    let example = example(host.base(), key, manifest);
    let told = std::sync::atomic::AtomicBool::new(false);
    Arc::new(move |news| match news {
        News::Host { address, .. } => println!("{watching}\nrunning in {address}"),
        News::Building { changed } if changed.is_empty() => println!("building …"),
        News::Building { changed } => {
            let names: Vec<String> = changed.iter().map(|path| path.display().to_string()).collect();
            println!("building, since {} changed …", names.join(", "));
        }
        News::Built { size, took_ms } => println!("built in {} ms, {size} bytes", took_ms),
        News::Live { version, generation, took_ms, .. } => {
            println!("live: version {version}, generation {generation}, {took_ms} ms after the save");
            if !told.swap(true, std::sync::atomic::Ordering::Relaxed) {
                println!("\n{example}\n");
            }
        }
        News::Waiting { reason } => println!("waiting: {reason}"),
        News::Failed { reason } => println!("failed: {reason}"),
        News::Log { line } => {
            let text = |name: &str| line[name].as_str().unwrap_or_default();
            println!("{} {:<5} {}", text("time"), text("level"), text("message"));
        }
    })
}

/// A line that calls it.
fn example(base: &str, key: &str, manifest: &Manifest) -> String {
    let id = &manifest.id;
    let (path, body) = match manifest.kind {
        Kind::Tool => (format!("/tools/{id}/call"), json!({ "arguments": {} })),
        Kind::Model => (
            "/chat/completions".to_owned(),
            json!({ "model": id, "messages": [{ "role": "user", "content": "Hello!" }] }),
        ),
        Kind::Exporter => {
            (format!("/audit-logs/siem/{id}/export"), json!({ "events": [{ "kind": "hello" }] }))
        }
        Kind::Retriever => return "This host serves no retrievers yet.".to_owned(),
    };
    let body: Value = body;
    format!(
        "Try it:\n  curl {base}{path} \\\n    -H 'Authorization: Bearer {key}' \\\n    -H 'Content-Type: application/json' \\\n    -d '{body}'"
    )
}
