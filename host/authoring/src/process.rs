//! Other programs: started, shown, bounded.
#![allow(clippy::print_stderr, reason = "authors are told what is done in their name")]
#![allow(clippy::disallowed_methods, reason = "a time limit on another program takes the system's own clock")]

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// Tells the author what goes on.
pub(crate) fn tell(line: &str) {
    eprintln!("{line}");
}

/// Shows the command, runs it, and fails if it does. What it prints goes to standard error, whatever it has it for:
/// standard output is for what was asked of us, which may be JSON.
pub(crate) fn show_and_run(command: &mut Command) -> Result<(), Error> {
    tell(&format!("$ {}", describe(command)));
    run_quietly(command)
}

/// The same without showing the command, unless it fails.
pub(crate) fn run_quietly(command: &mut Command) -> Result<(), Error> {
    let status = command.stdout(std::io::stderr()).status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(failed(command, status.to_string())) }
}

/// Shows the command and runs it. One that fails is told by what `explain` makes of it, or else by what it said.
pub(crate) fn show_and_run_explained(
    command: &mut Command,
    explain: impl FnOnce() -> Option<String>,
) -> Result<(), Error> {
    tell(&format!("$ {}", describe(command)));
    let output = command.output().map_err(|error| cannot_start(command, &error))?;
    if output.status.success() {
        return Ok(());
    }
    if let Some(reason) = explain() {
        return Err(Error::Refused(reason));
    }
    for said in [output.stdout, output.stderr] {
        tell(&String::from_utf8_lossy(&said));
    }
    Err(failed(command, output.status.to_string()))
}

/// What the command prints, without the white space around it. Its errors are shown.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| cannot_start(command, &error))?;
    if !output.status.success() {
        return Err(failed(command, output.status.to_string()));
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| failed(command, "printed what is not UTF-8".to_owned()))?;
    Ok(text.trim().to_owned())
}

/// Runs the command for at most `limit`, then ends it.
pub(crate) fn bounded(command: &mut Command, limit: Duration) -> Result<(), Error> {
    tell(&format!("$ {}", describe(command)));
    let mut child =
        command.stdout(std::io::stderr()).spawn().map_err(|error| cannot_start(command, &error))?;
    let deadline = Instant::now() + limit;
    loop {
        let status = child.try_wait().map_err(|error| cannot_start(command, &error))?;
        if let Some(status) = status {
            return if status.success() { Ok(()) } else { Err(failed(command, status.to_string())) };
        }
        if Instant::now() >= deadline {
            // It may have ended in between, and is of no interest any more either way.
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(command, format!("was not done after {} s", limit.as_secs())));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Whether the command runs and succeeds; nothing of it is shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether a program of this name is on the PATH.
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Error {
    Error::Failed { command: describe(command), outcome: format!("cannot be started: {error}") }
}

fn failed(command: &Command, outcome: String) -> Error {
    Error::Failed { command: describe(command), outcome: format!("failed: {outcome}") }
}

/// The command as a person would type it: programs by their names, paths seen from the folder it runs in.
fn describe(command: &Command) -> String {
    let folder = command.get_current_dir().map(Path::to_owned).or_else(|| std::env::current_dir().ok());
    let shorten = |text: &OsStr| match folder.as_deref().map(|folder| Path::new(text).strip_prefix(folder)) {
        Some(Ok(inside)) if inside.as_os_str().is_empty() => ".".to_owned(),
        Some(Ok(inside)) => inside.display().to_string(),
        _ => text.to_string_lossy().into_owned(),
    };
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut words = vec![program.to_string_lossy().into_owned()];
    words.extend(command.get_args().map(shorten).map(|word| {
        if word.is_empty() || word.contains(char::is_whitespace) { format!("'{word}'") } else { word }
    }));
    words.join(" ")
}
