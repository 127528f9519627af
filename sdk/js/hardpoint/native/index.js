import { call } from './double.js';

export const fullText = (query, filter, top) => call('indexSearch', query, filter, top);
export const nearest = (vector, filter, top) => call('indexSearch', vector, filter, top);
export const cosines = (vector, chunkIds) => call('indexCosines', vector, chunkIds);
export const vectors = (chunkIds) => call('indexVectors', chunkIds);
export const texts = (chunkIds) => call('indexTexts', chunkIds);
