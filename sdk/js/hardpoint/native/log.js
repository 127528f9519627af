import { place } from './double.js';

export const write = (level, message) => place.host?.log.push([level, message]);
