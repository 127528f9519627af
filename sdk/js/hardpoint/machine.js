// State machines: what models and exporters are made of. They are told what happened and yield what to do next; the
// host does all I/O.

import { Failure, unexpected } from './failure.js';

/**
 * Sends a request.
 * @param {ReturnType<import('./request.js').request>} request
 */
export function send(request) {
  return { tag: 'send', val: request };
}

/** Asks to be called once more, by `resumed`, when what came before was passed on. */
export function again() {
  return { tag: 'again' };
}

/**
 * One exchange: a completion, an embedding or a delivery. Only `started` must be written. Each method is a generator
 * of effects, or returns nothing; throw `Failure` to end the exchange.
 */
export class Machine {
  /** The first call. A plugin with another side sends its request here. */
  started() {
    throw new Error('a machine must say how it starts');
  }

  /** The answer to `again`, and to a `wait` that is over. */
  resumed() {}

  /**
   * An answer began.
   * @param {{ exchange: number, status: number, headers: import('./failure.js').Header[] }} head
   */
  head(head) {}

  /**
   * An answer goes on, cut wherever the network cut it.
   * @param {Uint8Array} data
   * @param {number} exchange
   */
  body(data, exchange) {}

  /**
   * An answer is complete.
   * @param {number} exchange
   */
  ended(exchange) {}

  /**
   * A request got no answer, or no more of it. Fails the exchange unless you decide otherwise.
   * @param {import('./failure.js').TransportFailure} failure
   */
  broken(failure) {
    throw Failure.ofTransport(failure);
  }
}

/** A machine as a resource of the interface. */
export class Slot {
  #machine;
  #failure;

  /** @param {Machine} machine */
  constructor(machine) {
    this.#machine = machine;
  }

  /**
   * One call, as the interface has it. What a machine put out before it failed is handed over first: the interface
   * knows either effects or a failure, and where the network cut the answer must not decide whether a client sees
   * the last words before an error.
   */
  advance(seen) {
    if (this.#failure) throw this.#failure;
    const out = [];
    try {
      for (const effect of this.#told(seen) ?? []) out.push(effect);
    } catch (error) {
      if (!(error instanceof Failure) || out.length === 0) throw unexpected(error);
      this.#failure = error;
      out.push(again());
    }
    return out;
  }

  #told({ tag, val }) {
    switch (tag) {
      case 'body':
        return this.#machine.body(val.bytes, val.exchange);
      case 'started':
        return this.#machine.started();
      case 'resumed':
        return this.#machine.resumed();
      default:
        return this.#machine[tag](val);
    }
  }
}

/**
 * Begins an exchange. What is thrown here and is no `Failure` becomes one: most often it is a setting that is not
 * there, which concerns this binding alone. The stack goes to the plugin's log.
 * @template T
 * @param {() => T} begin
 * @returns {T}
 */
export function begun(begin) {
  try {
    return begin();
  } catch (error) {
    if (unexpected(error) instanceof Failure) throw error;
    throw new Failure('unsupported', `the plugin cannot begin: ${error}`);
  }
}

/**
 * A binding's settings. The host has checked them against the manifest's schema.
 * @param {string} settings
 */
export function parseSettings(settings) {
  return settings.trim() ? JSON.parse(settings) : {};
}
