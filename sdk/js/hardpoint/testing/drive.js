// Drives a machine through a script, as the host would.

import assert from 'node:assert/strict';

import { observations, sent } from './answers.js';

const MOST_CALLS = 1_000_000;

/** Cuts beyond this many say nothing new of a long answer. */
const MOST_CUTS = 400;

/**
 * Answers belong to requests in the order these are sent; one is told after the other. `take` gets each effect that
 * is not for the driver, and says whether it was the last. Gives what was sent, whether it finished, and the payload
 * of its failure.
 */
export function drive(slot, script, borders, take) {
  const answers = [...script];
  const queue = [{ tag: 'started' }];
  const requests = [];
  let isFinished = false;
  for (let calls = 0; queue.length > 0 && !isFinished; calls += 1) {
    assert(calls < MOST_CALLS, 'the machine asks to be called for ever');
    let effects;
    try {
      effects = slot.advance(queue.shift());
    } catch (error) {
      if (!error.payload) throw error;
      return { requests, isFinished, failure: plain(error.payload) };
    }
    let [resumes, waits] = [0, 0];
    for (const effect of effects) {
      assert(!isFinished, 'the machine asked for more after it finished');
      if (effect.tag === 'send') {
        requests.push(sent(effect.val));
        assert(answers.length > 0, `the script has no answer to ${effect.val.method} ${effect.val.url}`);
        queue.push(...observations(answers.shift(), effect.val.exchange, borders));
      } else if (effect.tag === 'again') {
        resumes += 1;
      } else {
        if (effect.tag === 'wait') waits += 1;
        isFinished = take(plain(effect)) ?? false;
      }
    }
    assert(resumes + waits <= 1, 'the machine asked twice to be called again');
    if (resumes) queue.unshift({ tag: 'resumed' });
    if (waits) queue.push({ tag: 'resumed' });
  }
  assert.equal(answers.length, 0, 'the script has answers to requests that were never sent');
  return { requests, isFinished, failure: undefined };
}

/**
 * Runs a script with its answers whole, cut at every point of their beginning, and byte by byte, and requires the
 * same outcome each time.
 */
export function everyWay(script, run) {
  const whole = run([]);
  const longest = Math.max(0, ...script.map((answer) => answer.body.length));
  for (let at = 1; at < Math.min(longest, MOST_CUTS); at += 1) {
    assert.deepEqual(run([at]), whole, `cut at byte ${at}, it came out otherwise`);
  }
  for (const size of [1, 2, 3, 7]) {
    const borders = Array.from({ length: Math.ceil(longest / size) }, (_, index) => (index + 1) * size);
    assert.deepEqual(run(borders), whole, `in pieces of ${size} bytes, it came out otherwise`);
  }
  return whole;
}

/** With numbers in the place of big integers, so that tests need not write `5000n`. */
function plain(value) {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value?.constructor === Object) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return Object.fromEntries(members.map(([name, member]) => [name, plain(member)]));
  }
  return value;
}
