//! What `todate` and `fromdate` rest on: RFC 3339, which is jq's ISO 8601.

use alloc::format;
use alloc::string::ToString;

use hardpoint_sdk::time::{rfc3339, seconds_of_rfc3339};
use jaq_core::Error;
use jaq_core::native::{Fun, bome, run, v};
use jaq_json::{Num, Val, ValR};
use jaq_std::ValT as _;

use crate::library::Data;

pub(crate) fn functions() -> impl Iterator<Item = Fun<Data>> {
    [
        run(("todateiso8601", v(0), |cv| bome(to_date(&cv.1)))),
        run(("fromdateiso8601", v(0), |cv| bome(from_date(&cv.1)))),
    ]
    .into_iter()
}

/// From seconds since the Unix epoch; fractions of a second are cut off, as jq does.
fn to_date(value: &Val) -> ValR {
    let seconds = value.as_f64().ok_or_else(|| Error::typ(value.clone(), "number"))?;
    if !(0.0..253_402_300_800.0).contains(&seconds) {
        return Err(Error::str(format!("{value} is no time in seconds between the years 1970 and 9999")));
    }
    let text = rfc3339(seconds as u64 * 1_000_000);
    let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
    Ok(Val::from([whole, "Z"].concat()))
}

fn from_date(value: &Val) -> ValR {
    let text = value.as_utf8_bytes().and_then(|bytes| core::str::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| Error::typ(value.clone(), "string"))?;
    let seconds = seconds_of_rfc3339(text).ok_or_else(|| {
        Error::str(format!(
            "`{}` is no date such as 2024-05-01T12:00:00Z",
            text.chars().take(60).collect::<alloc::string::String>()
        ))
    })?;
    Ok(Val::Num(Num::from_str_radix(&seconds.to_string(), 10).unwrap_or(Num::Float(seconds as f64))))
}
