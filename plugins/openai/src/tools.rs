//! Tool calls out of pieces. OpenAI numbers the calls and names each in its first piece; other servers leave
//! out the number or the id, number every call 0, or send the name after the id.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::Effects;
use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{CompletionEffect, ToolCallPiece};

use crate::wire::{CallPiece, FunctionPiece};

/// More calls in one turn than any model makes.
const MAX_CALLS: usize = 512;

#[derive(Default)]
struct Call {
    /// The server's number and id for it.
    index: Option<u32>,
    id: Option<String>,
    /// Arguments that came before the name.
    early: String,
    is_named: bool,
}

/// The calls of one turn, numbered from 0 in the order they began.
#[derive(Default)]
pub(crate) struct Calls(Vec<Call>);

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(
        &mut self,
        piece: CallPiece<'_>,
        out: &mut Effects<CompletionEffect>,
    ) -> Result<(), Failure> {
        let function = piece.function.unwrap_or_default();
        let id = piece.id.filter(|id| !id.is_empty());
        let name = function.name.clone().filter(|name| !name.is_empty());
        let place = self.place(piece.index, id.as_deref(), name.is_some());
        let place = match place {
            Some(place) => place,
            None if self.0.len() == MAX_CALLS => {
                return Err(Failure::protocol(format!("the answer calls more than {MAX_CALLS} tools")));
            }
            None => {
                self.0.push(Call { index: piece.index, ..Call::default() });
                self.0.len() - 1
            }
        };
        self.put(place, id, name, function.arguments(), out);
        Ok(())
    }

    /// The one call of a server from before there could be several.
    pub(crate) fn take_legacy(&mut self, function: FunctionPiece<'_>, out: &mut Effects<CompletionEffect>) {
        if self.0.is_empty() {
            self.0.push(Call::default());
        }
        let name = function.name.clone().filter(|name| !name.is_empty());
        self.put(0, None, name, function.arguments(), out);
    }

    /// # Errors
    /// If a call never got a name.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        match self.0.iter().position(|call| !call.is_named) {
            Some(place) => Err(Failure::protocol(format!("tool call {place} has no name"))),
            None => Ok(()),
        }
    }

    /// Which call a piece belongs to; none for a new one.
    fn place(&self, index: Option<u32>, id: Option<&str>, has_name: bool) -> Option<usize> {
        let last = |fits: &dyn Fn(&Call) -> bool| self.0.iter().rposition(fits);
        let same_id = id.and_then(|id| last(&|call| call.id.as_deref() == Some(id)));
        match index {
            // A known number with another id and a name of its own is a new call all the same.
            Some(_) => same_id.or_else(|| {
                let place = last(&|call| call.index == index)?;
                let call = &self.0[place];
                let is_other = has_name && call.is_named && id.is_some() && call.id.is_some();
                (!is_other).then_some(place)
            }),
            None => same_id.or_else(|| (!has_name && id.is_none()).then(|| self.0.len().checked_sub(1))?),
        }
    }

    fn put(
        &mut self,
        place: usize,
        id: Option<String>,
        name: Option<String>,
        arguments: String,
        out: &mut Effects<CompletionEffect>,
    ) {
        let call = &mut self.0[place];
        call.id = call.id.take().or(id);
        let index = place as u32;
        match name.filter(|_| !call.is_named) {
            Some(name) => {
                call.is_named = true;
                let id = call.id.get_or_insert_with(|| format!("call_{place}")).to_string();
                let arguments = core::mem::take(&mut call.early) + &arguments;
                out.tool_call(ToolCallPiece { index, id: Some(id), name: Some(name), arguments });
            }
            None if !call.is_named => call.early.push_str(&arguments),
            None if arguments.is_empty() => {}
            None => out.tool_call(ToolCallPiece { index, id: None, name: None, arguments }),
        }
    }
}
