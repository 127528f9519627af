// Exporters: batches of events to some outside system.

import { Slot, begun, parseSettings } from './machine.js';

/**
 * @typedef {{ id: string, kind: string, time: bigint, body: string }} Event `body` is a JSON object as text.
 * @typedef {{ attempt: number, now: bigint, events: Event[] }} Batch `attempt` is 1 for the first.
 */

/**
 * A plugin of kind `exporter`: `export const exporter = defineExporter({ … })`.
 * @param {object} plugin
 * @param {(batch: Batch, settings: any, state?: Uint8Array) => import('./machine.js').Machine} plugin.deliver
 *   Begins a delivery. `settings` are the binding's and the export's together; `state` is what was saved last.
 *   Throws `Failure` if nothing can be delivered with these settings.
 */
export function defineExporter(plugin) {
  return {
    Delivery: class Delivery extends Slot {
      static open(batch, settings, state) {
        return new Delivery(begun(() => plugin.deliver(batch, parseSettings(settings), state)));
      }
    },
  };
}

const verdict = (index, verdict) => ({ tag: 'verdict', val: { index, verdict } });

/** The other side has the event at this position. */
export const delivered = (index) => verdict(index, { tag: 'delivered' });

/** Offer the event again, not before so many milliseconds have passed. */
export const retryAfter = (index, milliseconds) => verdict(index, { tag: 'retry-after', val: BigInt(milliseconds) });

/** The event can never be delivered, for this reason. */
export const drop = (index, reason) => verdict(index, { tag: 'drop', val: reason });

/** The batch as it is was refused: offer what has no verdict again in two halves. */
export const split = () => ({ tag: 'split' });

/** Nothing can be delivered until an operator has acted, for this reason. */
export const park = (reason) => ({ tag: 'park', val: reason });

/** Asks to be called again, by `resumed`, after so many milliseconds. */
export const wait = (milliseconds) => ({ tag: 'wait', val: BigInt(milliseconds) });

/** Keeps these bytes with the cursor, for the next delivery. */
export const save = (state) => ({ tag: 'save', val: state });
