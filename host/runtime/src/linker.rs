//! What each kind of plugin is offered. Deny first: what is not linked here does not exist for a guest.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker, ResourceType};
use wasmtime::{Engine, Result, bail};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2;
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};

use crate::bindings::{self, documents, embed, exporter, http, index, kv, log, model, retriever, tool};
use crate::component::is_stubbed;
use crate::error::LoadError;
use crate::generation::Guest;
use crate::sandbox::CallState;
use hardpoint_domain::manifest::Kind;

/// A linker for each kind.
pub(crate) struct Linkers {
    /// Models and exporters: state machines, offered nothing but a log.
    state_machine: Linker<CallState>,
    tool: Linker<CallState>,
    retriever: Linker<CallState>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine) -> Result<Self> {
        let mut state_machine = Linker::new(engine);
        link_wasi(&mut state_machine)?;
        log::add_to_linker::<CallState, HasSelf<CallState>>(&mut state_machine, |state| state)?;
        bindings::types::add_to_linker::<CallState, HasSelf<CallState>>(&mut state_machine, |state| state)?;
        let mut acting = state_machine.clone();
        http::add_to_linker::<CallState, HasSelf<CallState>>(&mut acting, |state| state)?;
        let mut tool = acting.clone();
        kv::add_to_linker::<CallState, HasSelf<CallState>>(&mut tool, |state| state)?;
        let mut retriever = acting;
        documents::add_to_linker::<CallState, HasSelf<CallState>>(&mut retriever, |state| state)?;
        index::add_to_linker::<CallState, HasSelf<CallState>>(&mut retriever, |state| state)?;
        embed::add_to_linker::<CallState, HasSelf<CallState>>(&mut retriever, |state| state)?;
        Ok(Self { state_machine, tool, retriever })
    }

    /// Links a component for its kind. What language runtimes import unused is answered with traps;
    /// `component::inspect` has refused every other import by now.
    pub(crate) fn link(&self, kind: Kind, component: &Component) -> std::result::Result<Guest, LoadError> {
        let mut linker = match kind {
            Kind::Model | Kind::Exporter => self.state_machine.clone(),
            Kind::Tool => self.tool.clone(),
            Kind::Retriever => self.retriever.clone(),
        };
        let refused = |error: wasmtime::Error| LoadError::WrongWorld(format!("{error:#}"));
        stub_the_rest(&mut linker, component).map_err(refused)?;
        let pre = linker.instantiate_pre(component).map_err(refused)?;
        match kind {
            Kind::Model => model::ModelPluginPre::new(pre).map(Guest::Model),
            Kind::Exporter => exporter::ExporterPluginPre::new(pre).map(Guest::Exporter),
            Kind::Tool => tool::ToolPluginPre::new(pre).map(Guest::Tool),
            Kind::Retriever => retriever::RetrieverPluginPre::new(pre).map(Guest::Retriever),
        }
        .map_err(refused)
    }
}

/// Answers what language runtimes import and never use: each function traps when it is called.
fn stub_the_rest(linker: &mut Linker<CallState>, component: &Component) -> Result<()> {
    let engine = component.engine();
    let component = component.component_type();
    for (import, item) in component.imports(engine) {
        let (true, ComponentItem::ComponentInstance(interface)) = (is_stubbed(import), item.ty) else {
            continue;
        };
        let mut stub = linker.instance(import)?;
        for (name, item) in interface.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => {
                    let full_name = format!("{import}#{name}");
                    stub.func_new(name, move |_, _, _, _| {
                        bail!(
                            "{full_name} is not there: no plugin has sockets; ask for `http` in the manifest"
                        )
                    })?;
                }
                // Streams and pollables belong to `wasi:io`, which is linked for real.
                ComponentItem::Resource(_) if !OF_WASI_IO.contains(&name) => {
                    stub.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Resources that other interfaces borrow from `wasi:io`.
const OF_WASI_IO: [&str; 4] = ["error", "input-stream", "output-stream", "pollable"];

/// Clocks, randomness, standard output and an empty file system; no sockets.
fn link_wasi(linker: &mut Linker<CallState>) -> Result<()> {
    type State = CallState;
    p2::add_to_linker_proxy_interfaces_async(linker)?;
    random::insecure::add_to_linker::<State, WasiRandom>(linker, |state| state.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(linker, |state| state.random())?;
    cli::environment::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(linker, State::filesystem)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(linker, State::filesystem)
}
