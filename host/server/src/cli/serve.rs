//! `hardpoint serve`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use hardpoint_domain::key::KeyText;
use hardpoint_runtime::CompilerCommand;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::hints::Hints;
use super::terminal::mention;
use super::{Common, Failure};
use crate::bootstrap;
use crate::config::{BUILT_IN_MODEL, Config, Sources};
use crate::serve::{Connections, serve};
use crate::service::configured;
use crate::service::plugins::review::{Known, Review};
use crate::start::{Parts, Server, start};
use crate::state::App;
use crate::telemetry::LogLevel;
use crate::worker::reload::Retry;
use crate::{system, telemetry};

/// How long the first words wait for the plugins.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Args)]
#[command(after_help = "Examples:
  hardpoint serve
  hardpoint serve --listen 0.0.0.0:80 --data /var/lib/hardpoint --config /etc/hardpoint.toml
  HARDPOINT_BOOTSTRAP_KEY=$(hardpoint key text) hardpoint serve

The first start makes an operator key and prints it once; HARDPOINT_BOOTSTRAP_KEY names it instead.
SIGHUP looks through the plugins folder again; SIGTERM and SIGINT finish what is under way, then stop.")]
pub(super) struct Arguments {
    /// The address and port to listen on.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(&Sources { listen: arguments.listen.clone(), ..common.sources() })?;
    let log_level = telemetry::init(&config.log)?;
    system::raise_open_files();
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(threads.block_on(run_server(config, log_level, Hints::of(common)))?)
}

/// The program that compiles components: this one.
pub(super) fn compiler() -> anyhow::Result<CompilerCommand> {
    let program = std::env::current_exe().context("the path of this program is not known")?;
    Ok(CompilerCommand { program, args: vec!["compile-component".into()] })
}

async fn run_server(config: Config, log_level: LogLevel, hints: Hints) -> anyhow::Result<()> {
    let address = config.server.listen.clone();
    let connections = connections(&config);
    let listener = TcpListener::bind(&address).await.with_context(|| {
        format!("cannot listen on {address}; if another server does, name another address with --listen")
    })?;
    let address = listener.local_addr()?;
    // Set to nothing is not set: so do compose files and CI leave out what they have no value for.
    let first_key = std::env::var(bootstrap::VARIABLE).ok().filter(|text| !text.trim().is_empty());
    let (clock, rng) = (system::clock(), system::rng());
    let compiler = compiler()?;
    let parts = Parts { config, clock, rng, compiler, first_key, log_level, resolver: None };
    let server = start(parts).await?;
    mention(format_args!("Hardpoint {} listens on {}", env!("CARGO_PKG_VERSION"), url(address)));
    // At once: who stops the host while it still compiles has the key all the same.
    if let Some(key) = &server.first_key {
        mention(format_args!("\nThe first operator key, shown this once:\n\n  {}\n", key.reveal()));
    }
    let welcome = tokio::spawn(welcome(server.app.clone(), address, server.first_key.clone(), hints));
    let signals = tokio::spawn(follow_signals(server.app.clone()));
    let cut = serve(listener, server.router.clone(), connections, server.stopping()).await;
    if cut > 0 {
        tracing::warn!(connections = cut, "cut after server.shutdown_grace");
    }
    welcome.abort();
    signals.abort();
    finish(server).await;
    Ok(())
}

/// How connections are treated, as configured.
pub(super) fn connections(config: &Config) -> Connections {
    Connections {
        header_timeout: config.server.header_timeout.0,
        stall_timeout: config.server.stall_timeout.0,
        most: config.server.max_connections as usize,
        shutdown_grace: config.server.shutdown_grace.0,
    }
}

async fn finish(server: Server) {
    server.finish().await;
    tracing::info!("stopped");
}

/// Says how to begin, once there is something to begin with, and what the configuration says in vain.
async fn welcome(app: std::sync::Arc<App>, address: SocketAddr, first_key: Option<KeyText>, hints: Hints) {
    app.reload.settle(Retry::None, PATIENCE).await;
    match Known::read(&app.store, &app.config).await {
        Ok(known) => {
            let effective = app.effective();
            let Review { problems, warnings } = known.review(&effective.config);
            effective
                .missing()
                .iter()
                .chain(&problems)
                .chain(&warnings)
                .for_each(|found| tracing::warn!("{found}"));
        }
        Err(error) => tracing::error!(%error, "the configuration cannot be compared with the plugins"),
    }
    let Some(key) = first_key else { return };
    let key = key.reveal();
    let catalogue = app.runtime.snapshot();
    let url = url(address);
    let Some(model) = app.config.models.iter().find(|model| catalogue.binding(&model.binding).is_some())
    else {
        let folder = app.config.plugins_folder();
        mention(format_args!(
            "No model is ready: copy plugins to {}; `{}` says what became of them. Try the key:

  curl {url}/api/v1/me -H 'Authorization: Bearer {key}'

The API is described at {url}/docs/",
            folder.display(),
            hints.command("hardpoint plugin list"),
        ));
        return;
    };
    let question = if model.id == BUILT_IN_MODEL {
        r#"[{"role": "system", "content": "The office opens at nine. Lunch is served at noon."}, {"role": "user", "content": "When does the office open?"}]"#
    } else {
        r#"[{"role": "user", "content": "Hello!"}]"#
    };
    let id = &model.id;
    mention(format_args!(
        "Try it:

  curl -N {url}/api/v1/chat/completions \\
    -H 'Authorization: Bearer {key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{\"model\": \"{id}\", \"stream\": true, \"messages\": {question}}}'

The API is described at {url}/docs/"
    ));
}

/// Where a browser on this machine finds it.
pub(super) fn url(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) if address.ip().is_unspecified() => {
            format!("http://127.0.0.1:{}", address.port())
        }
        SocketAddr::V6(address) if address.ip().is_unspecified() => {
            format!("http://[::1]:{}", address.port())
        }
        address => format!("http://{address}"),
    }
}

/// SIGHUP looks through the plugins folder; the first SIGTERM or SIGINT stops in peace, the second at once.
async fn follow_signals(app: std::sync::Arc<App>) {
    let signals = (|| {
        Ok::<_, std::io::Error>((
            signal(SignalKind::hangup())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        ))
    })();
    let (mut hangup, mut terminate, mut interrupt) = match signals {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "signals cannot be followed");
            return;
        }
    };
    let mut told = false;
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                tracing::info!("looking through the plugins folder");
                let app = app.clone();
                tokio::spawn(async move { configured::look_again(&app, PATIENCE).await });
                continue;
            }
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if told {
            std::process::exit(130);
        }
        told = true;
        tracing::info!("stopping; answers under way are finished first");
        app.stop.stop();
    }
}
