//! `cargo xtask serve`: the host, built and running.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::{places, plugins, run};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Passed to `hardpoint serve`: `--listen 0.0.0.0:8080`, `--config hardpoint.toml` …
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    plugins::build(false, None)?;
    run::show_and_run(&mut run::cargo(&["build", "--release", "--package", "hardpoint-server"]))?;

    let data = value_of(&arguments.options, "--data").map_or_else(|| "data".into(), OsString::from);
    publish(&places::target().join("plugins"), &places::root().join(&data).join("plugins"))?;

    let mut serve = Command::new(places::host_binary("release"));
    serve.current_dir(places::root()).arg("serve").args(&arguments.options);
    for (option, value) in [("--data", "data"), ("--listen", "127.0.0.1:8080")] {
        if value_of(&arguments.options, option).is_none() {
            serve.args([option, value]);
        }
    }
    // The host takes our place, and with it our signals and our exit code.
    Err(serve.exec()).context("cannot start the host")
}

/// Copies the plugins to where the host finds them. It may be running: a file appears whole.
fn publish(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let plugin = entry?.path();
        let (Some(name), true) =
            (plugin.file_name(), plugin.extension().is_some_and(|extension| extension == "wasm"))
        else {
            continue;
        };
        let (bytes, target) = (fs::read(&plugin)?, to.join(name));
        if fs::read(&target).ok().as_deref() != Some(bytes.as_slice()) {
            let unfinished = target.with_extension("part");
            fs::write(&unfinished, bytes)?;
            fs::rename(unfinished, target)?;
        }
    }
    Ok(())
}

/// The value of `--name value` or `--name=value` among what is passed on.
fn value_of<'a>(options: &'a [OsString], name: &str) -> Option<&'a str> {
    let mut words = options.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        if word == name {
            return words.next();
        }
        if let Some(value) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_both_spellings() {
        let words: Vec<OsString> =
            ["--log", "x", "--data", "there", "--listen=0.0.0.0:1"].map(Into::into).into();
        assert_eq!(value_of(&words, "--data"), Some("there"));
        assert_eq!(value_of(&words, "--listen"), Some("0.0.0.0:1"));
        assert_eq!(value_of(&words, "--config"), None);
    }
}
