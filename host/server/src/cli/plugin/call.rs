//! `hardpoint plugin call`: one call of a tool, or of a retriever, in a sandbox with all limits on.

mod retriever;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Args;
use hardpoint_domain::manifest::{Kind, Manifest};
use hardpoint_runtime::{Binding, CallContext, HostServices, ToolError, inspect};
use serde_json::{Map, Value, json};

use super::inspect::blob;
use super::{Failure, component, desk, has_store, is_file, look, no_store, passing, workbench};
use crate::cli::print_json;
use crate::cli::serve::compiler;
use crate::config::{self, Config};
use crate::service::kv::StoredKv;
use crate::service::plugins::Desk;
use crate::service::plugins::arranged::Arranged;
use crate::service::plugins::plan::{Planned, Readiness, plan};
use crate::start::open_runtime;
use crate::worker::reload::decide::named;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// A component's file, or the id of a published plugin.
    pub(super) target: String,
    /// The arguments: a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    arguments: String,
    /// Settings in the place of the binding's: a JSON object.
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// Which of the plugin's bindings; its only one where left out.
    #[arg(long, value_name = "NAME")]
    binding: Option<String>,
    /// Ask what the tool offers, instead of calling it.
    #[arg(long)]
    describe: bool,
    /// Of a retriever: the file that it reads, into a knowledge base in memory.
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// Of a retriever: what it searches that file for.
    #[arg(long, value_name = "TEXT", requires = "document")]
    query: Option<String>,
    /// Allow, for this call, all that it asks for.
    #[arg(long)]
    allow: bool,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, data: Option<&Path>, arguments: &Arguments) -> Result<(), Failure> {
    let call_arguments = object("--arguments", &arguments.arguments)?;
    let settings = arguments.settings.as_deref().map(|text| object("--settings", text)).transpose()?;
    let folder = Path::new(&arguments.target);
    if folder.is_dir() && !has_store(&config) {
        return Err(component::folder(folder));
    }
    let (mut desk, temporary) = match look(&config).await? {
        Some(desk) => (desk, None),
        None if is_file(&arguments.target) => {
            passing(config.clone(), workbench(data)?).await.map(|(desk, folder)| (desk, Some(folder)))?
        }
        None => return Err(no_store(&config)),
    };
    let (bytes, named) = if is_file(&arguments.target) {
        (component::read(Path::new(&arguments.target))?, None)
    } else {
        let target = &arguments.target;
        let version = desk.serving(target).await.map_err(|error| component::missing(target, error))?;
        let versions = desk.kept(target).await.map_err(anyhow::Error::from)?;
        let bytes = blob(&desk, &version).await.map_err(|lack| anyhow!("{lack}"))?;
        (bytes, named(&versions, &version).map(str::to_owned))
    };
    let keeps = inspect(&bytes).is_ok_and(|inspection| inspection.manifest.kv);
    if keeps && temporary.is_none() {
        // What it keeps is written; all else of a call only looks.
        desk.store.close().await;
        desk = self::desk(config).await?;
    }
    let binding = bind(&desk, bytes, named.as_deref(), arguments, settings).await?;
    let context = CallContext { request_id: "call".to_owned(), organization: "cli".to_owned() };
    let outcome = if let Some(document) = &arguments.document {
        let called = retriever::call(&binding, context, document, arguments.query.as_deref()).await;
        called?.map_err(|failure| ("failed", failure.message))
    } else if arguments.describe {
        binding
            .describe_tool(context)
            .await
            .map(|described| json!({ "description": described.description, "parameters": described.parameters }))
            .map_err(|failure| ("failed", failure.message))
    } else {
        let called = binding.call_tool(context, &Value::Object(call_arguments).to_string()).await;
        called.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))).map_err(|error| {
            match error {
                ToolError::InvalidArguments(reason) => ("invalid_arguments", reason),
                ToolError::Failed(reason) => ("failed", reason),
                ToolError::Stopped(failure) => ("stopped", failure.message),
            }
        })
    };
    let log = binding.generation().shared().log.tail(usize::MAX);
    let stats = binding.generation().shared().stats.snapshot();
    desk.store.close().await;
    for line in &log {
        eprintln!("log: {:?}: {}", line.level, line.message);
    }
    let (cpu, memory) = (stats.cpu_micros, stats.memory_peak);
    match outcome {
        Ok(result) if arguments.json => {
            print_json(&json!({ "result": result, "cpu_us": cpu, "memory_peak": memory }))
        }
        Ok(Value::String(text)) => {
            println!("{text}");
            Ok(())
        }
        Ok(result) => print_json(&result),
        Err((kind, reason)) if arguments.json => {
            print_json(&json!({ "error": kind, "message": reason, "cpu_us": cpu, "memory_peak": memory }))?;
            Err(Failure::Told(Box::new(Failure::Other(anyhow!("{kind}: {reason}")))))
        }
        Err((kind, reason)) => Err(Failure::Other(anyhow!("{kind}: {reason}"))),
    }
}

