// HTTP requests for the host to make, with secrets named but never held.

const encoder = new TextEncoder();

/**
 * @typedef {'raw' | 'json' | 'base64' | 'url'} SecretEncoding
 * @typedef {string | Uint8Array | Secret} Piece Of a header value or of a body.
 * @typedef {Piece | Piece[]} Pieces One piece, or several that the host joins without anything in between.
 * @typedef {object} Options
 * @property {Record<string, Pieces>} [headers]
 * @property {Pieces} [body]
 * @property {unknown} [json] Becomes the body, and `content-type` with it.
 * @property {boolean} [gzip] Lets the host compress the body.
 * @property {number} [exchange] The number that observations about it carry, 0 where left out. A machine with
 *   several requests under way gives each its own.
 */

/** A secret where a piece of a header or body is wanted. */
class Secret {
  constructor(name, encoding) {
    this.name = name;
    this.encoding = encoding;
  }
}

/**
 * A reference to the secret that the manifest asks for under this name.
 * @param {string} name
 * @param {SecretEncoding} [encoding] How the host writes it.
 */
export function secret(name, encoding = 'raw') {
  return new Secret(name, encoding);
}

/**
 * A request as the interface has it. A machine yields it by `send`; a tool sends it by `http.send`.
 * @param {string} method In capitals.
 * @param {string} url Absolute.
 * @param {Options} [options]
 */
export function request(method, url, options = {}) {
  const { exchange = 0, gzip = false } = options;
  const headers = { ...options.headers };
  let body = options.body ?? [];
  if (options.json !== undefined) {
    headers['content-type'] = 'application/json';
    body = JSON.stringify(options.json);
  }
  return {
    exchange,
    method,
    url,
    headers: Object.entries(headers).map(([name, value]) => ({ name, value: parts(value) })),
    body: parts(body),
    compression: gzip ? 'gzip' : 'none',
  };
}

/** A GET request. */
export function get(url, options) {
  return request('GET', url, options);
}

/** A POST request. */
export function post(url, options) {
  return request('POST', url, options);
}

/** @param {Pieces} pieces */
function parts(pieces) {
  const list = Array.isArray(pieces) ? pieces : [pieces];
  return list.filter((piece) => piece.length !== 0).map(part);
}

/** @param {Piece} piece */
function part(piece) {
  if (piece instanceof Secret) {
    return { tag: 'secret', val: { name: piece.name, encoding: piece.encoding } };
  }
  return { tag: 'bytes', val: typeof piece === 'string' ? encoder.encode(piece) : piece };
}
