// An exporter that posts each batch as lines of JSON, and says by the answer what became of the events.

import { defineExporter, delivered, drop, park, retryAfter, split } from './vendor/hardpoint/exporter.js';
import { Failure, retryAfterMs } from './vendor/hardpoint/failure.js';
import { Machine, send } from './vendor/hardpoint/machine.js';
import { post, secret } from './vendor/hardpoint/request.js';

/** One attempt at one batch: one request. */
class Delivery extends Machine {
  #batch;
  #url;
  #answer;

  constructor(batch, url) {
    super();
    this.#batch = batch;
    this.#url = url;
  }

  *started() {
    const body = this.#batch.events.map((event) => `${event.body}\n`).join('');
    const headers = {
      'content-type': 'application/x-ndjson',
      // Left out by the host where there is no token.
      authorization: ['Bearer ', secret('token')],
    };
    yield send(post(this.#url, { headers, body, gzip: true }));
  }

  head(head) {
    this.#answer = head;
  }

  *ended() {
    if (!this.#answer) throw new Failure('protocol', 'an answer without a head');
    const { status } = this.#answer;
    if (status === 401 || status === 403) {
      yield park(`the endpoint refused the token (status ${status})`);
    } else if (status === 413 && this.#batch.events.length > 1) {
      yield split();
    } else {
      for (const index of this.#batch.events.keys()) yield this.#verdict(index, status);
    }
  }

  // `broken` is left as it is: a connection that failed fails the batch, and the host offers it again.

  #verdict(index, status) {
    if (status >= 200 && status <= 299) return delivered(index);
    if (status === 408 || status === 429 || status >= 500) {
      return retryAfter(index, retryAfterMs(this.#answer.headers) ?? this.#patience());
    }
    return drop(index, `refused with status ${status}`);
  }

  /** Where the answer names no time: five seconds, doubled with each attempt, at most five minutes. */
  #patience() {
    return Math.min(5_000 * 2 ** (this.#batch.attempt - 1), 300_000);
  }
}

export const exporter = defineExporter({
  deliver: (batch, settings) => new Delivery(batch, settings.url),
});
