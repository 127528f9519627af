//! Filters: from their text to their outputs, and what is wrong with them in words that help to mend them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use jaq_core::compile::Undefined;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars};
use jaq_json::Val;

use crate::library::{self, Data};
use crate::output::Outputs;

/// In characters.
const MAX_LENGTH: usize = 5_000;
/// Brackets, one inside the other. Filters are read by recursion.
const MAX_NESTING: usize = 100;
/// Operators and keywords, all told: they nest without brackets.
const MAX_STEPS: usize = 500;
/// Values in messages are cut after so many characters.
const MAX_MESSAGE: usize = 400;

/// The JSON array of all outputs for all inputs.
pub(crate) fn run(code: &str, inputs: Vec<Val>) -> Result<String, String> {
    if code.chars().count() > MAX_LENGTH {
        return Err(format!("filter: it is longer than {MAX_LENGTH} characters"));
    }
    if nesting(code) > MAX_NESTING {
        return Err(format!("filter: its brackets nest deeper than {MAX_NESTING}"));
    }
    if steps(code) > MAX_STEPS {
        return Err(format!(
            "filter: it has more than {MAX_STEPS} operators and keywords; do it in several calls, and pass data as input"
        ));
    }
    let arena = Arena::default();
    let modules = Loader::new(library::definitions())
        .load(&arena, File { code, path: () })
        .map_err(|errors| unreadable(code, errors))?;
    let filter = Compiler::default()
        .with_funs(library::functions())
        .compile(modules)
        .map_err(|errors| undefined(code, errors))?;
    let context = Ctx::<Data>::new(&filter.lut, Vars::new([]));
    let mut outputs = Outputs::new();
    for input in inputs {
        for output in filter.id.run((context.clone(), input)) {
            match output {
                Ok(value) => outputs.push(&value)?,
                Err(exception) => match exception.get_err() {
                    Ok(error) => return Err(failed(&error.to_string(), outputs.count())),
                    // `break` without its label, or a call to end: there is nothing more to come.
                    Err(_) => return Err("the filter broke out of itself".to_string()),
                },
            }
        }
    }
    Ok(outputs.finish())
}

/// The most brackets that are open at once. Those inside of strings count too: they may hold filters.
fn nesting(code: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in code.bytes() {
        match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn steps(code: &str) -> usize {
    const KEYWORDS: [&str; 10] =
        ["and", "as", "def", "elif", "foreach", "if", "label", "or", "reduce", "try"];
    let signs = code.bytes().filter(|byte| b".|-=?,+*/%;:".contains(byte)).count();
    let words = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    signs + words.filter(|word| KEYWORDS.contains(word)).count()
}

/// `at character 7 (`xyz`)`
fn place(code: &str, part: &str) -> String {
    let start = load::span(code, part).start.min(code.len());
    let before = code.get(..start).unwrap_or_default().chars().count();
    let rest: String = code.get(start..).unwrap_or_default().chars().take(20).collect();
    match rest.is_empty() {
        true => "at its end".to_string(),
        false => format!("at character {} (`{rest}`)", before + 1),
    }
}

fn unreadable(code: &str, errors: load::Errors<&str, ()>) -> String {
    let mut said = Vec::new();
    for (_, error) in errors {
        match error {
            load::Error::Io(_) => said.push("there are no modules to import or include".to_string()),
            load::Error::Lex(errors) => {
                said.extend(errors.iter().map(|(expected, rest)| {
                    format!("{}: {} expected", place(code, rest), expected.as_str())
                }));
            }
            load::Error::Parse(errors) => {
                said.extend(errors.iter().map(|(expected, rest)| {
                    let expected = match expected.as_str() {
                        "nothing" => "the end of the filter, or an operator such as `|`,",
                        expected => expected,
                    };
                    // What follows the end is nowhere in the text.
                    let place = if rest.is_empty() { "at its end".to_string() } else { place(code, rest) };
                    format!("{place}: {expected} expected")
                }));
            }
        }
    }
    said.truncate(3);
    format!("filter: {}", said.join("; "))
}

fn undefined(code: &str, errors: jaq_core::compile::Errors<&str, ()>) -> String {
    let mut said = Vec::new();
    for (name, what) in errors.into_iter().flat_map(|(_, errors)| errors) {
        let place = place(code, name);
        said.push(match what {
            Undefined::Filter(arity) => format!("{place}: {}", unknown(name, arity)),
            what => format!("{place}: the {} `{name}` is not defined", what.as_str()),
        });
    }
    said.truncate(3);
    format!("filter: {}", said.join("; "))
}

/// What is there in the place of a filter that is not.
fn unknown(name: &str, arity: usize) -> String {
    if ["input", "inputs", "now", "env", "strftime", "strptime", "mktime", "gmtime", "debug", "halt"]
        .contains(&name)
    {
        return format!(
            "`{name}` does not exist here: there is no clock, no environment and no further input"
        );
    }
    let known = library::names();
    let mut arities: Vec<usize> =
        known.iter().filter(|(known, _)| *known == name).map(|(_, arity)| *arity).collect();
    arities.sort_unstable();
    arities.dedup();
    if !arities.is_empty() {
        let arities: Vec<String> = arities.iter().map(ToString::to_string).collect();
        return format!(
            "`{name}` takes {} arguments, not {arity}; they are separated by `;`",
            arities.join(" or ")
        );
    }
    let near = |other: &str| distance(name, other);
    let mut similar: Vec<(usize, &str)> = known
        .iter()
        .map(|(other, _)| (near(other), *other))
        .filter(|(distance, _)| *distance <= (name.len() / 3).clamp(1, 2))
        .collect();
    similar.sort_unstable();
    similar.dedup();
    let similar: Vec<String> = similar.iter().take(3).map(|(_, other)| format!("`{other}`")).collect();
    match similar.is_empty() {
        true => format!("the filter `{name}` is not defined; for a member of that name write `.{name}`"),
        false => format!("the filter `{name}` is not defined; did you mean {}?", similar.join(" or ")),
    }
}

/// How many letters must change, come or go to make one name of the other (Levenshtein's distance); names of more
/// than 40 bytes are far from all others.
fn distance(one: &str, other: &str) -> usize {
    if one.len() > 40 || other.len() > 40 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, against) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(letter != against);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

fn failed(error: &str, outputs: usize) -> String {
    let mut message: String = error.chars().take(MAX_MESSAGE).collect();
    if message.len() < error.len() {
        message.push('…');
    }
    let hint = if error.starts_with("cannot index") || error.contains("as iterable") {
        "; `?` passes over values of another type, `select(type == \"object\")` picks them"
    } else {
        ""
    };
    let after = match outputs {
        0 => String::new(),
        1 => ", after 1 output".to_string(),
        outputs => format!(", after {outputs} outputs"),
    };
    format!("the filter failed{after}: {message}{hint}")
}
