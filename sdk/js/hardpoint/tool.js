// Tools: functions that a model or a client may call.

import { Failure, unexpected } from './failure.js';
import { parseSettings } from './machine.js';
import * as schema from './schema.js';

/** The arguments do not fit. Says which and why, so that a model can mend its call. */
export class InvalidArguments extends Error {}

/** What the interface calls `tool-error`: what is thrown with a `payload` is a result, not a fault. */
class ToolError extends Error {
  constructor(tag, message) {
    super(message);
    this.payload = { tag, val: message };
  }
}

/**
 * A plugin of kind `tool`: `export const tool = defineTool({ … })`.
 * @param {object} plugin
 * @param {string | ((settings: any) => string)} plugin.description What the tool does and when to use it, for the
 *   model.
 * @param {object | ((settings: any) => object)} [plugin.parameters] A JSON Schema of the arguments. A call whose
 *   arguments do not fit is answered without `call`.
 * @param {(args: any, settings: any) => unknown} plugin.call Answers a call: text, or a value that becomes JSON.
 *   Throws `InvalidArguments` or `Failure`.
 */
export function defineTool(plugin) {
  const of = (member, settings) => (typeof member === 'function' ? member(settings) : member);
  const parametersOf = (settings) => of(plugin.parameters, settings) ?? { type: 'object', properties: {} };
  return {
    describe(settings) {
      try {
        const given = parseSettings(settings);
        return {
          description: of(plugin.description, given),
          parameters: JSON.stringify(parametersOf(given)),
        };
      } catch (error) {
        // The interface's error is a text.
        throw Object.assign(new Error(String(error)), { payload: String(error) });
      }
    },

    call(text, settings) {
      const given = parseSettings(settings);
      try {
        const parameters = parametersOf(given);
        const value = parseArguments(text);
        const found = schema.problem({ type: 'object', ...parameters }, value);
        if (found) throw new InvalidArguments(found);
        return asText(plugin.call(schema.fill(parameters, value), given));
      } catch (error) {
        if (error instanceof InvalidArguments) throw new ToolError('invalid-arguments', error.message);
        if (error instanceof Failure) throw new ToolError('failed', error.message);
        throw unexpected(error);
      }
    },
  };
}

/** What `call` returned, as the interface has it. */
function asText(answer) {
  if (typeof answer?.then === 'function') {
    throw new TypeError('`call` returned a promise: nothing waits for it here, so `call` cannot be async');
  }
  const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
  if (text === undefined) throw new TypeError('`call` returned nothing that becomes JSON');
  return text;
}

function parseArguments(text) {
  try {
    // Some models leave out the braces where nothing is required.
    return text.trim() ? JSON.parse(text) : {};
  } catch (error) {
    throw new InvalidArguments(`no JSON: ${error.message}`);
  }
}
