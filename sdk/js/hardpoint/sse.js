// Server-sent events, decoded from bytes that the network cut anywhere.
//
// After the WHATWG's "Interpreting an event stream": lines end in `\n`, `\r\n` or `\r`, a leading byte order mark is
// skipped, comments are ignored, `data` lines are joined by `\n`, and a blank line ends an event. `id` and `retry`,
// which are for reconnecting, are ignored.

import { Failure } from './failure.js';

/** An incremental decoder: `for (const event of decoder.feed(piece))`. */
export class Decoder {
  // Puts characters together that the network cut, and skips the mark.
  #decoder = new TextDecoder();
  #text = '';
  #searched = 0;
  #afterCr = false;
  #name = '';
  #data = [];
  #size = 0;
  #limit;

  /** An event, or a line, may have `limit` characters. */
  constructor(limit = 1 << 20) {
    this.#limit = limit;
  }

  /**
   * Takes a piece of the body and gives the events that it completes: `name` is the `event` field, empty where there
   * is none. An event that the stream's end cut off never is. Throws `Failure` where one is too large.
   * @param {Uint8Array} piece
   * @returns {Generator<{ name: string, data: string }>}
   */
  *feed(piece) {
    this.#text += this.#decoder.decode(piece, { stream: true });
    for (let line = this.#line(); line !== undefined; line = this.#line()) {
      if (line !== '') {
        this.#field(line);
        continue;
      }
      // An event without data is none, whatever its name.
      const event = this.#data.length > 0 ? { name: this.#name, data: this.#data.join('\n') } : undefined;
      this.#name = '';
      this.#data = [];
      this.#size = 0;
      if (event) yield event;
    }
    this.#check(this.#text.length);
  }

  /** Whether part of an unfinished event is there: at the end of a stream, that it was cut off. */
  get isWithinEvent() {
    return this.#data.length > 0 || this.#text.length > 0;
  }

  /** The next whole line, without its end. */
  #line() {
    if (this.#afterCr && this.#text !== '') {
      this.#afterCr = false;
      if (this.#text.startsWith('\n')) this.#text = this.#text.slice(1);
    }
    let end = this.#searched;
    while (end < this.#text.length && this.#text[end] !== '\n' && this.#text[end] !== '\r') end += 1;
    if (end === this.#text.length) {
      this.#searched = end;
      return undefined;
    }
    const line = this.#text.slice(0, end);
    this.#afterCr = this.#text[end] === '\r';
    this.#text = this.#text.slice(end + 1);
    this.#searched = 0;
    this.#check(line.length);
    return line;
  }

  #field(line) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'data') {
      this.#size += line.length;
      this.#data.push(value);
    } else if (name === 'event') {
      this.#name = value;
    }
  }

  #check(more) {
    if (this.#size + more > this.#limit) {
      throw new Failure('protocol', `an event of the stream is larger than ${this.#limit} characters`);
    }
  }
}
