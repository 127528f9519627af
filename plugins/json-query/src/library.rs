//! What filters can call: the standard library without what needs an operating system, and in the place of its
//! parts that need Rust's `std` (regular expressions, formats, dates, mathematics) those of this plugin.

use alloc::vec::Vec;

use jaq_core::load::{self, parse::Def};
use jaq_core::native::Fun;
use jaq_core::{Bind, data};
use jaq_json::Val;

use crate::{dates, formats, maths, regex};

/// What filters run on.
pub(crate) type Data = data::JustLut<Val>;

/// Definitions of the standard library that rest on what is not here.
const LEFT_OUT: [&str; 12] = [
    "debug",
    "stderr",
    "halt",
    "halt_error",
    "drem",
    "nexttoward",
    "scalb",
    "gamma",
    "logb",
    "significand",
    "pow10",
    "input_line_number",
];

/// jq's, where the standard library has none.
const MORE: &str = r#"
def toarray: if type == "array" then . else [.] end;
def trimstr($s): ltrimstr($s) | rtrimstr($s);
def IN(s): any(s == .; .);
def IN(source; s): any(source == s; .);
def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] |= $row);
def INDEX(f): INDEX(.[]; f);
def ascii: [.] | implode;
def leaf_paths: paths(scalars);
def pow10: pow(10; .);
def tostream: path(def r: (.[]?|r), .; r) as $p | getpath($p) | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);
def cells(f): if type == "array" then map(f) else error("cannot format \(type) as a row: an array is needed") end;
def @csv: cells(
  if type == "string" then "\"" + (split("\"") | join("\"\"")) + "\""
  elif type == "null" then ""
  elif type == "number" or type == "boolean" then tostring
  else error("\(type) cannot be a cell: use tojson") end) | join(",");
def @tsv: cells(
  if type == "string" then split("\\") | join("\\\\") | split("\t") | join("\\t") | split("\n") | join("\\n") | split("\r") | join("\\r")
  elif type == "null" then ""
  elif type == "number" or type == "boolean" then tostring
  else error("\(type) cannot be a cell: use tojson") end) | join("\t");
"#;

pub(crate) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let more = load::parse(MORE, |parser| parser.defs()).unwrap_or_default();
    jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs())
        .filter(|definition| !LEFT_OUT.contains(&definition.name))
        .chain(more)
}

pub(crate) fn functions() -> impl Iterator<Item = Fun<Data>> {
    let left_out = |function: &Fun<Data>| LEFT_OUT.contains(&function.0);
    jaq_core::funs()
        .chain(jaq_std::base_funs())
        .chain(jaq_json::funs())
        .filter(move |function| !left_out(function))
        .chain(regex::functions())
        .chain(formats::functions())
        .chain(dates::functions())
        .chain(maths::functions())
}

/// Everything that can be called, with how many arguments it takes.
pub(crate) fn names() -> Vec<(&'static str, usize)> {
    let arity = |arguments: &[Bind]| arguments.len();
    let defined = definitions().map(|definition| (definition.name, definition.args.len()));
    let native = functions().map(|(name, arguments, _)| (name, arity(&arguments)));
    defined.chain(native).filter(|(name, _)| !name.starts_with(['!', '@']) && !name.ends_with('_')).collect()
}
