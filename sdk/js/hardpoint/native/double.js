// Where the host's functions lead natively.

/** The `testing.Host` that is in place. */
export const place = { host: undefined };

/** A function of the host, played by the double. */
export function call(name, ...args) {
  if (!place.host) throw new Error(`${name}: there is no \`testing.Host\` in place`);
  return place.host[name](...args);
}
