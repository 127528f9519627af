//! The rules. Each looks at one file and says where it is wrong, and what would be right.

use super::Source;

type Rule = fn(&Source, &mut Vec<String>);

pub(super) const OF_A_FILE: &[Rule] = &[
    length,
    only_store_knows_sql,
    only_runtime_knows_wasmtime,
    only_the_edge_knows_axum,
    domain_awaits_nothing,
    plugins_know_the_sdk_alone,
    lints_are_inherited,
    no_ignored_tests,
    no_notes_to_self,
    no_paths_of_one_machine,
];

/// A file that is longer is two.
const MOST_LINES: usize = 600;

fn length(source: &Source, faults: &mut Vec<String>) {
    let lines = source.text.lines().count();
    if source.has_extension(&["rs", "wit", "sql", "py", "js", "mjs", "ts", "sh"]) && lines > MOST_LINES {
        faults.push(format!("{}: {lines} lines; at most {MOST_LINES}, better 100 to 300", source.path));
    }
}

fn only_store_knows_sql(source: &Source, faults: &mut Vec<String>) {
    if source.is_under(&["host/store/", "xtask/src/tidy/"]) || !source.has_extension(&["rs", "toml"]) {
        return;
    }
    dependency(source, "sqlx", &["Cargo.toml"], "only host/store knows SQL", faults);
    let statement = |line: &str| {
        let words: Vec<&str> =
            line.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).collect();
        words
            .windows(2)
            .any(|pair| matches!(pair, ["INSERT", "INTO"] | ["DELETE", "FROM"] | ["CREATE", "TABLE"]))
            || (words.contains(&"SELECT") && words.contains(&"FROM"))
            || (words.contains(&"UPDATE") && words.contains(&"SET"))
    };
    for (number, line) in source.lines().filter(|(_, line)| source.has_extension(&["rs"]) && statement(line))
    {
        faults.push(format!(
            "{}:{number}: a statement; only host/store knows SQL: {}",
            source.path,
            line.trim()
        ));
    }
}

fn only_runtime_knows_wasmtime(source: &Source, faults: &mut Vec<String>) {
    if source.is_under(&["host/runtime/", "xtask/src/tidy/"]) {
        return;
    }
    dependency(
        source,
        "wasmtime",
        &["Cargo.toml", "tests/Cargo.toml"],
        "only host/runtime knows wasmtime",
        faults,
    );
}

/// What of the server must not know how it is spoken to.
const BEHIND_THE_EDGE: &[&str] = &[
    "host/server/src/cli/",
    "host/server/src/config/",
    "host/server/src/service/",
    "host/server/src/worker/",
];

fn only_the_edge_knows_axum(source: &Source, faults: &mut Vec<String>) {
    let manifests = ["Cargo.toml", "host/server/Cargo.toml", "tests/Cargo.toml"];
    dependency(source, "axum", &manifests, "only the server knows axum", faults);
    if source.is_under(BEHIND_THE_EDGE) {
        let code = source.lines().filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (number, _) in code.filter(|(_, line)| mentions(line, "axum")) {
            faults.push(format!("{}:{number}: axum; services know no HTTP framework", source.path));
        }
    }
}

fn domain_awaits_nothing(source: &Source, faults: &mut Vec<String>) {
    if !source.is_under(&["host/domain/src/"]) {
        return;
    }
    for (number, line) in source.lines() {
        if line.contains(".await") || mentions(line, "async") && !line.trim_start().starts_with("//") {
            faults.push(format!("{}:{number}: the domain awaits nothing", source.path));
        }
    }
}

fn plugins_know_the_sdk_alone(source: &Source, faults: &mut Vec<String>) {
    if !source.is_under(&["plugins/"]) || !source.path.ends_with("Cargo.toml") {
        return;
    }
    for (number, line) in source.lines() {
        let ours = line.contains("path = \"../") && !line.contains("sdk/rust\"");
        if ours {
            faults.push(format!(
                "{}:{number}: of this repository, plugins depend on sdk/rust alone",
                source.path
            ));
        }
    }
}

fn lints_are_inherited(source: &Source, faults: &mut Vec<String>) {
    let member = source.path.ends_with("/Cargo.toml") && source.text.contains("[package]");
    if member && !source.text.contains("[lints]\nworkspace = true") {
        faults.push(format!("{}: lacks `[lints]` with `workspace = true`", source.path));
    }
}

fn no_ignored_tests(source: &Source, faults: &mut Vec<String>) {
    if !source.has_extension(&["rs"]) || source.is_under(&["xtask/src/tidy/"]) {
        return;
    }
    for (number, line) in source.lines() {
        if line.trim_start().starts_with("#[ignore") {
            faults.push(format!("{}:{number}: an ignored test tests nothing", source.path));
        }
    }
}

