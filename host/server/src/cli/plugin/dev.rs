//! `hardpoint plugin dev`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use clap::Args;
use hardpoint_authoring::Project;
use hardpoint_domain::key::{KeyText, Mode};
use hardpoint_domain::manifest::Kind;
use hardpoint_domain::model::Model;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::Failure;
use super::call::object;
use crate::author::dev::{Dev, Host, News, Tell, is_exposed};
use crate::cli::serve::{compiler, connections, url};
use crate::config::{Binding, Config, without_users};
use crate::serve::serve;
use crate::service::plugins::plan::unfit;
use crate::start::{Parts, Server, start};
use crate::system;
use crate::telemetry::LogLevel;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The project's folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// A running host; one of its own where left out.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// An operator's key of that host.
    #[arg(long, value_name = "KEY", env = "HARDPOINT_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Send the key to another machine by plain http, where whoever is on the way can read it.
    #[arg(long)]
    plain_http: bool,
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
    let id = &project.manifest().id;
    if settings.is_some() || !config.bindings.values().any(|binding| binding.plugin.as_str() == id) {
        check_settings(&project, settings.as_ref(), arguments.server.is_some())?;
    }
    let mut own = None;
    let (address, key) = match &arguments.server {
        Some(server) => {
            // Set to nothing is not set.
            let Some(key) = arguments.key.filter(|key| !key.is_empty()) else {
                return Err(Failure::Misuse(
                    "--server needs an operator's key of that host: set HARDPOINT_API_KEY, or add --key"
                        .to_owned(),
                ));
            };
            if is_exposed(server) && !arguments.plain_http {
                return Err(Failure::Misuse(format!(
                    "an operator's key would go to {} for everybody on the way to read: use https, or add \
                     --plain-http where the network between is yours",
                    without_users(server)
                )));
            }
            (server.clone(), key)
        }
        None => {
            let started = OwnHost::start(config, &project).await?;
            let found = (started.address.clone(), started.key.reveal().to_owned());
            own = Some(started);
            found
        }
    };
    let host = Host::at(&address, &key)?;
    if own.is_none() {
        // A first build may take minutes, and would be for nothing.
        host.check().await?;
    }
    // What stands in the environment need not stand on the screen.
    let shown = own.as_ref().map_or("$HARDPOINT_API_KEY", |_| key.as_str());
    let tell = if arguments.json { as_json() } else { in_words(project.folder(), &host, shown) };
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

