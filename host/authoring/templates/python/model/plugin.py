"""A model adapter for servers that stream chat completions as server-sent events, in OpenAI's format. Text only;
the place to begin for a protocol of your own."""

import json

from hardpoint import Failure, FailureKind, Machine, post, retry_after_ms, secret, send
from hardpoint.model import FinishReason, ModelAdapter, Role, finish, text, text_of, usage
from hardpoint.sse import Decoder

# How the host's roles are called by the server.
ROLES = {
    Role.SYSTEM: "system",
    Role.DEVELOPER: "system",
    Role.USER: "user",
    Role.TOOL: "user",
    Role.ASSISTANT: "assistant",
}

# How the server's reasons to end are called by the host.
REASONS = {"length": FinishReason.LENGTH, "content_filter": FinishReason.CONTENT_FILTER}


class Streaming(ModelAdapter):
    def complete(self, request, settings):
        if request.tools:
            raise Failure(FailureKind.UNSUPPORTED, "this adapter passes no tools on")
        body = {
            "model": request.upstream_model,
            "messages": [
                {"role": ROLES[message.role], "content": text_of(message)} for message in request.messages
            ],
            "stream": True,
        }
        if request.max_tokens is not None:
            body["max_tokens"] = request.max_tokens
        if request.temperature is not None:
            body["temperature"] = request.temperature
        headers = {
            "accept": "text/event-stream",
            # Left out by the host where there is no key.
            "authorization": ["Bearer ", secret("api_key")],
        }
        url = settings["base_url"].rstrip("/") + "/chat/completions"
        return Completion(post(url, headers=headers, json=body))


class Completion(Machine):
    """One completion: one request, and its answer as it comes."""

    def __init__(self, request):
        self.request = request
        self.events = Decoder()
        self.error = None
        self.error_body = b""
        self.reason = FinishReason.STOP

    def started(self):
        yield send(self.request)

    def head(self, head):
        if head.status != 200:
            self.error = head

    def body(self, exchange, data):
        """The network cuts the body anywhere; the decoder puts events together again."""
        if self.error is not None:
            self.error_body = (self.error_body + data)[:4096]
            return
        for event in self.events.feed(data):
            if event.data == "[DONE]":
                yield finish(self.reason)
                return
            yield from self.chunk(event.data)

    def chunk(self, data):
        try:
            chunk = json.loads(data)
        except ValueError as error:
            raise Failure(FailureKind.PROTOCOL, f"JSON: {error}") from None
        if tokens := chunk.get("usage"):
            yield usage(tokens["prompt_tokens"], tokens["completion_tokens"])
        for choice in chunk.get("choices", [])[:1]:
            if content := (choice.get("delta") or {}).get("content"):
                yield text(content)
            if reason := choice.get("finish_reason"):
                self.reason = REASONS.get(reason, FinishReason.STOP)

    def ended(self, exchange):
        """Comes only where the stream did not end as it should: after `finish` nothing is told any more."""
        if self.error is None:
            raise Failure(FailureKind.PROTOCOL, "the stream ended without [DONE]")
        message = self.error_body.decode(errors="replace")
        wait = retry_after_ms(self.error.headers)
        raise Failure.of_status(self.error.status, message, retry_after_ms=wait)


plugin = Streaming()
