// A tool that counts what is in a text.

import { defineTool } from './vendor/hardpoint/tool.js';

export const tool = defineTool({
  description:
    'Counts the words, sentences and characters of a text and lists its most common words. Use it instead of ' +
    'counting yourself.',

  // What models see, and what every call is checked against.
  parameters: {
    type: 'object',
    required: ['text'],
    additionalProperties: false,
    properties: {
      text: { type: 'string', description: 'The text.' },
      top: {
        type: 'integer',
        minimum: 0,
        maximum: 100,
        default: 5,
        description: 'How many of the most common words to list, at most 100.',
      },
    },
  },

  call({ text, top }, { ignored = [] }) {
    const found = words(text);
    return {
      words: found.length,
      sentences: sentences(text),
      characters: [...text].length,
      most_common: mostCommon(found.filter((word) => !ignored.includes(word))).slice(0, top),
    };
  },
});

// The engine that plugins run on has no tables for `\p{L}`: what is no letter is listed.
const MARKS = '[!-/:-@[-`{-~\\u00a1-\\u00bf\\u2010-\\u205e\\u3001-\\u303f]+';
const EDGES = new RegExp(`^${MARKS}|${MARKS}$`, 'g');

/** In lower case, without the punctuation around them. */
function words(text) {
  const stripped = text.split(/\s+/).map((word) => word.replace(EDGES, ''));
  return stripped.filter((word) => word !== '').map((word) => word.toLowerCase());
}

/** Runs of `.`, `!` or `?` end sentences; so does the end of the text. */
function sentences(text) {
  return text.split(/[.!?]/).filter((piece) => words(piece).length > 0).length;
}

/** The most common first; of equally common ones the first by alphabet. */
function mostCommon(words) {
  const counts = new Map();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const counted = [...counts].map(([word, count]) => ({ word, count }));
  return counted.sort((one, other) => other.count - one.count || (one.word < other.word ? -1 : 1));
}
