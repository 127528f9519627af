import { call } from './double.js';

export const send = (request) => call('httpSend', request);
