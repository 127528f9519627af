//! Running other programs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::places;

/// The cargo that runs us, in the root of the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(places::root());
    // Cargo sets these for us, its child; for its own children they would be wrong, and those whose build scripts
    // look at them would be built anew by each `cargo test` after a `cargo xtask test`.
    let ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(ours)) {
        command.env_remove(name);
    }
    command
}

/// Shows the command, runs it with our own output, and fails if it does.
pub(crate) fn show_and_run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", describe(command));
    quietly(command)
}

/// Runs the command with our own output, and fails if it does.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", describe(command)))?;
    succeeded(command, status)
}

/// What the command prints, without the white space around it.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", describe(command)))?;
    succeeded(command, output.status)?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Whether a program of this name is on the PATH.
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// The command as a person would type it, with paths inside the repository made relative.
fn describe(command: &Command) -> String {
    let root = places::root();
    let shorten = |text: &OsStr| match Path::new(text).strip_prefix(&root) {
        Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
        Ok(inside) => inside.display().to_string(),
        Err(_) => text.to_string_lossy().into_owned(),
    };
    let program = Path::new(command.get_program());
    let mut words = vec![match program.file_name() {
        Some(name) if name == "cargo" => "cargo".to_owned(),
        _ => shorten(command.get_program()),
    }];
    words.extend(command.get_args().map(shorten).map(|word| {
        if word.is_empty() || word.contains(char::is_whitespace) { format!("'{word}'") } else { word }
    }));
    words.join(" ")
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed: {status}", describe(command));
    }
    Ok(())
}
