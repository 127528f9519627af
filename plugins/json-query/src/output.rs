//! Outputs as JSON. The interpreter's values are more than JSON knows; what a filter makes beyond it is written as
//! jq writes it, or refused with a reason.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use jaq_json::{Num, Val};

use crate::input::MAX_DEPTH;

/// More are an error: a model would have to read them.
const MAX_OUTPUTS: usize = 10_000;
const MAX_BYTES: usize = 200_000;

/// A JSON array that grows output by output.
#[derive(Debug)]
pub(crate) struct Outputs {
    json: Vec<u8>,
    count: usize,
}

impl Outputs {
    pub(crate) fn new() -> Self {
        Self { json: Vec::from(*b"["), count: 0 }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Appends an output.
    pub(crate) fn push(&mut self, value: &Val) -> Result<(), String> {
        const MEND: &str = "take fewer, as in limit(100; ...), or sum them up with length, add or group_by";
        if self.count == MAX_OUTPUTS {
            return Err(format!("the filter has more than {MAX_OUTPUTS} outputs: {MEND}"));
        }
        if self.count > 0 {
            self.json.push(b',');
        }
        self.count += 1;
        let too_much =
            || format!("the outputs are larger than {MAX_BYTES} bytes (at output {}): {MEND}", self.count);
        write(&mut self.json, value, 0).map_err(|wrong| match wrong {
            Wrong::TooMuch => too_much(),
            Wrong::Because(reason) => format!("output {}: {reason}", self.count),
        })
    }

    /// The whole array.
    pub(crate) fn finish(mut self) -> String {
        self.json.push(b']');
        String::from_utf8_lossy(&self.json).into_owned()
    }
}

enum Wrong {
    TooMuch,
    Because(String),
}

fn write(out: &mut Vec<u8>, value: &Val, depth: usize) -> Result<(), Wrong> {
    if out.len() > MAX_BYTES {
        return Err(Wrong::TooMuch);
    }
    if depth > MAX_DEPTH {
        return Err(Wrong::Because(format!("it is nested deeper than {MAX_DEPTH}")));
    }
    match value {
        Val::Null => out.extend_from_slice(b"null"),
        Val::Bool(true) => out.extend_from_slice(b"true"),
        Val::Bool(false) => out.extend_from_slice(b"false"),
        Val::Num(number) => out.extend(numeral(number).bytes()),
        Val::TStr(text) | Val::BStr(text) => string(out, text)?,
        Val::Arr(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, value, depth + 1)?;
            }
            out.push(b']');
        }
        Val::Obj(members) => {
            out.push(b'{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                match name {
                    Val::TStr(text) | Val::BStr(text) => string(out, text)?,
                    other => {
                        let other: String = other.to_string().chars().take(100).collect();
                        let reason = format!("the key {other} of an object is no string: use tostring");
                        return Err(Wrong::Because(reason));
                    }
                }
                out.push(b':');
                write(out, value, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn string(out: &mut Vec<u8>, text: &[u8]) -> Result<(), Wrong> {
    if text.len() > MAX_BYTES {
        return Err(Wrong::TooMuch);
    }
    let json = serde_json::to_string(&String::from_utf8_lossy(text));
    out.extend(json.map_err(|error| Wrong::Because(error.to_string()))?.bytes());
    Ok(())
}

/// As jq does: what is no number is null, what is infinite the largest there is.
fn numeral(number: &Num) -> String {
    match number {
        Num::Float(float) if float.is_nan() => "null".to_string(),
        Num::Float(float) if float.is_infinite() => {
            format!("{}1.7976931348623157e308", if *float < 0.0 { "-" } else { "" })
        }
        // Whole numbers without their `.0`, as far as these are exact.
        Num::Float(float) if libm::fabs(*float) < 1e15 && libm::trunc(*float) == *float => {
            format!("{}", *float as i64)
        }
        number => number.to_string(),
    }
}
