//! What is asked, what there is to quote, and the answer made of it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::model::{CompletionRequest, Message, ResponseFormat, Role};
use serde_json::json;

use crate::{score, text};

/// What is answered where nothing bears on the question.
pub(crate) const NOTHING: &str = "Nothing in the given messages bears on this question.";

/// How much of a conversation is read, in bytes, the newest first: what is older would cost more time than
/// a call may take.
const READ: usize = 1 << 20;

/// The whole answer, before limits are applied to it.
pub(crate) fn answer(request: &CompletionRequest) -> String {
    let Conversation { question, sources } = split(&request.messages);
    let chosen = score::relevant(&question, &sources);
    let quotes: Vec<&str> = chosen.into_iter().map(|place| sources[place]).collect();
    let prose = if quotes.is_empty() { NOTHING.to_string() } else { quotes.join(" ") };
    match request.response_format {
        Some(ResponseFormat::JsonObject) => json!({ "answer": prose, "quotes": quotes }).to_string(),
        _ => prose,
    }
}

struct Conversation<'m> {
    question: String,
    sources: Vec<&'m str>,
}

/// The question is what the user last asked: the questions in the last message of the user, or its last
/// sentence where there are none. All else, also the rest of that message, can be quoted.
fn split(messages: &[Message]) -> Conversation<'_> {
    let asking = messages.iter().rposition(|message| message.role == Role::User);
    let mut question = String::new();
    let mut sources = Vec::new();
    for (place, texts) in newest(messages) {
        let sentences: Vec<&str> = texts.into_iter().flat_map(text::sentences).collect();
        if Some(place) != asking {
            sources.extend(sentences);
            continue;
        }
        let asks = |sentence: &str| sentence.ends_with(['?', '？']);
        let any = sentences.iter().any(|sentence| asks(sentence));
        let last = sentences.len().saturating_sub(1);
        for (place, sentence) in sentences.into_iter().enumerate() {
            if asks(sentence) || (!any && place == last) {
                question.push_str(sentence);
                question.push(' ');
            } else {
                sources.push(sentence);
            }
        }
    }
    Conversation { question, sources }
}

/// The end of the conversation, as much as is read: places of messages with their texts, in order.
fn newest(messages: &[Message]) -> Vec<(usize, Vec<&str>)> {
    let mut left = READ;
    let mut kept = Vec::new();
    for (place, message) in messages.iter().enumerate().rev() {
        let mut texts: Vec<&str> = message.texts().collect();
        for text in texts.iter_mut().rev() {
            let skipped = text.len().saturating_sub(left);
            // A character cut in two is not read either.
            let start = (skipped..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
            *text = &text[start..];
            left -= text.len();
        }
        kept.push((place, texts));
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(messages: &[(Role, &str)]) -> String {
        let messages = messages.iter().map(|(role, text)| Message::new(*role, *text)).collect();
        answer(&CompletionRequest::new("extractive", messages))
    }

    #[test]
    fn it_quotes_whoever_said_it() {
        let system = "The tower stands by the river. It was built in 1382 to guard the bridge.";
        assert_eq!(
            ask(&[(Role::System, system), (Role::User, "Where does the tower stand?")]),
            "The tower stands by the river."
        );
        let alone = "Milk costs 2 francs. Bread costs 3 francs. What does bread cost?";
        assert!(ask(&[(Role::User, alone)]).contains("Bread costs 3 francs."));
        let tool = [(Role::User, "How is the weather in Basel?"), (Role::Tool, "Basel: sunny, 21 degrees.")];
        assert_eq!(ask(&tool), "Basel: sunny, 21 degrees.");
    }

    #[test]
    fn it_invents_nothing() {
        assert_eq!(ask(&[(Role::User, "Who wrote Hamlet?")]), NOTHING);
        assert_eq!(ask(&[]), NOTHING);
        assert_eq!(ask(&[(Role::System, "Be brief."), (Role::User, "")]), NOTHING);
    }

    #[test]
    fn as_an_object_it_names_its_quotes() {
        let messages = alloc::vec![
            Message::new(Role::System, "Tea is \"hot\"."),
            Message::new(Role::User, "Is tea hot?")
        ];
        let mut request = CompletionRequest::new("extractive", messages);
        request.response_format = Some(ResponseFormat::JsonObject);
        let value: serde_json::Value = serde_json::from_str(&answer(&request)).unwrap();
        assert_eq!(value, json!({ "answer": "Tea is \"hot\".", "quotes": ["Tea is \"hot\"."] }));
    }

    #[test]
    fn only_the_end_of_a_very_long_conversation_is_read() {
        let filler = "Größe und Länge. ".repeat(600_000);
        let messages = [(Role::System, "The tower is old."), (Role::System, filler.as_str())];
        let asked = [messages[0], messages[1], (Role::User, "Is the tower old?")];
        assert_eq!(ask(&asked), NOTHING);
        let near = [messages[1], messages[0], (Role::User, "Is the tower old?")];
        assert_eq!(ask(&near), "The tower is old.");
    }
}
