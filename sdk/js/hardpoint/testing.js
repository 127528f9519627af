// A native test harness: plugins driven from scripted answers, without WebAssembly and without a host.
//
// - `completion`, `embedding` and `delivery` drive a machine with answers in the order of its requests, check that it
//   keeps the interface's rules, and gather what came out. They do so as the script has it, then for every
//   point at which the network might have cut the answers (of long ones, the first 400), and require the same outcome
//   each time.
// - `call` and `describe` call a tool; `Host` stands in for the host's functions.
// - `replay` replays a recording: what is asked, the other side's answers, and what must come of it, in one file, which
//   `hardpoint plugin test` replays in the real sandbox and `hardpoint plugin record` makes from a live exchange.
//
// Everything here throws an `AssertionError` where a plugin breaks a rule or a script does not fit.

export { answer, jsonAnswer, sseAnswer, failed } from './testing/answers.js';
export { completion, completionRequest, delivery, embedding, event, message } from './testing/machines.js';
export { Host, MemoryDocument, MemorySink } from './testing/host.js';
export { replay } from './testing/replay.js';

import { Failure } from './failure.js';
import { InvalidArguments } from './tool.js';

/**
 * The answer of a call, from JSON where it is JSON. Throws `InvalidArguments` or `Failure` as the tool did.
 * @param {ReturnType<import('./tool.js').defineTool>} tool
 */
export function call(tool, args, settings = {}) {
  let text;
  try {
    text = tool.call(JSON.stringify(args), JSON.stringify(settings));
  } catch (error) {
    if (error.payload?.tag === 'invalid-arguments') throw new InvalidArguments(error.payload.val);
    if (error.payload?.tag === 'failed') throw new Failure('upstream', error.payload.val);
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Description and parameters, as a model sees them. */
export function describe(tool, settings = {}) {
  const { description, parameters } = tool.describe(JSON.stringify(settings));
  return { description, parameters: JSON.parse(parameters) };
}
