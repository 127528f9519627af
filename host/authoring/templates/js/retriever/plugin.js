// A retriever for plain text: passages end at blank lines, and the host's full text index finds them.

import { Failure } from './vendor/hardpoint/failure.js';
import { fullText } from './vendor/hardpoint/index.js';
import { defineRetriever, hit, readAll } from './vendor/hardpoint/retriever.js';

export const retriever = defineRetriever({
  ingest(document, into, settings) {
    const text = decode(readAll(document));
    into.title(document.filename());
    into.page({ number: 1, text });
    into.chunks(passages(text, settings.passage_characters ?? 1_000));
  },

  search: (request) => fullText(request.query, request.filter, request.top).map(hit),
});

function decode(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Failure('invalid-request', 'it is no plain text: not UTF-8');
  }
}

/**
 * Paragraphs, put together as long as they fit, with the characters at which they begin and end. A paragraph that is
 * too long by itself is cut.
 */
function passages(text, most) {
  // Positions are counted in characters, of which some take two places in a string.
  const characters = [...text];
  const found = [];
  for (const { start, end } of paragraphs(characters)) {
    const last = found.at(-1);
    if (last && end - last.start <= most) last.end = end;
    else found.push({ start, end });
  }
  const pieces = found.flatMap(({ start, end }) => {
    const count = Math.ceil((end - start) / most);
    return Array.from({ length: count }, (_, index) => {
      const at = start + index * most;
      return { start: at, end: Math.min(at + most, end) };
    });
  });
  return pieces.map(({ start, end }, ordinal) => ({
    ordinal,
    text: characters.slice(start, end).join(''),
    firstPage: 1,
    lastPage: 1,
    start,
    end,
  }));
}

/** What stands between blank lines, without white space around it. */
function* paragraphs(characters) {
  const isBlank = (at) => /\s/.test(characters[at]);
  let [start, end] = [-1, -1];
  for (let at = 0; at < characters.length; at += 1) {
    if (!isBlank(at)) {
      if (start < 0) start = at;
      end = at + 1;
    } else if (start >= 0 && characters[at] === '\n' && characters[at + 1] === '\n') {
      yield { start, end };
      start = -1;
    }
  }
  if (start >= 0) yield { start, end };
}
