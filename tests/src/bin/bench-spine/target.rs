//! What a completion is asked of: the upstream itself, or the host in front of it.

use std::net::SocketAddr;

use hardpoint_tests::load::Load;

/// Where the load goes.
#[derive(Clone, Debug)]
pub struct Target {
    address: SocketAddr,
    path: &'static str,
    model: &'static str,
    key: Option<String>,
}

/// The model that costs nothing.
pub const FREE: &str = "bench";
/// The same, with a price.
pub const PRICED: &str = "priced";

impl Target {
    /// The upstream itself.
    pub fn upstream(address: SocketAddr) -> Self {
        Self { address, path: "/v1/chat/completions", model: FREE, key: None }
    }

    /// The host in front of it: one of its models, for somebody's key.
    pub fn host(address: SocketAddr, model: &'static str, key: String) -> Self {
        Self { address, path: "/api/v1/chat/completions", model, key: Some(key) }
    }

    /// So many completions, plain or streamed.
    pub fn load(&self, streamed: bool, connections: usize, requests: u64) -> Load {
        Load {
            address: self.address,
            path: self.path.to_owned(),
            key: self.key.clone(),
            body: body(self.model, streamed).into(),
            status: 200,
            end: if streamed { b"data: [DONE]\n\n" } else { b"}" },
            connections,
            requests,
        }
    }
}

fn body(model: &str, streamed: bool) -> String {
    let question = "Where does the tower stand, and what was it built for? Answer in one sentence.";
    let body = serde_json::json!({
        "model": model,
        "messages": [
            { "role": "system", "content": "You are a guide to the old town." },
            { "role": "user", "content": question },
        ],
        "stream": streamed,
    });
    body.to_string()
}
