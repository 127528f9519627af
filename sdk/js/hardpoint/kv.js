// Small values that outlive a call, for tools. The namespace belongs to the binding and to the organisation on whose
// behalf the tool is called. Each function throws `Failure`: not granted, too large, or out of reach.

import * as host from 'hardpoint:plugin/kv@0.1.0';
import { tried } from './tried.js';

/** @returns {Uint8Array | undefined} The value under `key`, where there is one. */
export const get = (key) => tried(() => host.get(key));

/** Puts `value`, bytes, under `key`, in place of what was there. */
export const set = (key, value) => tried(() => host.set(key, value));

/** Forgets `key`; no error where there is none. */
export const remove = (key) => tried(() => host.remove(key));

/** @returns {string[]} Keys that start with `prefix`, in byte order, after `after`; at most 1,000. */
export const keys = (prefix = '', after = undefined) => tried(() => host.keys(prefix, after));
