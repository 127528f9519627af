// The host's index over the knowledge base that a retriever is called for. Each function throws `Failure`: not
// granted, out of reach, or a query that cannot be served.

import * as host from 'hardpoint:plugin/index@0.1.0';
import { tried } from './tried.js';

/** @typedef {import('./retriever.js').Ranked} Ranked */

/** @returns {Ranked[]} Full text, by BM25, best first. */
export const fullText = (query, filter, top) => tried(() => host.fullText(query, filter, top));

/** @returns {Ranked[]} By cosine of the vectors, best first. */
export const nearest = (vector, filter, top) => tried(() => host.nearest(Float32Array.from(vector), filter, top));

/** @returns {(number | undefined)[]} The cosine of each chunk with `vector`; none where a chunk has no vector yet. */
export const cosines = (vector, chunkIds) => tried(() => host.cosines(Float32Array.from(vector), chunkIds));

/**
 * @returns {(Float32Array | undefined)[]} The vector of each chunk, of length 1; none where a chunk has no vector yet.
 * At most 100 at once.
 */
export const vectors = (chunkIds) => tried(() => host.vectors(chunkIds));

/** @returns {string[]} The texts of chunks, in the order asked for. */
export const texts = (chunkIds) => tried(() => host.texts(chunkIds));
