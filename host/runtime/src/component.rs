//! What can be learnt from a component's bytes without running or compiling them.

use hardpoint_domain::manifest::{Kind, Manifest, SECTION};
use sha2::{Digest, Sha256};
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

use crate::error::LoadError;
use crate::manifest::read_manifest;

/// The version of `wit/` that this host speaks.
pub const INTERFACE_VERSION: &str = "0.1.0";

/// A component as its bytes describe it.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// In bytes.
    pub size: u64,
    /// Its manifest.
    pub manifest: Manifest,
    /// The manifest's text as it was packed.
    pub manifest_text: String,
    /// Names of what it imports.
    pub imports: Vec<String>,
    /// Names of what it exports.
    pub exports: Vec<String>,
}

impl Inspection {
    /// Imports that the host answers with a stub which refuses: the language runtimes import them unused.
    pub fn stubbed(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().map(String::as_str).filter(|import| is_stubbed(import))
    }
}

/// The digest under which bytes are known everywhere.
pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in hash {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    text
}

/// Reads a component's manifest and interface and checks the one against the other.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    let outline = outline(bytes)?;
    let manifest =
        read_manifest(&outline.manifest).map_err(|error| LoadError::Manifest(error.to_string()))?;
    check_exports(manifest.kind, &outline.exports)?;
    check_imports(&manifest, &outline.imports)?;
    Ok(Inspection {
        digest: digest(bytes),
        size: bytes.len() as u64,
        manifest,
        manifest_text: outline.manifest,
        imports: outline.imports,
        exports: outline.exports,
    })
}

struct Outline {
    manifest: String,
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Walks the outermost component's sections; what is nested is skipped over unread.
fn outline(bytes: &[u8]) -> Result<Outline, LoadError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(LoadError::NotAComponent("it does not begin as WebAssembly does".into()));
    }
    let broken = |error: wasmparser::BinaryReaderError| LoadError::NotAComponent(error.to_string());
    let mut manifests = Vec::new();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_u32;
    let mut seen_end = false;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(broken)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(LoadError::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if depth == 0 => seen_end = true,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(broken)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(broken)?;
                    if export.kind == ComponentExternalKind::Instance {
                        exports.push(export.name.name.to_owned());
                    }
                }
            }
            Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                manifests.push(section.data());
            }
            _ => {}
        }
    }
    if !seen_end {
        return Err(LoadError::NotAComponent("it ends too soon".into()));
    }
    let [manifest] = manifests[..] else {
        let count = manifests.len();
        let reason = format!(
            "{count} sections named {SECTION}, not one: put plugin.toml into it with `hardpoint plugin pack`"
        );
        return Err(LoadError::Manifest(reason));
    };
    let manifest =
        std::str::from_utf8(manifest).map_err(|_| LoadError::Manifest("not UTF-8".into()))?.to_owned();
    Ok(Outline { manifest, imports, exports })
}

/// The interface that a kind exports.
fn export_of(kind: Kind) -> String {
    let interface = match kind {
        Kind::Model => "model-adapter",
        Kind::Exporter => "exporter",
        Kind::Tool => "tool",
        Kind::Retriever => "retriever",
    };
    format!("hardpoint:plugin/{interface}@{INTERFACE_VERSION}")
}

fn check_exports(kind: Kind, exports: &[String]) -> Result<(), LoadError> {
    let wanted = export_of(kind);
    if exports.contains(&wanted) {
        return Ok(());
    }
    let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    Err(LoadError::WrongWorld(format!("a plugin of this kind exports {wanted}; this one exports {found}")))
}

/// Every import must be offered to this kind, and every capability among them asked for in the manifest.
fn check_imports(manifest: &Manifest, imports: &[String]) -> Result<(), LoadError> {
    for import in imports {
        if is_linked_wasi(import) || is_stubbed(import) {
            continue;
        }
        let bare = import.strip_prefix("hardpoint:plugin/").and_then(|rest| rest.split_once('@'));
        let Some((interface, version)) = bare else {
            return Err(LoadError::Imports(format!("no host offers {import}")));
        };
        if version != INTERFACE_VERSION {
            return Err(LoadError::Imports(format!(
                "{import} is not the version that this host offers, {INTERFACE_VERSION}"
            )));
        }
        let asked = match interface {
            "types" | "log" => true,
            "http" if matches!(manifest.kind, Kind::Tool | Kind::Retriever) => !manifest.http.is_empty(),
            "kv" if manifest.kind == Kind::Tool => manifest.kv,
            // Every retriever imports `index` for the type of its filters; its functions ask the grant.
            "documents" | "index" if manifest.kind == Kind::Retriever => true,
            "embed" if manifest.kind == Kind::Retriever => manifest.embed,
            _ => {
                return Err(LoadError::Imports(format!("plugins of this kind are not offered {import}")));
            }
        };
        if !asked {
            return Err(LoadError::Imports(format!(
                "it imports {import} and its manifest does not ask for it"
            )));
        }
    }
    Ok(())
}

/// WASI that works inside the sandbox and reaches nothing outside it.
fn is_linked_wasi(import: &str) -> bool {
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/"]
        .iter()
        .any(|prefix| import.starts_with(prefix))
}

/// WASI that is answered with stubs.
pub(crate) fn is_stubbed(import: &str) -> bool {
    import.starts_with("wasi:sockets/") || import.starts_with("wasi:http/")
}
