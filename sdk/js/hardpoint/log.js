// Lines for the plugin's own log, which operators read under `/plugins/{id}/logs`.

import { write } from 'hardpoint:plugin/log@0.1.0';

/** For the plugin's author. */
export const debug = (message) => write('debug', message);

/** Worth knowing. */
export const info = (message) => write('info', message);

/** Something is off, and the call goes on. */
export const warn = (message) => write('warn', message);

/** Something failed. */
export const error = (message) => write('error', message);
