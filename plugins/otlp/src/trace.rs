//! Which trace an event belongs to, by W3C's trace context: <https://www.w3.org/TR/trace-context/>.

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

/// Ids as bytes; empty where there are none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) id: Vec<u8>,
    pub(crate) span: Vec<u8>,
    pub(crate) flags: u8,
}

impl Trace {
    /// From the event's `traceparent`, else from its `trace_id`, `span_id` and `trace_flags`.
    pub(crate) fn of(event: &Map<String, Value>) -> Self {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        if let Some(trace) = text("traceparent").and_then(traceparent) {
            return trace;
        }
        let Some(id) = text("trace_id").and_then(id::<16>) else { return Self::default() };
        let span = text("span_id").and_then(self::id::<8>).unwrap_or_default();
        let flags = text("trace_flags").and_then(bytes::<1>).and_then(|flags| flags.first().copied());
        Self { id, span, flags: flags.unwrap_or_default() }
    }
}

/// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`. Later versions may have more behind it.
fn traceparent(text: &str) -> Option<Trace> {
    let mut fields = text.trim().split('-');
    let version = bytes::<1>(fields.next()?)?;
    let (id, span) = (id::<16>(fields.next()?)?, id::<8>(fields.next()?)?);
    let flags = bytes::<1>(fields.next()?)?.first().copied()?;
    let is_whole = fields.next().is_none() || version != [0];
    (is_whole && version != [0xff]).then_some(Trace { id, span, flags })
}

/// An id; all zeroes are none.
fn id<const SIZE: usize>(text: &str) -> Option<Vec<u8>> {
    bytes::<SIZE>(text).filter(|bytes| bytes.iter().any(|byte| *byte != 0))
}

fn bytes<const SIZE: usize>(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    (digits.len() == SIZE * 2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
