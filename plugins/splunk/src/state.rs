//! What is kept with the cursor: the channel, the acknowledgements that are still open, and the cookies that
//! lead back to the indexer which knows of them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::exporter::Batch;
use hardpoint_sdk::request::Header;
use serde::{Deserialize, Serialize};

/// Cookies kept, and bytes of one: what a load balancer needs, not what a hostile answer sends.
const MAX_COOKIES: usize = 8;
const MAX_COOKIE: usize = 4_096;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The channel's id, a GUID. Acknowledgement ids count per channel.
    pub(crate) channel: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) open: Vec<Open>,
    /// `NAME=VALUE`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
}

/// A request that was accepted, and events of which have no verdict yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    /// None once it is acknowledged: Splunk says so once only, and some of its events may be offered later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ack: Option<u64>,
    /// When it was sent: microseconds since the Unix epoch.
    pub(crate) at: u64,
    /// Ids of its events.
    pub(crate) events: Vec<String>,
}

impl State {
    /// What was saved, or a new channel where nothing was, or nothing that can be read.
    pub(crate) fn restore(saved: Option<&[u8]>, batch: &Batch) -> Self {
        let text = saved.and_then(|saved| core::str::from_utf8(saved).ok());
        let state = text.and_then(|text| serde_json::from_str::<Self>(text).ok());
        state.filter(|state| is_guid(&state.channel)).unwrap_or_else(|| Self {
            channel: channel(batch),
            open: Vec::new(),
            cookies: Vec::new(),
        })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Takes over the cookies of an answer. Behind a load balancer with sticky sessions only they lead back to
    /// the same indexer, and another one knows nothing of the channel.
    pub(crate) fn take_cookies(&mut self, headers: &[Header]) {
        for header in headers.iter().filter(|header| header.name == "set-cookie") {
            let Ok(text) = core::str::from_utf8(&header.value) else { continue };
            let cookie = text.split(';').next().unwrap_or_default().trim();
            let Some((name, _)) = cookie.split_once('=') else { continue };
            let is_plain = cookie.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
            if name.is_empty() || cookie.len() > MAX_COOKIE || !is_plain {
                continue;
            }
            self.cookies.retain(|kept| kept.split('=').next() != Some(name));
            if self.cookies.len() < MAX_COOKIES {
                self.cookies.push(cookie.to_string());
            }
        }
    }

    /// For the header `cookie`; none if there are none.
    pub(crate) fn cookies(&self) -> Option<String> {
        (!self.cookies.is_empty()).then(|| self.cookies.join("; "))
    }
}

/// A GUID of our own. A plugin has no randomness: this is as unlikely to come twice as a batch's first event
/// is to be offered twice in one microsecond by different hosts, and nothing is lost if it does, since Splunk
/// counts acknowledgements on.
fn channel(batch: &Batch) -> String {
    let first = batch.events.first().map_or("", |event| event.id.as_str());
    let half = |seed: u64| {
        let start = (0xcbf2_9ce4_8422_2325 ^ seed).wrapping_mul(FNV_PRIME) ^ batch.now;
        mix(first.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)))
    };
    let (high, low) = (half(1), half(2));
    // Version 4 and variant 1, as all ids without meaning are written (RFC 9562).
    format!(
        "{:08X}-{:04X}-4{:03X}-{:04X}-{:012X}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        ((low >> 48) & 0x3fff) | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

/// FNV-1a's, and a finaliser after it, for its high bits change little.
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
