//! The tool as a host calls it, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod answers;
mod charsets;
mod html;

use fetch_page::FetchPage;
use hardpoint_sdk::serde_json::{Value, from_str, json};
use hardpoint_sdk::testing::{Answer, Double, call};
use hardpoint_sdk::tool::ToolError;

const SITE: &str = "https://docs.example.com/guide";
const PAGE: &str = "https://docs.example.com/guide/page.html";

/// Asks for a page that answers so.
fn fetched(arguments: Value, answer: Answer) -> Result<Value, ToolError> {
    let _host = Double::new().answer(answer);
    let text = call::<FetchPage>(arguments, json!({ "site": SITE, "site_2": "http://other.example" }))?;
    Ok(from_str(&text).expect("the answer is JSON"))
}

/// The answer to HTML.
fn page(html: &str) -> Value {
    let answer = Answer::new(200).header("content-type", "text/html; charset=utf-8").chunk(html);
    fetched(json!({ "url": PAGE }), answer).expect(html)
}

/// Its text.
fn text(html: &str) -> String {
    page(html)["text"].as_str().unwrap().to_owned()
}
