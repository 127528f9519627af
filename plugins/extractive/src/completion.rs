//! The answer cut to its limits and handed out a few words at a time.

use alloc::string::String;

use hardpoint_sdk::model::{CompletionEffect, CompletionRequest, FinishReason, Usage};
use hardpoint_sdk::{Effects, Failure, Machine};

use crate::{answer, text};

/// Words in one delta of a stream.
const WORDS: usize = 4;

/// One completion.
pub struct Completion {
    answer: String,
    /// Up to here it was handed out.
    told: usize,
    streamed: bool,
    usage: Usage,
    reason: FinishReason,
}

impl Completion {
    pub(crate) fn new(request: &CompletionRequest) -> Self {
        let mut answer = answer::answer(request);
        cut_at_stop(&mut answer, &request.stop);
        let reason = cut_to_length(&mut answer, request.max_tokens);
        let input_tokens =
            request.messages.iter().flat_map(|message| message.texts()).map(text::count_tokens).sum();
        let usage = Usage {
            input_tokens,
            cached_input_tokens: 0,
            output_tokens: text::count_tokens(&answer),
            reasoning_tokens: 0,
        };
        Self { answer, told: 0, streamed: request.streamed, usage, reason }
    }

    fn proceed(&mut self, out: &mut Effects<CompletionEffect>) {
        let rest = &self.answer[self.told..];
        let end = if self.streamed { piece(rest) } else { rest.len() };
        if end > 0 {
            out.text(&rest[..end]);
            self.told += end;
        }
        if self.told == self.answer.len() {
            out.usage(self.usage);
            out.finish(self.reason);
        } else {
            out.again();
        }
    }
}

impl Machine for Completion {
    type Effect = CompletionEffect;

    fn started(&mut self, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        self.proceed(out);
        Ok(())
    }

    fn resumed(&mut self, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        self.proceed(out);
        Ok(())
    }
}

/// Where the next few words end, the space after them included.
fn piece(text: &str) -> usize {
    let mut ends = text.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, c)| at + c.len_utf8());
    ends.nth(WORDS - 1).unwrap_or(text.len())
}

/// Nothing from the first stop sequence on is shown.
fn cut_at_stop(answer: &mut String, stop: &[String]) {
    let first =
        stop.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| answer.find(stop.as_str())).min();
    if let Some(first) = first {
        answer.truncate(first);
    }
}

fn cut_to_length(answer: &mut String, max_tokens: Option<u32>) -> FinishReason {
    let Some(most) = max_tokens else { return FinishReason::Stop };
    let mut ends = text::tokens(answer).skip((most as usize).saturating_sub(1));
    let (Some(end), Some(_)) = (ends.next(), ends.next()) else { return FinishReason::Stop };
    drop(ends);
    answer.truncate(end);
    FinishReason::Length
}

#[cfg(test)]
mod tests {
    use hardpoint_sdk::model::{Message, ResponseFormat, Role, ToolChoice};
    use hardpoint_sdk::testing::{self, Completed};
    use serde_json::json;

    use super::*;
    use crate::Extractive;

    fn request() -> CompletionRequest {
        let said = "The tower stands by the river, where the road from the north meets the old bridge.";
        CompletionRequest::new(
            "extractive",
            alloc::vec![
                Message::new(Role::System, said),
                Message::new(Role::User, "Where does the tower stand?")
            ],
        )
    }

    fn run(request: CompletionRequest) -> Completed {
        testing::completion::<Extractive>(request, json!({})).run()
    }

    #[test]
    fn a_stream_says_the_same_in_pieces() {
        let whole = run(request());
        let streamed = run(CompletionRequest { streamed: true, ..request() });
        assert_eq!(whole.result, Ok(FinishReason::Stop));
        assert_eq!(whole.text, streamed.text);
        let pieces = |done: &Completed| {
            done.deltas.iter().filter(|delta| matches!(delta, CompletionEffect::Text(_))).count()
        };
        assert_eq!((pieces(&whole), pieces(&streamed)), (1, 4));
        let usage = streamed.usage.unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (24, 18));
    }

    #[test]
    fn limits_cut_it() {
        let short = run(CompletionRequest { max_tokens: Some(3), ..request() });
        assert_eq!((short.text.as_str(), short.result), ("The tower stands", Ok(FinishReason::Length)));
        let exact = run(CompletionRequest { max_tokens: Some(18), ..request() });
        assert_eq!(exact.result, Ok(FinishReason::Stop));
        let stopped =
            run(CompletionRequest { stop: alloc::vec![" river".into(), "road".into()], ..request() });
        assert_eq!(
            (stopped.text.as_str(), stopped.result),
            ("The tower stands by the", Ok(FinishReason::Stop))
        );
    }

    #[test]
    fn what_it_cannot_do_is_refused() {
        let must_call = CompletionRequest { tool_choice: Some(ToolChoice::Required), ..request() };
        assert!(run(must_call).result.is_err());
        let schema = hardpoint_sdk::model::JsonSchemaFormat {
            name: "x".into(),
            description: None,
            schema: "{}".into(),
            strict: None,
        };
        let format = Some(ResponseFormat::JsonSchema(schema));
        assert!(run(CompletionRequest { response_format: format, ..request() }).result.is_err());
    }
}
