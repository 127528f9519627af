//! Regular expressions: what the library's `test`, `match`, `capture`, `scan`, `split`, `sub` and `gsub` rest on.
//! Matching takes time in proportion to the text, whatever the expression.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Cv, Error, ValT as _};
use jaq_json::{Num, Val, ValR};
use jaq_std::ValT as _;
use regex_automata::nfa::thompson::{self, pikevm::PikeVM};
use regex_automata::util::syntax;
use regex_automata::{Input, PatternID, Span};

use crate::library::Data;

/// Bytes of a compiled expression.
const MAX_COMPILED: usize = 1 << 20;

/// What of a text is wanted.
#[derive(Clone, Copy)]
struct Wanted {
    between: bool,
    matches: bool,
}

pub(crate) fn functions() -> impl Iterator<Item = Fun<Data>> {
    [
        run(("matches", v(2), |cv| bome(apply(cv, Wanted { between: false, matches: true })))),
        run(("split_matches", v(2), |cv| bome(apply(cv, Wanted { between: true, matches: true })))),
        run(("split_", v(2), |cv| bome(apply(cv, Wanted { between: true, matches: false })))),
    ]
    .into_iter()
}

/// jq's flags.
#[derive(Default)]
struct Flags {
    global: bool,
    no_empty: bool,
    syntax: syntax::Config,
}

impl Flags {
    fn read(text: &str) -> Result<Self, char> {
        let mut flags = Self::default();
        for flag in text.chars() {
            match flag {
                'g' => flags.global = true,
                'n' => flags.no_empty = true,
                'i' => flags.syntax = flags.syntax.case_insensitive(true),
                'm' => flags.syntax = flags.syntax.multi_line(true),
                's' => flags.syntax = flags.syntax.dot_matches_new_line(true),
                'p' => flags.syntax = flags.syntax.multi_line(true).dot_matches_new_line(true),
                'l' => flags.syntax = flags.syntax.swap_greed(true),
                'x' => flags.syntax = flags.syntax.ignore_whitespace(true),
                other => return Err(other),
            }
        }
        Ok(flags)
    }
}

fn apply(mut cv: Cv<'_, Data>, wanted: Wanted) -> ValR {
    let (flags, expression) = (cv.0.pop_var(), cv.0.pop_var());
    let (flags, expression) = (text(&flags)?, text(&expression)?);
    let flags = Flags::read(flags)
        .map_err(|flag| Error::str(format!("`{flag}` is no flag of regular expressions")))?;
    let compiled = PikeVM::builder()
        .syntax(flags.syntax)
        .thompson(thompson::Config::new().nfa_size_limit(Some(MAX_COMPILED)))
        .build(expression)
        .map_err(|error| Error::str(format!("`{expression}` is no regular expression: {error}")))?;
    parts(&cv.1, &compiled, &flags, wanted)
}

fn text(value: &Val) -> Result<&str, jaq_json::Error> {
    let bytes = value.as_utf8_bytes().ok_or_else(|| Error::typ(value.clone(), "string"))?;
    core::str::from_utf8(bytes).map_err(Error::str)
}

/// Texts between matches, and matches as arrays of what their groups caught, the whole first.
fn parts(value: &Val, compiled: &PikeVM, flags: &Flags, wanted: Wanted) -> ValR {
    let whole = text(value)?;
    let names: Vec<Option<&str>> = compiled.get_nfa().group_info().pattern_names(PatternID::ZERO).collect();
    let mut cache = compiled.create_cache();
    let mut out = Vec::new();
    // Up to where characters were counted, in bytes, and how many there were.
    let (mut end, mut counted) = (0, (0, 0));
    for captures in compiled.captures_iter(&mut cache, Input::new(whole)) {
        let Some(found) = captures.get_match() else { break };
        if flags.no_empty && found.is_empty() {
            continue;
        }
        let between = |from: usize, to: usize| whole.get(from..to).unwrap_or_default();
        if wanted.between {
            out.push(Val::from(between(end, found.start()).to_string()));
            end = found.end();
        }
        if wanted.matches {
            counted = (found.start(), counted.1 + between(counted.0, found.start()).chars().count());
            let groups = captures.iter().zip(&names).map(|(span, name)| {
                let offset = |span: Span| counted.1 + between(counted.0, span.start).chars().count();
                group(span.map(|span| (offset(span), between(span.start, span.end))), *name)
            });
            out.push(groups.collect::<ValR>()?);
        }
        if !flags.global {
            break;
        }
    }
    if wanted.between {
        out.push(Val::from(whole.get(end..).unwrap_or_default().to_string()));
    }
    Ok(out.into_iter().collect())
}

/// As jq says it; of a group that took no part it says null.
fn group(caught: Option<(usize, &str)>, name: Option<&str>) -> ValR {
    let number = |number: usize| Val::Num(Num::from_integral(number));
    let key = |name: &str| Val::from(String::from(name));
    let mut members = match caught {
        Some((offset, text)) => Vec::from([
            (key("offset"), number(offset)),
            (key("length"), number(text.chars().count())),
            (key("string"), Val::from(text.to_string())),
        ]),
        None => Vec::from([
            (key("offset"), Val::Num(Num::Int(-1))),
            (key("length"), number(0)),
            (key("string"), Val::Null),
        ]),
    };
    members.extend(name.map(|name| (key("name"), key(name))));
    Val::from_map(members)
}