fn no_notes_to_self(source: &Source, faults: &mut Vec<String>) {
    if !source.has_extension(&["rs", "wit", "sql", "py", "js", "mjs", "toml"])
        || source.is_under(&["xtask/src/tidy/"])
    {
        return;
    }
    for (number, line) in source.lines() {
        if let Some(note) = ["TODO", "FIXME", "XXX"].into_iter().find(|note| mentions(line, note)) {
            faults.push(format!("{}:{number}: {note} belongs into the README's list of limits", source.path));
        }
    }
}

fn no_paths_of_one_machine(source: &Source, faults: &mut Vec<String>) {
    if source.is_under(&["xtask/src/tidy/"]) {
        return;
    }
    for (number, line) in source.lines() {
        let places = ["/work/", "/root/", "/home/", "/Users/"];
        let start_of_a_path =
            |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "/.-_}>*".contains(c));
        if places.iter().any(|place| line.match_indices(place).any(|(at, _)| start_of_a_path(at))) {
            faults.push(format!(
                "{}:{number}: a path that only one machine has: {}",
                source.path,
                line.trim()
            ));
        }
    }
}

/// Migrations have the same names and numbers on both databases.
pub(super) fn migrations_are_twins(sources: &[Source], faults: &mut Vec<String>) {
    let names = |folder: &str| {
        let prefix = format!("host/store/migrations/{folder}/");
        let names = sources.iter().filter_map(|source| source.path.strip_prefix(&prefix)).map(str::to_owned);
        names.collect::<std::collections::BTreeSet<_>>()
    };
    for one_sided in names("sqlite").symmetric_difference(&names("postgres")) {
        faults.push(format!("host/store/migrations: {one_sided} is there for one database only"));
    }
}

/// A manifest that names the crate, or one of its family, and may not.
fn dependency(source: &Source, name: &str, may: &[&str], why: &str, faults: &mut Vec<String>) {
    if !source.path.ends_with("Cargo.toml") || may.contains(&source.path.as_str()) {
        return;
    }
    let names_it =
        |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '.', '-', '=']));
    for (number, _) in source.lines().filter(|(_, line)| names_it(line)) {
        faults.push(format!("{}:{number}: {name}; {why}", source.path));
    }
}

/// Whether the line has the word, as a whole word.
fn mentions(line: &str, word: &str) -> bool {
    let part_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(part_of_a_word) && !line[at + word.len()..].starts_with(part_of_a_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(path: &str, text: &str) -> Vec<String> {
        super::super::faults(&[Source { path: path.into(), text: text.into() }])
    }

    #[test]
    fn each_rule_finds_its_fault() {
        let long = "//\n".repeat(601);
        let table = [
            ("host/domain/src/a.rs", long.as_str(), "601 lines"),
            (
                "host/server/src/service/a.rs",
                "let sql = \"SELECT id FROM keys\";",
                "only host/store knows SQL",
            ),
            (
                "host/server/Cargo.toml",
                "[lints]\nworkspace = true\nsqlx.workspace = true",
                "only host/store knows SQL",
            ),
            ("host/server/Cargo.toml", "wasmtime = \"48\"", "only host/runtime knows wasmtime"),
            ("host/server/src/service/a.rs", "use axum::Json;", "no HTTP framework"),
            ("host/domain/src/a.rs", "pub async fn a() {}", "awaits nothing"),
            ("plugins/a/Cargo.toml", "hardpoint-domain = { path = \"../../host/domain\" }", "sdk/rust alone"),
            ("host/store/Cargo.toml", "[package]\nname = \"a\"", "lacks `[lints]`"),
            ("host/store/src/a.rs", "    #[ignore = \"slow\"]", "tests nothing"),
            ("host/store/src/a.rs", "// TODO: later", "list of limits"),
            ("README.md", "run it in /home/anna/hardpoint", "only one machine"),
            ("host/store/migrations/sqlite/0002_more.sql", "", "one database only"),
        ];
        for (path, text, expected) in table {
            let faults = faults_of(path, text);
            assert!(faults.iter().any(|fault| fault.contains(expected)), "{path}: {text:?}: {faults:?}");
        }
    }

    #[test]
    fn what_is_right_passes() {
        let table = [
            ("host/store/src/keys.rs", "const FIND: &str = \"SELECT id FROM keys\";"),
            ("host/server/src/api/keys.rs", "use axum::Json;"),
            ("host/server/src/service/a.rs", "// the selected model's settings, as axumatic as can be"),
            ("plugins/a/Cargo.toml", "hardpoint-sdk = { path = \"../../sdk/rust\" }"),
            ("README.md", "see https://example.com/home/page and api/work/list"),
            ("Cargo.toml", "sqlx = \"0.9\"\naxum = \"0.8\"\nwasmtime = \"48\""),
        ];
        for (path, text) in table {
            assert_eq!(faults_of(path, text), Vec::<String>::new(), "{path}: {text:?}");
        }
    }
}
