// Of what shape a file is. A reader gets what was told and where, throws if it is of another shape, and gives it.

import assert from 'node:assert/strict';

const LEFT_OUT = Symbol('left out');

const is = (fits, what) => (told, where) => {
  assert(fits(told), `${where} is ${JSON.stringify(told)}, not ${what}`);
  return told;
};
const isObject = (told) => told !== null && typeof told === 'object' && !Array.isArray(told);
const mapped = (told, read) => Object.fromEntries(Object.entries(told).map(([name, held]) => [name, read(name, held)]));

/** Any JSON, null included. */
export const anything = (told) => told;
export const text = is((told) => typeof told === 'string', 'a text');
export const flag = is((told) => typeof told === 'boolean', 'true or false');
export const whole = is(Number.isInteger, 'a whole number');
export const number = is((told) => typeof told === 'number', 'a number');
export const mapping = is(isObject, 'an object');
const list = is(Array.isArray, 'a list');

/** A list of these. */
export const listed = (item) => (told, where) => list(told, where).map((one, at) => item(one, `${where}[${at}]`));

/** An object of any members, each of these. */
export const named = (value) => (told, where) =>
  mapped(mapping(told, where), (name, held) => value(held, `${where}.${name}`));

/** A text, or this. */
export const orText = (other) => (told, where) => (typeof told === 'string' ? told : other(told, where));

/** This; a member that is null is one that was left out. */
export const orNull = (other) => (told, where) => (told === null ? LEFT_OUT : other(told, where));

/** One of these words, or an object of one of these members. */
export const variant =
  (words, holding = {}) =>
  (told, where) => {
    if (words.includes(told)) return told;
    const names = isObject(told) ? Object.keys(told) : [];
    const isHeld = names.length === 1 && Object.hasOwn(holding, names[0]);
    const all = [...words, ...Object.keys(holding)].join(', ');
    assert(isHeld, `${where} is ${JSON.stringify(told)}, and may be ${all}`);
    return mapped(told, (name, held) => holding[name](held, `${where}.${name}`));
  };

/** An object of members that must be there and members that may. */
export const record =
  (must, may = {}) =>
  (told, where) => {
    const known = { ...must, ...may };
    for (const name of Object.keys(mapping(told, where))) {
      assert(Object.hasOwn(known, name), `${where} has no \`${name}\`; there are ${Object.keys(known).join(', ')}`);
    }
    for (const name of Object.keys(must)) {
      assert(Object.hasOwn(told, name), `${where} lacks \`${name}\``);
    }
    const found = mapped(told, (name, held) => known[name](held, `${where}.${name}`));
    return Object.fromEntries(Object.entries(found).filter(([, held]) => held !== LEFT_OUT));
  };
