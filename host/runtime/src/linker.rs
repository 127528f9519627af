//! What each kind of plugin is offered. Deny first: what is not linked here does not exist for a guest.

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Result};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::p2;

use crate::bindings::{self, exporter, http, kv, log, model, tool};
use crate::error::LoadError;
use crate::generation::Guest;
use crate::sandbox::CallState;
use hardpoint_domain::manifest::Kind;

/// A linker for each kind.
pub(crate) struct Linkers {
    /// Models and exporters: state machines, offered nothing but a log.
    state_machine: Linker<CallState>,
    tool: Linker<CallState>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine) -> Result<Self> {
        let mut state_machine = Linker::new(engine);
        link_wasi(&mut state_machine)?;
        log::add_to_linker::<CallState, HasSelf<CallState>>(&mut state_machine, |state| state)?;
        bindings::types::add_to_linker::<CallState, HasSelf<CallState>>(&mut state_machine, |state| state)?;
        let mut tool = state_machine.clone();
        http::add_to_linker::<CallState, HasSelf<CallState>>(&mut tool, |state| state)?;
        kv::add_to_linker::<CallState, HasSelf<CallState>>(&mut tool, |state| state)?;
        Ok(Self { state_machine, tool })
    }

    /// Links a component for its kind. What language runtimes import unused is answered with traps;
    /// `component::inspect` has refused every other import by now.
    pub(crate) fn link(&self, kind: Kind, component: &Component) -> std::result::Result<Guest, LoadError> {
        let mut linker = match kind {
            Kind::Model | Kind::Exporter => self.state_machine.clone(),
            Kind::Tool => self.tool.clone(),
            Kind::Retriever => return Err(LoadError::WrongWorld("retrievers are not served".into())),
        };
        let refused = |error: wasmtime::Error| LoadError::WrongWorld(format!("{error:#}"));
        linker.define_unknown_imports_as_traps(component).map_err(refused)?;
        let pre = linker.instantiate_pre(component).map_err(refused)?;
        match kind {
            Kind::Model => model::ModelPluginPre::new(pre).map(Guest::Model),
            Kind::Exporter => exporter::ExporterPluginPre::new(pre).map(Guest::Exporter),
            Kind::Tool | Kind::Retriever => tool::ToolPluginPre::new(pre).map(Guest::Tool),
        }
        .map_err(refused)
    }
}

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
