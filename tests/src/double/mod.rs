//! Doubles of services outside: faithful to their documents, scriptable, and counting what they see.

pub mod anthropic;
pub mod body;
pub mod collector;
pub mod datadog;
pub mod elastic;
pub mod front;
pub mod gemini;
pub mod openai;
pub mod otlp;
pub mod pagerduty;
pub mod plain;
pub mod qdrant;
pub mod script;
pub mod server;
pub mod sink;
pub mod smtp;
pub mod splunk;
pub mod stripe;
pub mod tls;
pub mod vendor;
