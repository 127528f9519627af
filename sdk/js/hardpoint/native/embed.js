import { call } from './double.js';

export const vectors = (texts, purpose) => call('embedVectors', texts, purpose);
