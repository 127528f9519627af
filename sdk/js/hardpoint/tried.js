// What the host's functions throw, as failures of this plugin.

import { Failure } from './failure.js';

const KINDS = { unavailable: 'upstream', invalid: 'invalid-request' };

/** Calls a function of the host. */
export function tried(act) {
  try {
    return act();
  } catch (error) {
    const { tag, val } = error?.payload ?? {};
    if (tag === undefined) throw error;
    throw new Failure(KINDS[tag] ?? 'unsupported', String(val ?? tag), { code: tag });
  }
}
