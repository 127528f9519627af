//! What a newcomer pastes: the lines that the host prints, and those of the README.

use std::path::Path;
use std::process::{Command, Output};

use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;

/// Runs lines as a shell does, with the key where the README puts it.
async fn paste(lines: &str, key: &str) -> String {
    let mut shell = Command::new("sh");
    shell.args(["-euc", lines]).env("KEY", key).env("no_proxy", "127.0.0.1");
    let output: Output =
        tokio::task::spawn_blocking(move || shell.output()).await.expect("no panic").expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{lines}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_line_works_when_pasted() {
    let host = Host::start(Options::new().shipped("extractive").printing_its_key()).await;
    let printed = until("the line to be printed", || async {
        let log = host.log();
        log.contains("/docs/").then_some(log)
    })
    .await;
    let lines: Vec<&str> = printed
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("curl"))
        .take_while(|line| !line.is_empty())
        .collect();
    let said = paste(&lines.join("\n"), "").await;
    assert!(said.contains("chat.completion.chunk") && said.trim_end().ends_with("data: [DONE]"), "{said}");
    // The key was printed this once: not in the line alone, and not again.
    let key = printed.split_whitespace().find(|word| word.starts_with("hp_live_")).expect("a key");
    let mut host = host;
    host.restart().await;
    assert!(!host.log().contains(key) && !host.log().contains("hp_live_"), "{}", host.log());
}

/// A host without plugins has a line too.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_printed_where_no_model_is_ready() {
    let host = Host::start(Options::new().printing_its_key()).await;
    let printed = until("the line to be printed", || async {
        let log = host.log();
        log.contains("/docs/").then_some(log)
    })
    .await;
    assert!(printed.contains("No model is ready: copy plugins to "), "{printed}");
    let line = printed.lines().find(|line| line.trim_start().starts_with("curl")).expect("a line");
    let said = paste(line, "").await;
    assert!(said.contains("\"operator\""), "{said}");
}

/// The first block of the README in this language that has all of these words.
fn block(language: &str, words: &[&str]) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("the README");
    let opening = format!("```{language}\n");
    let blocks = readme
        .split(opening.as_str())
        .skip(1)
        .filter_map(|rest| rest.split_once("```").map(|(block, _)| block));
    let mut blocks = blocks.filter(|block| words.iter().all(|word| block.contains(word)));
    blocks.next().unwrap_or_else(|| panic!("the README has no block of {language} with {words:?}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_the_readme_streams_to_curl() {
    let host = Host::start(Options::new().shipped("extractive")).await;
    let block = block("sh", &["curl -N", "extractive"]);
    let lines: Vec<&str> = block.lines().filter(|line| !line.starts_with("export KEY=")).collect();
    let lines = lines.join("\n").replace("http://127.0.0.1:8080", host.origin());
    let said = paste(&lines, host.key()).await;
    assert!(said.contains("1382"), "{said}");
    assert!(said.trim_end().ends_with("data: [DONE]"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_of_the_readme_is_one() {
    let shipped = ["extractive", "openai", "calculator"].into_iter().fold(Options::new(), Options::shipped);
    let host = Host::start(shipped).await;
    std::fs::write(host.folder().join("readme.toml"), block("toml", &["[[models]]", "openai"]))
        .expect("written");
    let checked = Command::new(hardpoint_tests::host::binary())
        .current_dir(host.folder())
        .env("OPENAI_API_KEY", "sk-example")
        .args(["config", "check", "--config", "readme.toml", "--data", "data"])
        .output()
        .expect("it runs");
    let said =
        String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
}
