"""An exporter that posts each batch as lines of JSON, and says by the answer what became of the events."""

from hardpoint import Failure, FailureKind, Machine, post, retry_after_ms, secret, send
from hardpoint.exporter import Exporter, delivered, drop, park, retry_after, split


class JsonLines(Exporter):
    def deliver(self, batch, settings, state):
        return Delivery(batch, settings["url"])


class Delivery(Machine):
    """One attempt at one batch: one request."""

    def __init__(self, batch, url):
        self.batch = batch
        self.url = url
        self.answer = None

    def started(self):
        lines = "".join(f"{event.body}\n" for event in self.batch.events)
        headers = {
            "content-type": "application/x-ndjson",
            # Left out by the host where there is no token.
            "authorization": ["Bearer ", secret("token")],
        }
        yield send(post(self.url, headers=headers, body=lines, gzip=True))

    def head(self, head):
        self.answer = head

    def ended(self, exchange):
        if self.answer is None:
            raise Failure(FailureKind.PROTOCOL, "an answer without a head")
        status = self.answer.status
        if status in (401, 403):
            yield park(f"the endpoint refused the token (status {status})")
        elif status == 413 and len(self.batch.events) > 1:
            yield split()
        else:
            for index in range(len(self.batch.events)):
                yield self.verdict(index, status)

    def verdict(self, index, status):
        if 200 <= status <= 299:
            return delivered(index)
        if status in (408, 429) or status >= 500:
            wait = retry_after_ms(self.answer.headers)
            return retry_after(index, self.patience() if wait is None else wait)
        return drop(index, f"refused with status {status}")

    def patience(self):
        """Where the answer names no time: five seconds, doubled with each attempt, at most five minutes."""
        return min(5_000 << min(self.batch.attempt - 1, 6), 300_000)

    # `broken` is left as it is: a connection that failed fails the batch, and the host offers it again.


plugin = JsonLines()
