// A double of the host, and documents in memory.

import assert from 'node:assert/strict';

import { place } from '../native/double.js';
import { sent } from './answers.js';

/** What a function of the host throws. */
function refusal(payload) {
  return Object.assign(new Error(String(payload.val ?? payload.message ?? payload.tag)), { payload });
}

/**
 * Stands in for the host while `use` runs: scripted `http`, a `kv` and a `log` in memory, and, where they are set, an
 * index and an embedder.
 */
export class Host {
  /** The requests so far. */
  sent = [];
  /** The lines so far: level and message. */
  log = [];
  #answers;
  #search;
  #texts;
  #embedder;

  /**
   * @param {object} [options]
   * @param {ReturnType<import('./answers.js').answer>[]} [options.answers] To its HTTP requests, in order.
   * @param {Record<string, Uint8Array>} [options.values] What is in the `kv`.
   * @param {(query: string | Float32Array, filter: object, top: number) => object[]} [options.search]
   * @param {Record<string, string>} [options.texts] Of chunks, by id.
   * @param {(texts: string[], purpose: string) => Float32Array[]} [options.embedder]
   */
  constructor({ answers = [], values = {}, search, texts = {}, embedder } = {}) {
    this.values = new Map(Object.entries(values));
    this.#answers = [...answers];
    this.#search = search;
    this.#texts = texts;
    this.#embedder = embedder;
  }

  /** Calls `act` with this host in place. */
  use(act) {
    assert(!place.host, 'there is a double of the host already');
    place.host = this;
    try {
      return act();
    } finally {
      place.host = undefined;
    }
  }

  httpSend(request) {
    this.sent.push(sent(request));
    const answer = this.#answers.shift();
    if (!answer) {
      const message = `the script has no answer to request ${this.sent.length}`;
      throw refusal({ kind: 'denied', message });
    }
    if (answer.broken) throw refusal({ kind: answer.broken, message: answer.told });
    return { status: answer.status, headers: answer.headers, body: answer.body };
  }

  kvGet(key) {
    return this.values.get(key);
  }

  kvSet(key, value) {
    if (Buffer.byteLength(key) > 512 || value.length > 64 * 1024) {
      throw refusal({ tag: 'too-large', val: 'a key over 512 bytes or a value over 64 KiB' });
    }
    this.values.set(key, value);
  }

  kvRemove(key) {
    this.values.delete(key);
  }

  kvKeys(prefix, after) {
    const keys = [...this.values.keys()].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    return keys.filter((key) => key.startsWith(prefix) && (after === undefined || key > after)).slice(0, 1000);
  }

  indexSearch(query, filter, top) {
    if (!this.#search) throw refusal({ tag: 'unavailable', val: 'the double has no index' });
    return this.#search(query, filter, top);
  }

  indexCosines(vector, chunkIds) {
    if (!this.#embedder) return chunkIds.map(() => undefined);
    const dot = (one, other) => one.reduce((sum, value, index) => sum + value * other[index], 0);
    return this.#embedder(this.indexTexts(chunkIds), 'passage').map((other) => {
      const lengths = Math.sqrt(dot(vector, vector) * dot(other, other));
      return lengths > 0 ? dot(vector, other) / lengths : undefined;
    });
  }

  indexVectors(chunkIds) {
    if (!this.#embedder) return chunkIds.map(() => undefined);
    return this.#embedder(this.indexTexts(chunkIds), 'passage').map((vector) => {
      const length = Math.hypot(...vector);
      return length > 0 ? Float32Array.from(vector, (part) => part / length) : undefined;
    });
  }

  indexTexts(chunkIds) {
    return chunkIds.map((id) => {
      if (!(id in this.#texts)) throw refusal({ tag: 'invalid', val: `there is no chunk \`${id}\`` });
      return this.#texts[id];
    });
  }

  embedVectors(texts, purpose) {
    if (!this.#embedder) throw refusal({ tag: 'not-loaded' });
    return this.#embedder(texts, purpose);
  }
}

/** A document in memory. */
export class MemoryDocument {
  #data;
  #filename;
  #mediaType;

  constructor(data, filename = 'test.txt', mediaType = undefined) {
    this.#data = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    this.#filename = filename;
    this.#mediaType = mediaType;
  }

  id() {
    return 'doc-test';
  }

  filename() {
    return this.#filename;
  }

  mediaType() {
    return this.#mediaType;
  }

  size() {
    return BigInt(this.#data.length);
  }

  read(offset, length) {
    return this.#data.slice(Number(offset), Number(offset) + length);
  }
}

/** A sink that keeps what it is given and refuses what refers to nothing. */
export class MemorySink {
  documentTitle = undefined;
  allPages = [];
  allChunks = [];

  title(title) {
    this.documentTitle = title;
  }

  page(page) {
    if (this.allPages.length > 0 && this.allPages.at(-1).number >= page.number) {
      throw refusal({ tag: 'invalid', val: 'pages must ascend' });
    }
    this.allPages.push(page);
  }

  chunks(chunks) {
    const has = (number) => this.allPages.some((page) => page.number === number);
    if (!chunks.every((chunk) => has(chunk.firstPage) && has(chunk.lastPage))) {
      throw refusal({ tag: 'invalid', val: 'a chunk is on a page that is not there' });
    }
    this.allChunks.push(...chunks);
  }

  progress() {}
}
