//! The tool calls of one round, put together from their pieces: the host's own are kept back, the
//! client's pass on, numbered as the client sees them.

use hardpoint_domain::message::{ToolCall, ToolCallPiece};

/// No model calls more tools than this in one turn.
pub(super) const MAX_CALLS: usize = 128;

/// The calls of one round.
#[derive(Debug, Default)]
pub(super) struct Calls {
    seen: Vec<Call>,
    /// How many of them are the client's.
    clients: u32,
}

#[derive(Debug)]
struct Call {
    /// The provider's number for it.
    number: u32,
    id: String,
    name: String,
    arguments: String,
    owner: Owner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// No piece brought the name yet.
    Unknown,
    Host,
    /// The number that the client knows it by.
    Client(u32),
}

impl Calls {
    /// Takes a piece in, and returns what of it the client is to see. `is_hosts` says whose a name is,
    /// `new_id` makes an id where the provider sends none. None of the pieces of a call over the limit is kept.
    pub(super) fn take(
        &mut self,
        piece: ToolCallPiece,
        is_hosts: impl FnOnce(&str) -> bool,
        new_id: impl FnOnce() -> String,
    ) -> Option<ToolCallPiece> {
        let position = self.seen.iter().rposition(|call| call.number == piece.index);
        let position = match position {
            Some(position) => position,
            None if self.seen.len() == MAX_CALLS => return None,
            None => {
                let id = piece.id.filter(|id| !id.is_empty()).unwrap_or_else(new_id);
                let (name, arguments) = (String::new(), String::new());
                self.seen.push(Call { number: piece.index, id, name, arguments, owner: Owner::Unknown });
                self.seen.len() - 1
            }
        };
        let call = &mut self.seen[position];
        if let Owner::Client(index) = call.owner {
            return Some(ToolCallPiece { index, id: None, name: None, arguments: piece.arguments });
        }
        call.arguments.push_str(&piece.arguments);
        let name = piece.name.filter(|name| !name.is_empty() && call.owner == Owner::Unknown)?;
        if is_hosts(&name) {
            call.owner = Owner::Host;
            call.name = name;
            return None;
        }
        let index = self.clients;
        self.clients += 1;
        call.owner = Owner::Client(index);
        let arguments = std::mem::take(&mut call.arguments);
        Some(ToolCallPiece { index, id: Some(call.id.clone()), name: Some(name), arguments })
    }

    /// Whether any call is the client's to answer.
    pub(super) fn any_clients(&self) -> bool {
        self.clients > 0
    }

    /// The host's own calls, in their order.
    pub(super) fn into_hosts(self) -> Vec<ToolCall> {
        let hosts = self.seen.into_iter().filter(|call| call.owner == Owner::Host);
        hosts.map(|Call { id, name, arguments, .. }| ToolCall { id, name, arguments }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> ToolCallPiece {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        ToolCallPiece { index, id: owned(id), name: owned(name), arguments: arguments.to_owned() }
    }

    fn take(calls: &mut Calls, piece: ToolCallPiece) -> Option<ToolCallPiece> {
        calls.take(piece, |name| name == "sum", || "call_made".to_owned())
    }

    #[test]
    fn the_hosts_are_kept_and_the_clients_pass_renumbered() {
        let mut calls = Calls::default();
        assert_eq!(take(&mut calls, piece(0, Some("a"), Some("sum"), "{\"x\"")), None);
        let first = take(&mut calls, piece(1, Some("b"), Some("lamp"), ""));
        assert_eq!(first, Some(piece(0, Some("b"), Some("lamp"), "")));
        assert_eq!(take(&mut calls, piece(0, None, None, ":1}")), None);
        assert_eq!(take(&mut calls, piece(1, None, None, "{}")), Some(piece(0, None, None, "{}")));
        let second = take(&mut calls, piece(7, Some("c"), Some("door"), "{}"));
        assert_eq!(second, Some(piece(1, Some("c"), Some("door"), "{}")));
        assert!(calls.any_clients());
        let kept = ToolCall { id: "a".to_owned(), name: "sum".to_owned(), arguments: "{\"x\":1}".to_owned() };
        assert_eq!(calls.into_hosts(), [kept]);
    }

    #[test]
    fn what_comes_before_the_name_waits_for_it_and_a_missing_id_is_made() {
        let mut calls = Calls::default();
        assert_eq!(take(&mut calls, piece(3, None, None, "{\"on\"")), None);
        assert!(!calls.any_clients());
        let whole = take(&mut calls, piece(3, None, Some("lamp"), ":true}"));
        assert_eq!(whole, Some(piece(0, Some("call_made"), Some("lamp"), "{\"on\":true}")));
    }

    #[test]
    fn calls_over_the_limit_are_not_kept() {
        let mut calls = Calls::default();
        for index in 0..1_000 {
            take(&mut calls, piece(index, None, Some("sum"), "{}"));
        }
        assert_eq!(calls.into_hosts().len(), MAX_CALLS);
    }
}
