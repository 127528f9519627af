import { call } from './double.js';

export const get = (key) => call('kvGet', key);
export const set = (key, value) => call('kvSet', key, value);
export const remove = (key) => call('kvRemove', key);
export const keys = (prefix, after) => call('kvKeys', prefix, after);
