//! Commands that are named to people and programs. Where this one was given `--data` or `--config`, the next has to
//! be given the same, or it works on another store.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::{Common, Failure, print_json};

/// The members that hold what we say, with commands in it: a text, or a list of texts.
const OURS: [&str; 7] = ["message", "missing", "next", "reason", "remedy", "warnings", "would"];
/// The members that hold what others wrote, whatever they call the members in it.
const THEIRS: [&str; 2] = ["settings", "settings_schema"];

/// What to add to the commands that are named.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints(String);

impl Hints {
    /// What this command was given.
    pub(super) fn of(common: &Common) -> Self {
        let given = |name: &str, path: &Option<std::path::PathBuf>| {
            path.as_deref().map(|path| format!(" --{name} {}", quoted(path))).unwrap_or_default()
        };
        Self(given("config", &common.config) + &given("data", &common.data))
    }

    /// A command that is whole, and no part of a text.
    pub(super) fn command(&self, command: &str) -> String {
        format!("{command}{}", self.0)
    }

    /// A text in which commands stand between backticks.
    pub(super) fn text(&self, text: &str) -> String {
        let pieces: Vec<&str> = text.split('`').collect();
        // What follows an odd backtick, and has one after it.
        let is_command =
            |at: usize| at % 2 == 1 && at + 1 < pieces.len() && pieces[at].starts_with("hardpoint ");
        let completed = pieces
            .iter()
            .enumerate()
            .map(|(at, piece)| if is_command(at) { self.command(piece) } else { (*piece).to_owned() });
        completed.collect::<Vec<_>>().join("`")
    }

    /// Prints JSON for programs.
    pub(super) fn print_json(&self, value: &impl Serialize) -> Result<(), Failure> {
        if self.0.is_empty() {
            return print_json(value);
        }
        let mut value = serde_json::to_value(value)?;
        self.complete(&mut value, false);
        print_json(&value)
    }

    /// Completes the commands in a value; `is_ours` says whether a text in it is one that we wrote.
    fn complete(&self, value: &mut Value, is_ours: bool) {
        match value {
            Value::String(text) if is_ours && text.starts_with("hardpoint ") => *text = self.command(text),
            Value::String(text) if is_ours => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.complete(item, is_ours)),
            Value::Object(members) => {
                for (name, member) in members.iter_mut().filter(|(name, _)| !THEIRS.contains(&name.as_str()))
                {
                    self.complete(member, OURS.contains(&name.as_str()));
                }
            }
            _ => {}
        }
    }
}

/// As a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:@%,".contains(&byte);
    if !path.is_empty() && path.bytes().all(is_plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hints(config: Option<&str>, data: Option<&str>) -> Hints {
        Hints::of(&Common { config: config.map(Into::into), data: data.map(Into::into) })
    }

    #[test]
    fn commands_are_given_what_this_one_was_given() {
        let text = "set `a` or do `hardpoint plugin grant x`; then `hardpoint org list`, not `hardpoint";
        assert_eq!(hints(None, None).text(text), text);
        assert_eq!(
            hints(None, Some("d")).text(text),
            "set `a` or do `hardpoint plugin grant x --data d`; then `hardpoint org list --data d`, not `hardpoint"
        );
        assert_eq!(hints(Some("a b's"), None).command("hardpoint x"), r"hardpoint x --config 'a b'\''s'");
    }

    #[test]
    fn in_json_too() {
        let of = |data: &str| {
            json!({
                "next": format!("hardpoint plugin grant x{data}"),
                "would": format!("wait; see `hardpoint plugin list{data}`"),
                "all": [{"reason": format!("see `hardpoint plugin list{data}`")}, 1],
                "warnings": [format!("`hardpoint plugin list{data}`")],
                // A plugin's own, which is left as it is.
                "settings_schema": {"enum": ["hardpoint plugin list"], "default": {"message": "`hardpoint plugin list`"}},
                "bindings": [{"settings": {"reason": "hardpoint plugin list"}}],
                "asks": ["hardpoint plugin list"],
                "description": "`hardpoint plugin list`",
            })
        };
        let mut told = of("");
        hints(None, Some("d")).complete(&mut told, false);
        assert_eq!(told, of(" --data d"));
    }
}
