// Completions, embeddings and deliveries, driven.

import assert from 'node:assert/strict';

import { drive, everyWay } from './drive.js';
import { write } from './spelling.js';

/** A message of one piece of text: `message('user', 'Why?')`. */
export function message(role, text) {
  return { role, content: [{ tag: 'text', val: text }], toolCalls: [] };
}

/** A request with nothing but messages, and the members that are named. */
export function completionRequest(upstreamModel, messages, members = {}) {
  return { upstreamModel, messages, tools: [], stop: [], streamed: false, ...members };
}

/** An event to deliver. */
export function event(id, body = '{}') {
  return { id, kind: 'key.created', time: 1n, body };
}

/**
 * A completion, driven every way. Gives `sent`, `text`, `reasoning`, `refusal`, `toolCalls`, `usage`, `finish` or
 * `failure`.
 * @param {ReturnType<import('../model.js').defineModel>} model
 */
export function completion(model, request, settings, ...script) {
  return everyWay(script, (borders) => {
    const done = { text: '', reasoning: '', refusal: '', toolCalls: [], usage: undefined, finish: undefined };
    const open = () => model.Completion.open(request, write(settings));
    const ended = run(open, script, borders, ({ tag, val }) => {
      if (tag === 'tool-call') piece(done.toolCalls, val);
      else if (tag === 'usage' || tag === 'finish') done[tag] = val;
      else {
        assert(tag in done && typeof val === 'string', `\`${tag}\` is no effect of a completion, or holds no text`);
        done[tag] += val;
      }
      return tag === 'finish';
    });
    assert(ended.isFinished || ended.failure, 'the completion asked for nothing more and did not finish');
    return { sent: ended.requests, ...done, failure: ended.failure };
  });
}

function piece(calls, { index, id, name, arguments: text }) {
  assert(index <= calls.length, `tool call ${index} comes too soon`);
  if (index === calls.length) {
    assert(id && name, `the first piece of tool call ${index} lacks its id or name`);
    calls.push({ id, name, arguments: '' });
  } else {
    assert(id === undefined && name === undefined, `tool call ${index} is named twice`);
  }
  calls[index].arguments += text;
}

/** An embedding, driven every way. Gives `sent`, `vectors` by input, `usage` and `failure`. */
export function embedding(model, request, settings, ...script) {
  return everyWay(script, (borders) => {
    const done = { vectors: {}, usage: undefined };
    const open = () => model.Embedding.open(request, write(settings));
    const ended = run(open, script, borders, ({ tag, val }) => {
      if (tag === 'usage') done.usage = val;
      else if (tag === 'vector') {
        assert(!(val.index in done.vectors), `input ${val.index} has two vectors`);
        done.vectors[val.index] = [...val.vector];
      }
      return tag === 'finish';
    });
    assert(ended.isFinished || ended.failure, 'the embedding asked for nothing more and did not finish');
    const isWhole = request.inputs.every((_, index) => index in done.vectors);
    assert(ended.failure || isWhole, 'an input has no vector');
    return { sent: ended.requests, ...done, failure: ended.failure };
  });
}

/**
 * A delivery, driven every way. Gives `sent`, `verdicts` by position, `isSplit`, `parked`, `saved`, `waits` and
 * `failure`.
 * @param {ReturnType<import('../exporter.js').defineExporter>} exporter
 * @param {{ events: object[], attempt?: number, now?: bigint, state?: Uint8Array }} offered
 */
export function delivery(exporter, { events, attempt = 1, now = 1n, state }, settings, ...script) {
  return everyWay(script, (borders) => {
    const done = { verdicts: {}, isSplit: false, parked: undefined, saved: undefined, waits: [] };
    const batch = { attempt, now, events };
    const open = () => exporter.Delivery.open(batch, write(settings), state);
    const ended = run(open, script, borders, ({ tag, val }) => {
      if (tag === 'verdict') {
        assert(val.index < events.length, `there is no event ${val.index}`);
        assert(!(val.index in done.verdicts), `event ${val.index} has two verdicts`);
        done.verdicts[val.index] = val.verdict;
      } else if (tag === 'wait') done.waits.push(val);
      else if (tag === 'split') done.isSplit = true;
      else if (tag === 'park') done.parked = val;
      else if (tag === 'save') done.saved = val;
      else assert.fail(`\`${tag}\` is no effect of a delivery`);
    });
    const without = events.length - Object.keys(done.verdicts).length;
    if (done.isSplit) assert(without >= 2, `${without} events without a verdict cannot be split`);
    else if (!ended.failure && done.parked === undefined) assert.equal(without, 0, 'events have no verdict');
    return { sent: ended.requests, ...done, failure: ended.failure };
  });
}

function run(open, script, borders, take) {
  let slot;
  try {
    slot = open();
  } catch (error) {
    if (!error.payload) throw error;
    return { requests: [], isFinished: false, failure: error.payload };
  }
  return drive(slot, script, borders, take);
}
