// Model adapters: from the host's requests to some provider's protocol and back.

import { Failure } from './failure.js';
import { Slot, begun, parseSettings } from './machine.js';

/**
 * @typedef {'system' | 'developer' | 'user' | 'assistant' | 'tool'} Role
 * @typedef {{ tag: 'text', val: string } | { tag: 'image', val: { url: string, detail?: string } }} ContentPart
 * @typedef {object} Message
 * @property {Role} role
 * @property {ContentPart[]} content
 * @property {string} [name]
 * @property {string} [reasoning]
 * @property {string} [refusal]
 * @property {{ id: string, name: string, arguments: string }[]} toolCalls
 * @property {string} [toolCallId]
 *
 * @typedef {object} CompletionRequest As `wit/model.wit` has it.
 * @property {string} upstreamModel
 * @property {Message[]} messages
 * @property {{ name: string, description?: string, parameters?: string, strict?: boolean }[]} tools
 * @property {{ tag: 'none' | 'auto' | 'required' } | { tag: 'function', val: string }} [toolChoice]
 * @property {boolean} [parallelToolCalls]
 * @property {{ tag: 'text' | 'json-object' } | { tag: 'json-schema', val: object }} [responseFormat]
 * @property {boolean} streamed
 * @property {number} [maxTokens]
 * @property {number} [temperature]
 * @property {number} [topP]
 * @property {number} [frequencyPenalty]
 * @property {number} [presencePenalty]
 * @property {string[]} stop
 * @property {bigint} [seed]
 * @property {string} [user]
 * @property {string} [extra]
 *
 * @typedef {object} EmbeddingRequest
 * @property {string} upstreamModel
 * @property {string[]} inputs
 * @property {number} [dimensions]
 * @property {string} [user]
 * @property {string} [extra]
 *
 * @typedef {'stop' | 'length' | 'tool-calls' | 'content-filter'} FinishReason
 */

/**
 * A plugin of kind `model`: `export const modelAdapter = defineModel({ … })`.
 * @param {object} adapter
 * @param {(request: CompletionRequest, settings: any) => import('./machine.js').Machine} [adapter.complete]
 *   Begins a completion. Throws `Failure` if it cannot be served at all.
 * @param {(request: EmbeddingRequest, settings: any) => import('./machine.js').Machine} [adapter.embed]
 *   Begins an embedding.
 */
export function defineModel(adapter) {
  const begin = (name, request, settings) =>
    begun(() => {
      if (!adapter[name]) throw new Failure('unsupported', `this model has no \`${name}\``);
      return adapter[name](request, parseSettings(settings));
    });
  return {
    Completion: class Completion extends Slot {
      static open(request, settings) {
        return new Completion(begin('complete', request, settings));
      }
    },
    Embedding: class Embedding extends Slot {
      static open(request, settings) {
        return new Embedding(begin('embed', request, settings));
      }
    },
  };
}

/**
 * The texts of a message, without its images.
 * @param {Message} message
 */
export function textOf(message) {
  return message.content.map((part) => (part.tag === 'text' ? part.val : '')).join('');
}

/** Appends text to the answer. */
export const text = (val) => ({ tag: 'text', val });

/** Appends text to the reasoning before the answer. */
export const reasoning = (val) => ({ tag: 'reasoning', val });

/** Appends text to a refusal. */
export const refusal = (val) => ({ tag: 'refusal', val });

/**
 * Passes on a piece of a tool call; `id` and `name` on its first.
 * @param {{ index: number, id?: string, name?: string, arguments?: string }} piece
 */
export const toolCall = (piece) => ({ tag: 'tool-call', val: { arguments: '', ...piece } });

/**
 * Tells what was used so far, all told.
 * @param {{ inputTokens: number, outputTokens: number, cachedInputTokens?: number, reasoningTokens?: number }} used
 */
export const usage = ({ inputTokens, outputTokens, cachedInputTokens = 0, reasoningTokens = 0 }) => ({
  tag: 'usage',
  val: {
    inputTokens: BigInt(inputTokens),
    cachedInputTokens: BigInt(cachedInputTokens),
    outputTokens: BigInt(outputTokens),
    reasoningTokens: BigInt(reasoningTokens),
  },
});

/**
 * Ends the completion. Nothing may follow.
 * @param {FinishReason} [reason]
 */
export const finish = (reason = 'stop') => ({ tag: 'finish', val: reason });

/** The vector of the input at `index`. */
export const vector = (index, vector) => ({ tag: 'vector', val: { index, vector: Float32Array.from(vector) } });

/** Ends the embedding; every input has its vector by now. */
export const embedded = () => ({ tag: 'finish' });