/// Loads the component and binds it as a server would. `named` is the digest that a command about it has to name.
async fn bind(
    desk: &Desk,
    bytes: Bytes,
    named: Option<&str>,
    arguments: &Arguments,
    settings: Option<Map<String, Value>>,
) -> Result<Arc<Binding>, Failure> {
    let services = HostServices {
        clock: desk.clock.clone(),
        rng: desk.rng.clone(),
        kv: Arc::new(StoredKv(desk.store.clone())),
    };
    let runtime = open_runtime(&desk.config, compiler()?, services)?;
    let generation = runtime.load(bytes).await.map_err(|error| anyhow!("it cannot be loaded: {error}"))?;
    let manifest = generation.manifest().clone();
    check_kind(&manifest, arguments)?;
    let arranged = desk.arranged().await?;
    let given = settings.is_some();
    let config = with_settings(desk, &arranged, &manifest.id, arguments.binding.as_deref(), settings)?;
    let mut planned = plan(&config, &arranged, &manifest);
    let names: Vec<String> = planned.iter().map(|planned| planned.name.clone()).collect();
    if let Some(name) = &arguments.binding {
        planned.retain(|planned| planned.name == *name);
    }
    let [one] = planned.as_mut_slice() else {
        let (id, names) = (&manifest.id, names.join(", "));
        return Err(Failure::Misuse(match &arguments.binding {
            _ if names.is_empty() => {
                format!("plugin `{id}` has no binding: its name is that of another plugin's")
            }
            Some(name) => format!("plugin `{id}` has no binding `{name}`; it has {names}"),
            None => format!("say which binding with --binding: {names}"),
        }));
    };
    // No leave makes them fit.
    if let Readiness::Unfit(reason) = &one.readiness {
        let obstacle = one.obstacle(&manifest.id, named).unwrap_or_default();
        return Err(match given {
            true => Failure::Misuse(format!("--settings: {reason}")),
            false => Failure::Other(anyhow!("{obstacle}")),
        });
    }
    if arguments.allow {
        one.permissions = one.asked.clone();
        one.readiness = Readiness::Ready;
    }
    if let Some(remedy) = refused(one, &manifest.id, named, is_file(&arguments.target)) {
        return Err(Failure::Other(anyhow!("{remedy}")));
    }
    let binding = runtime.bind_aside(generation, one.spec(&config, &manifest));
    Ok(binding.context("it was bound and is not there")?)
}

/// Whether what is asked can be asked of the plugin's kind.
fn check_kind(manifest: &Manifest, arguments: &Arguments) -> Result<(), Failure> {
    let id = &manifest.id;
    match (manifest.kind, &arguments.document) {
        (Kind::Retriever, None) => Err(Failure::Misuse(format!(
            "{id} is a retriever: say what it is to read with --document FILE, and what to find there with --query"
        ))),
        (Kind::Retriever, Some(_)) if arguments.describe => {
            Err(Failure::Misuse("--describe is for tools".to_owned()))
        }
        (Kind::Retriever, Some(_)) | (Kind::Tool, None) => Ok(()),
        (Kind::Tool, Some(_)) => Err(Failure::Misuse(format!("{id} is a tool, and reads no --document"))),
        (kind, _) => {
            Err(Failure::Misuse(format!("{id} is of kind {kind:?}; only tools and retrievers can be called")))
        }
    }
}

/// Why a binding may not be called, and what would allow it. What is called from a file need not be published, so no
/// command about what is would help.
fn refused(planned: &Planned, plugin: &str, named: Option<&str>, from_file: bool) -> Option<String> {
    let for_this_call = "allow it for this call with --allow";
    match &planned.readiness {
        Readiness::Pending(missing) if from_file => {
            let (name, missing) = (&planned.name, missing.join(", nor to "));
            Some(format!("binding {name} is not allowed to {missing}; {for_this_call}"))
        }
        _ => planned.obstacle(plugin, named).map(|obstacle| format!("{obstacle}; or {for_this_call}")),
    }
}

/// The configuration with other settings for one binding.
fn with_settings(
    desk: &Desk,
    arranged: &Arranged,
    plugin: &str,
    binding: Option<&str>,
    settings: Option<Map<String, Value>>,
) -> Result<Config, Failure> {
    let mut config = (*desk.config).clone();
    let Some(settings) = settings else { return Ok(config) };
    let mut bound: Vec<(String, config::Binding)> = arranged
        .bindings_of(&desk.config, plugin)
        .into_iter()
        .filter(|(name, _)| binding.is_none_or(|wanted| wanted == *name))
        .map(|(name, bound)| (name.to_owned(), bound.clone()))
        .collect();
    if bound.is_empty() {
        let plugin = hardpoint_domain::id::PluginId::parse(plugin)
            .map_err(|error| Failure::Misuse(error.to_string()))?;
        let own = config::Binding {
            plugin: plugin.clone(),
            settings: Map::new(),
            secrets: Default::default(),
            grant: None,
            written: config::Written::Store,
        };
        bound.push((plugin.as_str().to_owned(), own));
    }
    for (name, mut binding) in bound {
        // Where the others were written says nothing of these.
        if let config::Written::Configuration { lines, .. } = &mut binding.written {
            *lines = Default::default();
        }
        config.bindings.insert(name, config::Binding { settings: settings.clone(), ..binding });
    }
    Ok(config)
}

pub(super) fn object(option: &str, text: &str) -> Result<Map<String, Value>, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::Misuse(format!("{option} must be a JSON object: {error}")))
}
