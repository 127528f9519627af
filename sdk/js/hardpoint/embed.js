// The embedder that the knowledge base is pinned to, for retrievers.

import * as host from 'hardpoint:plugin/embed@0.1.0';
import { tried } from './tried.js';

/**
 * A vector for each text, in order; nothing where no embedder is loaded: go by full text alone. Throws `Failure`: not
 * granted, or out of reach.
 * @param {string[]} texts
 * @param {'query' | 'passage'} purpose
 * @returns {Float32Array[] | undefined}
 */
export function vectors(texts, purpose) {
  try {
    return tried(() => host.vectors(texts, purpose));
  } catch (error) {
    if (error.code === 'not-loaded') return undefined;
    throw error;
  }
}
