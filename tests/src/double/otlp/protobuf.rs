//! Requests in protobuf, read into what the protocol's JSON would be: by the tags of its files, with a reader of its
//! own, so that a mistake in the exporter's is not made twice.

use serde_json::{Map, Value, json};

type Read<T> = Result<T, String>;

enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// `ExportLogsServiceRequest`
pub(super) fn request(bytes: &[u8]) -> Read<Value> {
    message(bytes, &|tag, field| match tag {
        1 => many("resourceLogs", resource_logs(field.bytes()?)?),
        _ => unknown("the request", tag),
    })
}

fn resource_logs(bytes: &[u8]) -> Read<Value> {
    message(bytes, &|tag, field| match tag {
        1 => one(
            "resource",
            message(field.bytes()?, &|tag, field| match tag {
                1 => many("attributes", pair(field.bytes()?)?),
                _ => unknown("Resource", tag),
            })?,
        ),
        2 => many("scopeLogs", scope_logs(field.bytes()?)?),
        _ => unknown("ResourceLogs", tag),
    })
}

fn scope_logs(bytes: &[u8]) -> Read<Value> {
    message(bytes, &|tag, field| match tag {
        1 => one(
            "scope",
            message(field.bytes()?, &|tag, field| match tag {
                1 => one("name", field.text()?),
                2 => one("version", field.text()?),
                3 => many("attributes", pair(field.bytes()?)?),
                _ => unknown("InstrumentationScope", tag),
            })?,
        ),
        2 => many("logRecords", record(field.bytes()?)?),
        _ => unknown("ScopeLogs", tag),
    })
}

fn record(bytes: &[u8]) -> Read<Value> {
    message(bytes, &|tag, field| match tag {
        1 => one("timeUnixNano", json!(field.fixed64()?.to_string())),
        2 => one("severityNumber", json!(field.varint()?)),
        3 => one("severityText", field.text()?),
        5 => one("body", any(field.bytes()?)?),
        6 => many("attributes", pair(field.bytes()?)?),
        8 => one("flags", json!(field.fixed32()?)),
        9 => one("traceId", hex(field.bytes()?)),
        10 => one("spanId", hex(field.bytes()?)),
        11 => one("observedTimeUnixNano", json!(field.fixed64()?.to_string())),
        12 => one("eventName", field.text()?),
        _ => unknown("LogRecord", tag),
    })
}

fn pair(bytes: &[u8]) -> Read<Value> {
    message(bytes, &|tag, field| match tag {
        1 => one("key", field.text()?),
        2 => one("value", any(field.bytes()?)?),
        _ => unknown("KeyValue", tag),
    })
}

fn any(bytes: &[u8]) -> Read<Value> {
    let list = |bytes: &[u8], read: &dyn Fn(&[u8]) -> Read<Value>| {
        let mut value = message(bytes, &|tag, field| match tag {
            1 => many("values", read(field.bytes()?)?),
            _ => unknown("a list", tag),
        })?;
        if value["values"].is_null() {
            value["values"] = json!([]);
        }
        Ok::<_, String>(value)
    };
    message(bytes, &|tag, field| match tag {
        1 => one("stringValue", field.text()?),
        2 => one("boolValue", json!(field.varint()? != 0)),
        3 => one("intValue", json!((field.varint()? as i64).to_string())),
        4 => one("doubleValue", json!(f64::from_bits(field.fixed64()?))),
        5 => one("arrayValue", list(field.bytes()?, &any)?),
        6 => one("kvlistValue", list(field.bytes()?, &pair)?),
        _ => unknown("AnyValue", tag),
    })
}

/// A member, and whether it is one of many of its name.
type Member = (&'static str, Value, bool);

fn one(name: &'static str, value: Value) -> Read<Member> {
    Ok((name, value, false))
}

fn many(name: &'static str, value: Value) -> Read<Member> {
    Ok((name, value, true))
}

fn unknown<T>(message: &str, tag: u64) -> Read<T> {
    Err(format!("{message} has no field {tag}"))
}

fn message(mut bytes: &[u8], read: &dyn Fn(u64, Field<'_>) -> Read<Member>) -> Read<Value> {
    let mut members = Map::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = match key & 7 {
            0 => Field::Varint(varint(&mut bytes)?),
            1 => Field::Fixed64(u64::from_le_bytes(fixed(&mut bytes)?)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).map_err(|error| error.to_string())?;
                Field::Bytes(take(&mut bytes, length)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(fixed(&mut bytes)?)),
            other => return Err(format!("there is no wire type {other}")),
        };
        let (name, value, is_many) = read(key >> 3, field)?;
        match members.get_mut(name).and_then(Value::as_array_mut) {
            Some(values) if is_many => values.push(value),
            _ => {
                members.insert(name.to_owned(), if is_many { json!([value]) } else { value });
            }
        }
    }
    Ok(Value::Object(members))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Read<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or("it is cut off")?;
    *bytes = rest;
    Ok(taken)
}

fn fixed<const SIZE: usize>(bytes: &mut &[u8]) -> Read<[u8; SIZE]> {
    take(bytes, SIZE)?.try_into().map_err(|_| "it is cut off".to_owned())
}

fn varint(bytes: &mut &[u8]) -> Read<u64> {
    let mut number = 0;
    for place in 0..10 {
        let byte = fixed::<1>(bytes)?[0];
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number is too long".to_owned())
}

fn hex(bytes: &[u8]) -> Value {
    json!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

impl<'a> Field<'a> {
    fn bytes(&self) -> Read<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err("bytes were expected".to_owned()),
        }
    }

    fn text(&self) -> Read<Value> {
        std::str::from_utf8(self.bytes()?).map(Value::from).map_err(|error| error.to_string())
    }

    fn varint(&self) -> Read<u64> {
        match self {
            Self::Varint(number) => Ok(*number),
            _ => Err("a number was expected".to_owned()),
        }
    }

    fn fixed64(&self) -> Read<u64> {
        match self {
            Self::Fixed64(number) => Ok(*number),
            _ => Err("8 bytes were expected".to_owned()),
        }
    }

    fn fixed32(&self) -> Read<u32> {
        match self {
            Self::Fixed32(number) => Ok(*number),
            _ => Err("4 bytes were expected".to_owned()),
        }
    }
}