/// Settings that do not fit, and those that are missing where nobody else can have set them.
fn check_settings(
    project: &Project,
    settings: Option<&Map<String, Value>>,
    elsewhere: bool,
) -> Result<(), Failure> {
    if settings.is_none() && elsewhere {
        return Ok(());
    }
    let manifest = project.manifest();
    let given = Value::Object(settings.cloned().unwrap_or_default());
    let misfits = unfit(manifest, &manifest.with_defaults(&given));
    let misfits = misfits.map_err(|reason| Failure::Misuse(format!("plugin.toml: {reason}")))?;
    let told: Vec<String> = misfits
        .into_iter()
        .map(|(path, reason)| if path.is_empty() { reason } else { format!("`{path}`: {reason}") })
        .collect();
    if told.is_empty() { Ok(()) } else { Err(Failure::Misuse(format!("--settings: {}", told.join("; ")))) }
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
        let data = clear(project.folder())?;
        config.plugins.folder = Some(data.join("plugins"));
        config.server.data = data;
        config.database.url = None;
        config.storage.blobs = None;
        let id = &project.manifest().id;
        if project.manifest().kind == Kind::Model && config.model(id).is_none() {
            let model = json!({ "id": id, "binding": bound(&config, id) });
            config.models.push(serde_json::from_value::<Model>(model)?);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = url(listener.local_addr()?);
        let (clock, rng) = (system::clock(), system::rng());
        let key = KeyText::generate(Mode::Live, &*rng);
        let connections = connections(&config);
        let first_key = Some(key.reveal().to_owned());
        let server = start(Parts {
            config,
            clock,
            rng,
            compiler: compiler()?,
            first_key,
            log_level: LogLevel::default(),
            resolver: None,
        })
        .await?;
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

/// The binding that a model of the plugin's name is of: the plugin's own, unless only others are configured.
fn bound<'a>(config: &'a Config, id: &'a str) -> &'a str {
    let of_it = |(name, binding): (&'a String, &Binding)| (binding.plugin.as_str() == id).then_some(name);
    let names: Vec<&String> = config.bindings.iter().filter_map(of_it).collect();
    match names.first() {
        Some(first) if !names.iter().any(|name| *name == id) => first,
        _ => id,
    }
}

/// The folder that such a host keeps its data in, without anything that lay there: a checkout may bring
/// compiled code, and `cache` may be a link. What an earlier run compiled is forgotten at the start anyway.
fn clear(project: &Path) -> anyhow::Result<PathBuf> {
    let path = project.join("build/dev");
    for folder in [&project.join("build"), &path] {
        // What it leads to may be anything, and would be emptied.
        ensure!(!folder.is_symlink(), "{} is a link: put a folder in its place", folder.display());
    }
    let empty = || {
        std::fs::create_dir_all(&path)?;
        let data = Dir::open_ambient_dir(&path, ambient_authority())?;
        for entry in data.entries()? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                data.remove_dir_all(entry.file_name())?;
            } else {
                entry.remove_file()?;
            }
        }
        Ok::<_, std::io::Error>(())
    };
    empty().with_context(|| format!("{} cannot be cleared", path.display()))?;
    Ok(path)
}

fn as_json() -> Tell {
    Arc::new(|news| println!("{}", json!(news)))
}

fn in_words(folder: &Path, host: &Host, key: &str) -> Tell {
    let watching = format!("watching {}; end it with Ctrl-C", folder.display());
    let (base, key) = (host.base().to_owned(), key.to_owned());
    let told = std::sync::atomic::AtomicBool::new(false);
    Arc::new(move |news| match news {
        News::Host { address, .. } => println!("{watching}\nrunning in {address}"),
        News::Building { changed } if changed.is_empty() => println!("building …"),
        News::Building { changed } => {
            let names: Vec<String> = changed.iter().map(|path| path.display().to_string()).collect();
            println!("building, since {} changed …", names.join(", "));
        }
        News::Built { size, took_ms } => println!("built in {} ms, {size} bytes", took_ms),
        News::Live { version, generation, took_ms, example, .. } => {
            println!("live: version {version}, generation {generation}, {took_ms} ms after the save");
            if let Some(example) = example
                && !told.swap(true, std::sync::atomic::Ordering::Relaxed)
            {
                println!("\n{}\n  {}\n", example.heading(), example.as_curl(&base, &key));
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::config::Sources;

    /// Where a plugin is bound under other names only, its own is that of no binding.
    #[test]
    fn a_model_is_of_a_binding_that_there_is() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("hardpoint.toml");
        let is_of = |toml: &str| {
            fs::write(&file, toml).unwrap();
            let config = Config::load(&Sources { file: Some(file.clone()), ..Sources::default() }).unwrap();
            bound(&config, "mine").to_owned()
        };
        let (eu, own) = ("[bindings.eu]\nplugin = \"mine\"\n", "[bindings.mine]\nplugin = \"mine\"\n");
        assert_eq!(is_of("[bindings.other]\nplugin = \"other\"\n"), "mine");
        assert_eq!(is_of(eu), "eu");
        assert_eq!(is_of(&format!("{eu}{own}")), "mine");
        let taken = "[bindings.mine]\nplugin = \"other\"\n";
        assert_eq!(is_of(&format!("{taken}{eu}")), "eu");
    }

    #[test]
    fn nothing_outside_the_project_is_cleared() {
        let (outside, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let kept = outside.path().join("dev/kept");
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::write(&kept, "").unwrap();
        let (build, dev) = (place.path().join("build"), place.path().join("build/dev"));
        symlink(outside.path(), &build).unwrap();
        assert!(clear(place.path()).unwrap_err().to_string().ends_with("put a folder in its place"));
        fs::remove_file(&build).unwrap();
        fs::create_dir(&build).unwrap();
        symlink(kept.parent().unwrap(), &dev).unwrap();
        assert!(clear(place.path()).is_err());
        fs::remove_file(&dev).unwrap();
        fs::create_dir_all(dev.join("plugins")).unwrap();
        symlink(kept.parent().unwrap(), dev.join("cache")).unwrap();
        assert_eq!(clear(place.path()).unwrap(), dev);
        assert_eq!(fs::read_dir(&dev).unwrap().count(), 0);
        assert!(kept.exists());
    }
}
