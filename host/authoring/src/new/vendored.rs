//! The manifests of the Rust SDK's crates as a project vendors them: out of their workspace, side by side.

use toml::{Table, Value};

use crate::carried::{RECORDING_MANIFEST, SDK_MANIFEST, WORKSPACE_MANIFEST};
use crate::error::Error;

const HEAD: &str = "\
# The SDK of Hardpoint that this project was made with. To take a newer one, replace `vendor/` and `wit/`.
";

/// The SDK's manifest.
pub(super) fn sdk() -> Result<String, Error> {
    manifest(SDK_MANIFEST)
}

/// The manifest of the recordings that its test harness replays.
pub(super) fn recording() -> Result<String, Error> {
    manifest(RECORDING_MANIFEST)
}

/// A crate's own manifest, with what it inherits from the workspace written out, without its tests.
fn manifest(own: &str) -> Result<String, Error> {
    let read = |text: &str| text.parse::<Table>().map_err(|error| broken(&error.to_string()));
    let (mut own, workspace) = (read(own)?, read(WORKSPACE_MANIFEST)?);
    let workspace = workspace.get("workspace").and_then(Value::as_table);
    let shared = |key: &str| {
        let table = workspace.and_then(|all| all.get(key)).and_then(Value::as_table);
        table.ok_or_else(|| broken(&format!("no [workspace.{key}]")))
    };
    let (package, dependencies) = (shared("package")?, shared("dependencies")?);
    let mut out = Table::new();
    for key in ["package", "features", "dependencies", "target"] {
        let Some(Value::Table(mut part)) = own.remove(key) else { continue };
        match key {
            "package" => write_out(&mut part, package)?,
            "dependencies" => write_out(&mut part, dependencies)?,
            "target" => {
                for (_, one) in part.iter_mut() {
                    if let Some(Value::Table(part)) = one.get_mut("dependencies") {
                        write_out(part, dependencies)?;
                    }
                }
            }
            _ => {}
        }
        out.insert(key.to_owned(), Value::Table(part));
    }
    let text = toml::to_string(&out).map_err(|error| broken(&error.to_string()))?;
    Ok(format!("{HEAD}{text}"))
}

/// Puts what the workspace says in the place of `workspace = true`. Crates of the workspace itself are
/// vendored beside each other.
fn write_out(part: &mut Table, shared: &Table) -> Result<(), Error> {
    for (key, value) in part.iter_mut().filter(|(_, value)| value.get("workspace").is_some()) {
        let inherited = shared.get(key).cloned().ok_or_else(|| broken(&format!("nothing inherits {key}")))?;
        *value = match inherited {
            Value::Table(mut table) if table.contains_key("path") => {
                table.insert("path".to_owned(), format!("../{key}").into());
                Value::Table(table)
            }
            other => other,
        };
    }
    Ok(())
}

fn broken(what: &str) -> Error {
    Error::Refused(format!("the SDK that this program carries is broken: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_inherited_any_more() {
        for (text, lines) in [
            (
                sdk().unwrap(),
                [
                    "name = \"hardpoint-sdk\"",
                    "[dependencies.wit-bindgen]",
                    "path = \"../hardpoint-recording\"",
                ],
            ),
            (recording().unwrap(), ["name = \"hardpoint-recording\"", "edition = \"2024\"", "serde_json"]),
        ] {
            assert!(!text.contains("workspace"), "{text}");
            for line in lines {
                assert!(text.contains(line), "{line}: {text}");
            }
        }
    }
}
