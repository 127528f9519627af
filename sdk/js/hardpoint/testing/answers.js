// What a script answers, and what was sent.

import assert from 'node:assert/strict';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const TOLD = {
  denied: 'not granted',
  connect: 'could not connect',
  timeout: 'took too long',
  reset: 'the connection broke',
  protocol: 'no HTTP',
};

const HOSTS_OWN = ['host', 'content-length', 'transfer-encoding', 'connection', 'content-encoding'];

/**
 * A recorded answer to one request. `broken` is how the connection failed after the body, if it did; `status` is 0
 * for a request that got no answer.
 * @param {number} status
 * @param {{ headers?: Record<string, string>, body?: string | Uint8Array,
 *   broken?: import('../failure.js').TransportFailureKind }} [more]
 */
export function answer(status, { headers = {}, body = '', broken } = {}) {
  return {
    status,
    headers: Object.entries(headers).map(([name, value]) => ({
      name: name.toLowerCase(),
      value: encoder.encode(value),
    })),
    body: typeof body === 'string' ? encoder.encode(body) : body,
    broken,
    told: TOLD[broken],
  };
}

/** A JSON answer. */
export function jsonAnswer(status, value, headers = {}) {
  const body = JSON.stringify(value);
  return answer(status, { headers: { 'content-type': 'application/json', ...headers }, body });
}

/** A stream of server-sent events. */
export function sseAnswer(body) {
  return answer(200, { headers: { 'content-type': 'text/event-stream' }, body });
}

/** No answer at all: the request failed in this way. */
export function failed(broken) {
  return answer(0, { broken });
}

/** As a machine sees it, cut at these places. */
export function observations({ status, headers, body, broken, told }, exchange, borders) {
  const seen = [];
  if (status !== 0) seen.push({ tag: 'head', val: { exchange, status, headers } });
  const inside = borders.filter((border) => border < body.length);
  const ends = [...inside, body.length];
  for (const [index, start] of [0, ...inside].entries()) {
    if (start < ends[index]) {
      seen.push({ tag: 'body', val: { exchange, bytes: body.slice(start, ends[index]) } });
    }
  }
  seen.push(
    broken ? { tag: 'broken', val: { exchange, kind: broken, message: told } } : { tag: 'ended', val: exchange },
  );
  return seen;
}

/**
 * A request that a plugin sent, checked as the host would. Secrets are shown as `{secret:NAME}` or
 * `{secret:NAME|ENCODING}`; header names are in lower case, and the values of one that comes more than once are joined
 * by `, `.
 */
export function sent({ exchange = 0, method, url, headers, body, compression }) {
  assert.match(method, /^[A-Z]+$/, `\`${method}\` is no method in capitals`);
  assert.match(url, /^https?:\/\/[!-.0-~][!-~]*$/, `\`${url}\` is no absolute URL`);
  const shown = {};
  for (const { name, value } of headers) {
    const lower = name.toLowerCase();
    assert(!HOSTS_OWN.includes(lower), `the header \`${lower}\` is the host's`);
    assert.match(lower, /^[a-z0-9!#$%&'*+.^_`|~-]+$/, `\`${name}\` is no header name`);
    const text = show(value);
    assert.doesNotMatch(text, /[\r\n\0]/, `the value of \`${lower}\` breaks the line`);
    shown[lower] = Object.hasOwn(shown, lower) ? `${shown[lower]}, ${text}` : text;
  }
  return { exchange, method, url, headers: shown, body: show(body), gzip: compression === 'gzip' };
}

function show(parts) {
  const text = parts.map(({ tag, val }) => {
    if (tag === 'bytes') {
      assert(val instanceof Uint8Array, 'bytes must be a Uint8Array');
      return val;
    }
    return encoder.encode(`{secret:${val.name}${val.encoding === 'raw' ? '' : `|${val.encoding}`}}`);
  });
  return decoder.decode(Buffer.concat(text));
}
