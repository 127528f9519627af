// Failures, and what an HTTP status says about one.

const DAY_MS = 86_400_000;

/**
 * @typedef {'invalid-request' | 'authentication' | 'rate-limited' | 'overloaded' | 'upstream' | 'protocol'
 *   | 'unsupported' | 'content-filtered'} FailureKind
 * @typedef {{ name: string, value: Uint8Array }} Header Of an answer; the name is in lower case.
 * @typedef {'denied' | 'connect' | 'timeout' | 'reset' | 'protocol'} TransportFailureKind
 * @typedef {{ exchange: number, kind: TransportFailureKind, message: string }} TransportFailure
 */

/**
 * Why something failed. Thrown in a machine it ends the exchange, and the host decides by its kind whether to try
 * again; thrown in a tool, the model that called is told its message.
 */
export class Failure extends Error {
  /**
   * @param {FailureKind} kind
   * @param {string} message
   * @param {{ status?: number, retryAfterMs?: number, code?: string, param?: string }} [more]
   */
  constructor(kind, message, more = {}) {
    super(message);
    this.kind = kind;
    this.status = more.status;
    this.retryAfterMs = more.retryAfterMs;
    this.code = more.code;
    this.param = more.param;
  }

  /** The failure that a status outside 200 to 299 stands for. */
  static ofStatus(status, message, more = {}) {
    return new Failure(kindOfStatus(status), message, { status, ...more });
  }

  /**
   * The host knows what happened to the connection and decides by that; the kind is the nearest.
   * @param {TransportFailure} failure
   */
  static ofTransport(failure) {
    const kinds = { denied: 'unsupported', protocol: 'protocol' };
    return new Failure(kinds[failure.kind] ?? 'upstream', failure.message);
  }

  /** As the interface has it: what is thrown with a `payload` is a result, not a fault. */
  get payload() {
    return {
      kind: this.kind,
      message: this.message,
      status: this.status,
      retryAfterMs: this.retryAfterMs === undefined ? undefined : BigInt(Math.trunc(this.retryAfterMs)),
      code: this.code,
      param: this.param,
    };
  }
}

/**
 * What ends the sandbox because it is no failure. Its stack goes to the plugin's log first: what the engine says of
 * it is where it left the plugin, not where it was thrown.
 * @template E
 * @param {E} error
 * @returns {E} The error, to be thrown again.
 */
export function unexpected(error) {
  if (!(error instanceof Failure)) console.error(`${error}\n${error?.stack ?? ''}`);
  return error;
}

/**
 * What a status means where a provider's documents do not say otherwise. A model or path that is not there is the
 * binding's trouble, not the caller's: `unsupported`, so that the host may fall back.
 * @param {number} status
 * @returns {FailureKind}
 */
export function kindOfStatus(status) {
  if ([401, 402, 403, 407].includes(status)) return 'authentication';
  if ([404, 405, 410, 501].includes(status)) return 'unsupported';
  if ([408, 425, 503, 529].includes(status)) return 'overloaded';
  if (status === 429) return 'rate-limited';
  if (status >= 400 && status <= 499) return 'invalid-request';
  if (status >= 500 && status <= 599) return 'upstream';
  return 'protocol';
}

/**
 * The first value of a header, by its lower-case name; none if it is not UTF-8.
 * @param {Header[]} headers
 * @param {string} name
 */
export function header(headers, name) {
  const found = headers.find((header) => header.name === name);
  if (!found) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(found.value);
  } catch {
    return undefined;
  }
}

/**
 * How long an answer asks to wait: `retry-after-ms`, else `retry-after` in seconds. A date counts as nothing, since
 * a plugin has no clock; absurd values are cut to a day.
 * @param {Header[]} headers
 * @returns {number | undefined}
 */
export function retryAfterMs(headers) {
  for (const [name, unit] of [['retry-after-ms', 1], ['retry-after', 1000]]) {
    const text = (header(headers, name) ?? '').trim();
    if (/^([0-9]+(\.[0-9]*)?|\.[0-9]+)$/.test(text)) {
      return Math.trunc(Math.min(Number(text) * unit, DAY_MS));
    }
  }
  return undefined;
}
