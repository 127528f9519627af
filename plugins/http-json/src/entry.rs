//! One event as the endpoint wants to see it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::exporter::Event;
use hardpoint_sdk::time::rfc3339;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::settings::{Settings, Shape, TimeFormat};

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// An event whose body is no object, which the host never sends but nothing here should rely on.
#[derive(Serialize)]
struct Odd<'a> {
    id: &'a str,
    kind: &'a str,
    time: u64,
    message: &'a str,
}

/// An event as the text of a JSON object on one line.
pub(crate) fn write(event: &Event, settings: &Settings) -> serde_json::Result<Vec<u8>> {
    let Ok(members) = serde_json::from_str::<Members<'_>>(&event.body) else {
        let Event { id, kind, time, body } = event;
        let odd = serde_json::to_string(&Odd { id, kind, time: *time, message: body })?;
        return mapped(serde_json::from_str(&odd)?, settings);
    };
    if is_mapped(settings) { mapped(members, settings) } else { Ok(one_line(event.body.trim())) }
}

fn is_mapped(settings: &Settings) -> bool {
    let keeps_names = settings.omit.is_empty() && settings.rename.is_empty();
    let adds = !settings.copy.is_empty() || !settings.constants.is_empty();
    let has_credential = settings.body_credential.is_some() && settings.shape != Shape::Object;
    let retimes = settings.time_format != TimeFormat::Microseconds;
    !keeps_names || adds || has_credential || retimes || settings.wrap.is_some()
}

/// Inside of strings JSON knows no raw line breaks, so those that are there stand between tokens.
fn one_line(json: &str) -> Vec<u8> {
    json.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }).collect()
}

fn mapped(event: Members<'_>, settings: &Settings) -> serde_json::Result<Vec<u8>> {
    let copies: Vec<(&String, Box<RawValue>)> =
        settings.copy.iter().filter_map(|(name, path)| Some((name, find(&event, path)?))).collect();
    let time = event.get("time").and_then(|time| retimed(time, settings.time_format));
    let wrapped;
    let mut members: Members<'_> = event;
    if let Some(time) = &time {
        members.insert("time".to_string(), time);
    }
    for name in &settings.omit {
        members.remove(name);
    }
    let moved: Vec<_> =
        settings.rename.iter().filter_map(|(old, new)| Some((new.clone(), members.remove(old)?))).collect();
    members.extend(moved);
    if let Some(name) = &settings.wrap {
        wrapped = serde_json::value::to_raw_value(&members)?;
        members = Members::from([(name.clone(), &*wrapped)]);
    }
    members.extend(copies.iter().map(|(name, value)| ((*name).clone(), &**value)));
    members.extend(settings.constants.iter().map(|(name, value)| (name.clone(), &**value)));
    // The credential stands under this name, and must stand there alone.
    if let Some(name) = settings.body_credential.as_ref().filter(|_| settings.shape != Shape::Object) {
        members.remove(name);
    }
    Ok(one_line(&serde_json::to_string(&members)?))
}

/// The value at `actor.id`.
fn find(members: &Members<'_>, path: &str) -> Option<Box<RawValue>> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = members.get(first)?;
    match rest {
        None => RawValue::from_string(value.get().to_string()).ok(),
        Some(rest) => find(&serde_json::from_str(value.get()).ok()?, rest),
    }
}

/// A time in microseconds in another format; none where it is no such time, or is to stay.
fn retimed(time: &RawValue, format: TimeFormat) -> Option<Box<RawValue>> {
    let micros = serde_json::from_str::<u64>(time.get()).ok()?;
    let text = match format {
        TimeFormat::Microseconds => return None,
        TimeFormat::Milliseconds => (micros / 1_000).to_string(),
        TimeFormat::Seconds => format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
        TimeFormat::Rfc3339 => format!("\"{}\"", rfc3339(micros)),
    };
    RawValue::from_string(text).ok()
}
