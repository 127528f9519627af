//! Turns that Anthropic's own tools interrupt (`pause_turn`): what was said so far is sent back as it came, and
//! the model goes on (<https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons>).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use serde_json::Value;

/// More interruptions of one answer than the API's own loop has rounds.
const MAX_PAUSES: u32 = 10;
/// All that is kept of an answer, in bytes of its events.
const MAX_KEPT: usize = 16 * 1024 * 1024;

/// A request as it was sent, and the blocks of the answer to it, to be sent back.
pub(crate) struct Pause {
    json: Vec<u8>,
    pauses: u32,
    blocks: Vec<(u32, Value)>,
    partial_json: String,
    kept: usize,
}

impl Pause {
    pub(crate) fn new(json: Vec<u8>) -> Self {
        Self { json, pauses: 0, blocks: Vec::new(), partial_json: String::new(), kept: 0 }
    }

    /// A block began, or is whole.
    ///
    /// # Errors
    /// `protocol` if it is no JSON, or the answer is larger than can be kept.
    pub(crate) fn start(&mut self, index: u32, block: &str) -> Result<(), Failure> {
        self.count(block)?;
        self.partial_json.clear();
        self.blocks.push((index, serde_json::from_str(block)?));
        Ok(())
    }

    /// The last block goes on.
    ///
    /// # Errors
    /// As for `start`.
    pub(crate) fn delta(&mut self, index: u32, delta: &str) -> Result<(), Failure> {
        self.count(delta)?;
        let Some((_, block)) = self.blocks.last_mut().filter(|(last, _)| *last == index) else {
            return Ok(());
        };
        let mut delta: Value = serde_json::from_str(delta)?;
        match delta["type"].as_str().unwrap_or_default() {
            "text_delta" => append(block, "text", &delta),
            "thinking_delta" => append(block, "thinking", &delta),
            "signature_delta" => append(block, "signature", &delta),
            "input_json_delta" => {
                self.partial_json.push_str(delta["partial_json"].as_str().unwrap_or_default())
            }
            "citations_delta" => {
                let citation = delta["citation"].take();
                match &mut block["citations"] {
                    Value::Array(citations) => citations.push(citation),
                    citations => *citations = Value::Array(alloc::vec![citation]),
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The last block is complete.
    pub(crate) fn stop(&mut self, index: u32) {
        let json = core::mem::take(&mut self.partial_json);
        let Some((_, block)) = self.blocks.last_mut().filter(|(last, _)| *last == index) else { return };
        if let (false, Ok(input)) = (json.is_empty(), serde_json::from_str(&json)) {
            block["input"] = input;
        }
    }

    /// The request that goes on; none if there were enough.
    pub(crate) fn go_on(&mut self) -> Option<Vec<u8>> {
        if self.pauses == MAX_PAUSES || self.blocks.is_empty() {
            return None;
        }
        self.pauses += 1;
        let content: Vec<Value> = core::mem::take(&mut self.blocks).into_iter().map(|(_, it)| it).collect();
        let turn = serde_json::json!({ "role": "assistant", "content": content });
        // `messages` is the last member: `…]}` becomes `…,TURN]}`.
        let open = self.json.strip_suffix(b"]}")?.len();
        self.json.truncate(open);
        self.json.push(b',');
        self.json.extend_from_slice(turn.to_string().as_bytes());
        self.json.extend_from_slice(b"]}");
        Some(self.json.clone())
    }

    fn count(&mut self, text: &str) -> Result<(), Failure> {
        self.kept += text.len();
        if self.kept > MAX_KEPT {
            return Err(Failure::protocol("the turn that was interrupted is too large to be gone on with"));
        }
        Ok(())
    }
}

fn append(block: &mut Value, member: &str, delta: &Value) {
    let more = delta[member].as_str().unwrap_or_default();
    match &mut block[member] {
        Value::String(text) => text.push_str(more),
        other => *other = Value::String(more.to_string()),
    }
}
