// Retrievers: documents into a knowledge base, and passages out of it.

import { Failure, unexpected } from './failure.js';
import { parseSettings } from './machine.js';

/**
 * @typedef {object} Document
 * @property {() => string} id
 * @property {() => string} filename
 * @property {() => string | undefined} mediaType
 * @property {() => bigint} size
 * @property {(offset: bigint, length: number) => Uint8Array} read
 *
 * @typedef {{ number: number, title?: string, text: string }} Page
 * @typedef {object} Chunk
 * @property {number} ordinal
 * @property {string} text
 * @property {string} [embeddedText]
 * @property {number} firstPage
 * @property {number} lastPage
 * @property {number} start
 * @property {number} end
 * @property {string} [metadata]
 *
 * @typedef {object} Sink
 * @property {(title: string) => void} title
 * @property {(page: Page) => void} page
 * @property {(chunks: Chunk[]) => void} chunks
 * @property {(done: number, total: number) => void} progress
 *
 * @typedef {{ documentIds?: string[], metadata?: string }} Filter
 * @typedef {{ query: string, top: number, filter: Filter, hybrid: boolean }} SearchRequest
 * @typedef {{ chunkId: string, documentId: string, cosine?: number, fused: number, text?: string,
 *   metadata?: string }} Hit
 * @typedef {{ chunkId: string, documentId: string, rank: number, score: number }} Ranked
 */

/**
 * A plugin of kind `retriever`: `export const retriever = defineRetriever({ … })`.
 * @param {object} plugin
 * @param {(document: Document, into: Sink, settings: any) => void} plugin.ingest Reads one document. Throws
 *   `Failure` with `invalid-request` if it cannot be read, and why.
 * @param {(request: SearchRequest, settings: any) => Hit[]} plugin.search Finds passages, best first.
 * @param {(documentIds: string[], settings: any) => void} [plugin.remove] Forgets documents. Nothing to do for
 *   retrievers whose chunks the host holds.
 */
export function defineRetriever(plugin) {
  return {
    ingest: (document, into, settings) => tried(() => plugin.ingest(document, into, parseSettings(settings))),
    search: (request, settings) => tried(() => plugin.search(request, parseSettings(settings))),
    remove: (documentIds, settings) => tried(() => plugin.remove?.(documentIds, parseSettings(settings))),
  };
}

/** What a document or sink threw and the plugin let through becomes a failure of the plugin. */
function tried(act) {
  try {
    return act();
  } catch (error) {
    const { tag, val } = error?.payload ?? {};
    if (tag === undefined) throw unexpected(error);
    throw new Failure(tag === 'unavailable' ? 'upstream' : 'invalid-request', String(val));
  }
}

/** Everything that a document holds. Throws `Failure` where that is more than `most` bytes. */
export function readAll(document, most = 64 << 20) {
  const size = Number(document.size());
  if (size > most) throw new Failure('invalid-request', `it is larger than ${most} bytes`);
  const whole = new Uint8Array(size);
  for (let at = 0; at < size; ) {
    const piece = document.read(BigInt(at), 1 << 20);
    if (piece.length === 0) return whole.subarray(0, at);
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/**
 * A hit of the host's full text alone: what it is ordered by is the BM25 score.
 * @param {Ranked} ranked
 * @returns {Hit}
 */
export function hit({ chunkId, documentId, score }) {
  return { chunkId, documentId, fused: score };
}
