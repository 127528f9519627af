//! The manifest of the Rust SDK as a project vendors it: out of its workspace, by itself.

use toml::{Table, Value};

use crate::carried::{SDK_MANIFEST, WORKSPACE_MANIFEST};
use crate::error::Error;

const HEAD: &str = "\
# The SDK of Hardpoint that this project was made with. To take a newer one, replace this folder and `wit/`.
";

/// The SDK's own manifest, with what it inherits from the workspace written out, without its tests.
pub(super) fn manifest() -> Result<String, Error> {
    let broken = |what: &str| Error::Refused(format!("the SDK that this program carries is broken: {what}"));
    let read = |text: &str| text.parse::<Table>().map_err(|error| broken(&error.to_string()));
    let (own, workspace) = (read(SDK_MANIFEST)?, read(WORKSPACE_MANIFEST)?);
    let table = |of: &Table, key: &str| of.get(key).and_then(Value::as_table).cloned();
    let inherited = table(&workspace, "workspace").and_then(|all| table(&all, "package"));
    let inherited = inherited.ok_or_else(|| broken("no [workspace.package]"))?;
    let mut package = table(&own, "package").ok_or_else(|| broken("no [package]"))?;
    for (key, value) in &mut package {
        if value.get("workspace").is_some() {
            *value = inherited.get(key).cloned().ok_or_else(|| broken(&format!("nothing inherits {key}")))?;
        }
    }
    let mut out = Table::new();
    out.insert("package".to_owned(), Value::Table(package));
    for key in ["features", "dependencies"] {
        out.extend(own.get(key).map(|part| (key.to_owned(), part.clone())));
    }
    let text = toml::to_string(&out).map_err(|error| broken(&error.to_string()))?;
    Ok(format!("{HEAD}{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_inherited_any_more() {
        let text = manifest().unwrap();
        assert!(!text.contains("workspace"), "{text}");
        for line in ["name = \"hardpoint-sdk\"", "edition = \"2024\"", "[dependencies.wit-bindgen]"] {
            assert!(text.contains(line), "{text}");
        }
    }
}
