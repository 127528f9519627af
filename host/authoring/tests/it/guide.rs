//! What `docs/PLUGINS.md` tells an author to type is typed here, word for word, beside a running host.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use hardpoint_authoring::Language;
use hardpoint_tests::host::{Host, Options, binary};

const GUIDE: &str = include_str!("../../../../docs/PLUGINS.md");

/// The commands under a heading.
fn commands(heading: &str) -> &'static str {
    let section = GUIDE.split_once(heading).unwrap_or_else(|| panic!("the guide has no `{heading}`")).1;
    let block = section.split_once("```sh\n").expect("it has commands").1;
    block.split_once("\n```").expect("they end").0
}

/// Follows the guide in a language; gives the host beside which that was done, with the plugin in its folder.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn follow(language: Language) -> Host {
    let heading = match language {
        Language::Rust => "### In Rust",
        Language::Python => "### In Python",
        Language::JavaScript => "### In JavaScript",
    };
    let host = Host::start(Options::new()).await;
    let (folder, origin, key) = (host.folder().to_owned(), host.origin().to_owned(), host.key().to_owned());
    let typed = tokio::task::spawn_blocking(move || run(&folder, commands(heading), &origin, &key));
    let said = typed.await.expect("it runs");
    assert!(said.contains("\"three\""), "the most common word is not told: {said}");
    host
}

/// Types the commands into a shell that ends with the first that fails.
#[allow(clippy::disallowed_methods, reason = "how long a newcomer waits is worth knowing")]
fn run(folder: &Path, commands: &str, origin: &str, key: &str) -> String {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(binary(), bin.join("hardpoint")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let began = Instant::now();
    let output = Command::new("sh")
        .args(["-euc", commands])
        .current_dir(folder)
        .env("PATH", path)
        .env("HOST", origin)
        .env("KEY", key)
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{commands}\n{said}");
    println!("{:.0} s from nothing to a call over HTTP", began.elapsed().as_secs_f64());
    said
}
