//! What a completion is asked of: the upstream itself, or the host in front of it.

use std::net::SocketAddr;

use hardpoint_tests::load::Load;

/// Where the load goes.
#[derive(Clone, Debug)]
pub struct Target {
    address: SocketAddr,
    path: &'static str,
    key: Option<String>,
}

impl Target {
    /// The upstream itself.
    pub fn upstream(address: SocketAddr) -> Self {
        Self { address, path: "/v1/chat/completions", key: None }
    }

    /// The host in front of it.
    pub fn host(address: SocketAddr, key: String) -> Self {
        Self { address, path: "/api/v1/chat/completions", key: Some(key) }
    }

    /// So many completions, plain or streamed.
    pub fn load(&self, streamed: bool, connections: usize, requests: u64) -> Load {
        Load {
            address: self.address,
            path: self.path.to_owned(),
            key: self.key.clone(),
            body: body(streamed).into(),
            status: 200,
            end: if streamed { b"data: [DONE]\n\n" } else { b"}" },
            connections,
            requests,
        }
    }
}

fn body(streamed: bool) -> String {
    let question = "Where does the tower stand, and what was it built for? Answer in one sentence.";
    let body = serde_json::json!({
        "model": "bench",
        "messages": [
            { "role": "system", "content": "You are a guide to the old town." },
            { "role": "user", "content": question },
        ],
        "stream": streamed,
    });
    body.to_string()
}
