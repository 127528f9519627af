"""Model adapters: from the host's requests to some provider's protocol and back."""

from __future__ import annotations

from typing import Any

from .failure import Failure, FailureKind
from .machine import Machine
from .wit import model_adapter as wit
from .wit.model_adapter import CompletionRequest, EmbeddingRequest, FinishReason, Message, Role, Usage


class ModelAdapter:
    """A plugin of kind `model`."""

    def complete(self, request: CompletionRequest, settings: dict[str, Any]) -> Machine:
        """Begins a completion. Raise `Failure` if it cannot be served at all."""
        raise Failure(FailureKind.UNSUPPORTED, "this model makes no completions")

    def embed(self, request: EmbeddingRequest, settings: dict[str, Any]) -> Machine:
        """Begins an embedding."""
        raise Failure(FailureKind.UNSUPPORTED, "this model makes no embeddings")


def text_of(message: Message) -> str:
    """The texts of a message, without its images."""
    return "".join(part.value for part in message.content if isinstance(part, wit.ContentPart_Text))


def text(text: str) -> wit.CompletionEffect_Text:
    """Appends text to the answer."""
    return wit.CompletionEffect_Text(text)


def reasoning(text: str) -> wit.CompletionEffect_Reasoning:
    """Appends text to the reasoning before the answer."""
    return wit.CompletionEffect_Reasoning(text)


def refusal(text: str) -> wit.CompletionEffect_Refusal:
    """Appends text to a refusal."""
    return wit.CompletionEffect_Refusal(text)


def tool_call(
    index: int, arguments: str = "", *, id: str | None = None, name: str | None = None
) -> wit.CompletionEffect_ToolCall:
    """Passes on a piece of a tool call; `id` and `name` on its first."""
    return wit.CompletionEffect_ToolCall(wit.ToolCallPiece(index, id, name, arguments))


def usage(
    input_tokens: int, output_tokens: int, *, cached_input_tokens: int = 0, reasoning_tokens: int = 0
) -> Usage:
    """Tells what was used so far, all told."""
    return Usage(input_tokens, cached_input_tokens, output_tokens, reasoning_tokens)


def finish(reason: FinishReason = FinishReason.STOP) -> wit.CompletionEffect_Finish:
    """Ends the completion. Nothing may follow."""
    return wit.CompletionEffect_Finish(reason)


def vector(index: int, vector: list[float]) -> wit.EmbeddingEffect_Vector:
    """The vector of the input at `index`."""
    return wit.EmbeddingEffect_Vector(wit.Embedded(index, vector))


def embedded() -> wit.EmbeddingEffect_Finish:
    """Ends the embedding; every input has its vector by now."""
    return wit.EmbeddingEffect_Finish()


__all__ = [
    "CompletionRequest",
    "EmbeddingRequest",
    "FinishReason",
    "Message",
    "ModelAdapter",
    "Role",
    "Usage",
    "embedded",
    "finish",
    "reasoning",
    "refusal",
    "text",
    "text_of",
    "tool_call",
    "usage",
    "vector",
]
