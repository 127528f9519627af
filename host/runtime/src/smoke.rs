//! The trial run: before a version is published it is instantiated with everything denied and asked one
//! harmless question. What it answers does not matter; a version that traps or overruns does not serve.

use std::collections::BTreeMap;
use std::sync::Arc;

use hardpoint_domain::grant::Permissions;
use hardpoint_domain::limits::Limits;
use hardpoint_domain::message::{CompletionRequest, ContentPart, Message, Role};

use crate::binding::{Binding, BindingSpec};
use crate::bindings::exporter::exports::hardpoint::plugin::exporter::Batch;
use crate::convert;
use crate::error::Fault;
use crate::generation::Generation;
use crate::knowledge::{Filter, SearchRequest};
use crate::retriever::asked;
use crate::sandbox::{CallContext, CallState, Instance, Sandbox};

/// Runs the trial.
pub(crate) async fn test(generation: &Arc<Generation>) -> Result<(), Fault> {
    let binding = Arc::new(bare_binding(generation));
    let context = CallContext { request_id: "trial-run".into(), organization: String::new() };
    let secrets = Arc::clone(&binding.secrets);
    let state = CallState::new(binding, context, secrets);
    // Nobody has configured it yet; the interface promises settings that fit.
    let settings = generation.manifest().example_settings().to_string();
    let mut sandbox = Sandbox::open(&generation.host.engine, state, None).await?;
    let (store, instance, stopwatch) = sandbox.parts();
    let outcome = match instance {
        Instance::Model(plugin) => {
            let adapter = plugin.hardpoint_plugin_model_adapter().completion();
            let request = convert::completion_request(&question(), "trial");
            stopwatch.run(adapter.call_open(store, &request, &settings)).await.map(|opened| opened.map(drop))
        }
        Instance::Exporter(plugin) => {
            let exporter = plugin.hardpoint_plugin_exporter().delivery();
            let batch = Batch { attempt: 1, now: 0, events: Vec::new() };
            stopwatch
                .run(exporter.call_open(store, &batch, &settings, None))
                .await
                .map(|opened| opened.map(drop))
        }
        Instance::Tool(plugin) => {
            let tool = plugin.hardpoint_plugin_tool();
            stopwatch.run(tool.call_describe(store, &settings)).await.map(|described| described.map(drop))
        }
        Instance::Retriever(plugin) => {
            let retriever = plugin.hardpoint_plugin_retriever();
            let search = asked(&SearchRequest {
                query: "Is this thing on?".into(),
                top: 1,
                filter: Filter::default(),
                hybrid: true,
            });
            stopwatch.run(retriever.call_search(store, &search, &settings)).await.map(|found| found.map(drop))
        }
    };
    sandbox.settle(outcome)
}

/// A binding that may do nothing.
fn bare_binding(generation: &Arc<Generation>) -> Binding {
    let manifest = generation.manifest();
    let spec = BindingSpec {
        name: manifest.id.clone(),
        plugin: manifest.id.clone(),
        settings: serde_json::json!({}),
        permissions: Permissions::default(),
        secrets: BTreeMap::new(),
        limits: Limits::resolve(manifest.kind, &manifest.limits, &Limits::default_ceiling(manifest.kind)),
        declared: None,
    };
    Binding::aside(spec, Arc::clone(generation))
}

fn question() -> CompletionRequest {
    let message = Message {
        role: Role::User,
        content: vec![ContentPart::Text("Is this thing on?".into())],
        name: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
        reasoning: None,
        refusal: None,
    };
    CompletionRequest {
        model: "trial".into(),
        messages: vec![message],
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        response_format: None,
        streamed: true,
        include_usage: false,
        max_tokens: Some(1),
        temperature: None,
        top_p: None,
        frequency_penalty: None,
        presence_penalty: None,
        stop: Vec::new(),
        seed: None,
        user: None,
        extra: serde_json::Map::new(),
    }
}
