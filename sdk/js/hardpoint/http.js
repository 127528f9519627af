// HTTP for plugins that act: tools and retrievers. The grant is checked by the host.

import { send as hostSend } from 'hardpoint:plugin/http@0.1.0';
import { Failure, header } from './failure.js';

/** A whole answer. */
class Response {
  constructor({ status, headers, body }) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** Whether the status is 200 to 299. */
  get ok() {
    return this.status >= 200 && this.status <= 299;
  }

  /** The first value of a header, by its lower-case name. */
  header(name) {
    return header(this.headers, name);
  }

  /** The body as text; what is not UTF-8 is replaced. */
  text() {
    return new TextDecoder().decode(this.body);
  }

  /** The body from JSON. Throws `Failure` if it is none. */
  json() {
    try {
      return JSON.parse(this.text());
    } catch (error) {
      throw new Failure('protocol', `JSON: ${error.message}`);
    }
  }
}

/**
 * Sends a request and waits for the whole answer. Redirects are answers; so is any other status. Throws `Failure` if
 * there is no whole answer: not granted, no connection, a time limit, too large.
 * @param {ReturnType<import('./request.js').request>} request
 */
export function send({ exchange: _, ...request }) {
  try {
    return new Response(hostSend(request));
  } catch (error) {
    throw error?.payload?.kind ? Failure.ofTransport(error.payload) : error;
  }
}
