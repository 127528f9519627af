// A model adapter for servers that stream chat completions as server-sent events, in OpenAI's format. Text only; the
// place to begin for a protocol of your own.

import { Failure, retryAfterMs } from './vendor/hardpoint/failure.js';
import { Machine, send } from './vendor/hardpoint/machine.js';
import { defineModel, finish, text, textOf, usage } from './vendor/hardpoint/model.js';
import { post, secret } from './vendor/hardpoint/request.js';
import { Decoder } from './vendor/hardpoint/sse.js';

/** How the host's roles are called by the server, where they are called otherwise. */
const ROLES = { developer: 'system', tool: 'user' };

/** How the server's reasons to end are called by the host. */
const REASONS = { length: 'length', content_filter: 'content-filter' };

/** What is kept of an error's body. */
const MOST_ERROR_BYTES = 4096;

/** One completion: one request, and its answer as it comes. */
class Completion extends Machine {
  #request;
  #events = new Decoder();
  #error;
  #errorBytes = [];
  #reason = 'stop';

  constructor(request) {
    super();
    this.#request = request;
  }

  *started() {
    yield send(this.#request);
  }

  head(head) {
    if (head.status !== 200) this.#error = head;
  }

  /** The network cuts the body anywhere; the decoder puts events together again. */
  *body(data) {
    if (this.#error) {
      this.#errorBytes.push(...data.subarray(0, MOST_ERROR_BYTES - this.#errorBytes.length));
      return;
    }
    for (const event of this.#events.feed(data)) {
      if (event.data === '[DONE]') {
        yield finish(this.#reason);
        return;
      }
      yield* this.#chunk(event.data);
    }
  }

  /** Comes only where the stream did not end as it should: after `finish` nothing is told any more. */
  ended() {
    if (!this.#error) throw new Failure('protocol', 'the stream ended without [DONE]');
    const message = new TextDecoder().decode(Uint8Array.from(this.#errorBytes));
    throw Failure.ofStatus(this.#error.status, message, { retryAfterMs: retryAfterMs(this.#error.headers) });
  }

  *#chunk(data) {
    const chunk = parse(data);
    if (chunk.usage) {
      const { prompt_tokens: inputTokens, completion_tokens: outputTokens } = chunk.usage;
      yield usage({ inputTokens, outputTokens });
    }
    const choice = chunk.choices?.[0];
    if (choice?.delta?.content) yield text(choice.delta.content);
    if (choice?.finish_reason) this.#reason = REASONS[choice.finish_reason] ?? 'stop';
  }
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch (error) {
    throw new Failure('protocol', `JSON: ${error.message}`);
  }
}

export const modelAdapter = defineModel({
  complete(request, settings) {
    if (request.tools.length > 0) throw new Failure('unsupported', 'this adapter passes no tools on');
    const json = {
      model: request.upstreamModel,
      messages: request.messages.map((message) => ({
        role: ROLES[message.role] ?? message.role,
        content: textOf(message),
      })),
      stream: true,
      // Left out of JSON where the caller left them out.
      max_tokens: request.maxTokens,
      temperature: request.temperature,
    };
    const headers = {
      accept: 'text/event-stream',
      // Left out by the host where there is no key.
      authorization: ['Bearer ', secret('api_key')],
    };
    return new Completion(post(`${settings.base_url.replace(/\/+$/, '')}/chat/completions`, { headers, json }));
  },
});
