// A tool that harms on demand: `{"do": "spin"}`.

import { Failure } from './vendor/hardpoint/failure.js';
import { send } from './vendor/hardpoint/http.js';
import * as log from './vendor/hardpoint/log.js';
import { get, secret } from './vendor/hardpoint/request.js';
import { InvalidArguments, defineTool } from './vendor/hardpoint/tool.js';

let calls = 0;

const behaviours = {
  /** Calls of this instance so far. */
  count: () => (calls += 1),

  spin() {
    for (;;);
  },

  allocate() {
    const kept = [];
    for (;;) kept.push(new Uint8Array(1 << 20));
  },

  recurse: () => deeper(0),

  throw() {
    throw new RangeError('there is no such moon: Vulcan');
  },

  'no-json': () => 42n,

  nothing: () => undefined,

  later: async () => 'not now',

  'bad-text': () => '\ud800',

  'answer-too-long': () => 'x'.repeat(5 << 18),

  /** Tells everybody what came back for the secret, and what the caller says that it is. */
  reflect(told, target) {
    const came = send(get(target, { headers: { authorization: ['Bearer ', secret('token')] } })).text();
    log.info(`logged: ${came}, ${told}`);
    console.log(`printed: ${came}, ${told}`);
    console.error(told);
    return [came, told];
  },

  'reflect-in-refusal'(told) {
    throw new InvalidArguments(`refused: ${told}`);
  },

  'reflect-in-failure'(told) {
    throw new Failure('upstream', `failed: ${told}`);
  },

  'reflect-in-exception'(told) {
    throw new RangeError(`thrown: ${told}`);
  },
};

function deeper(depth) {
  return deeper(depth + 1) + 1;
}

const defined = defineTool({
  description: 'Harms the host, as its argument says.',
  parameters: {
    type: 'object',
    required: ['do'],
    properties: { do: { type: 'string' }, told: { type: 'string', default: '' } },
  },
  call: (args, settings) => behaviours[args.do](args.told, settings.target),
});

export const tool = {
  ...defined,
  call(text, settings) {
    // The SDK makes text of whatever is returned; what goes around it hands over anything.
    if (JSON.parse(text).do === 'wrong-type') return { text: 42 };
    return defined.call(text, settings);
  },
};
