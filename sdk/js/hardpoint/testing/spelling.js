// JSON as the host writes it, which hands it to a plugin as text.

const byBytes = (one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other));

/**
 * As JSON: no spaces, members in order of their names. Whether a number was `2` or `2.0`, and what a whole one beyond
 * 2^53 was, JavaScript does not know any more.
 */
export function write(value) {
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const names = Object.keys(value).filter((name) => value[name] !== undefined);
    return `{${names.sort(byBytes).map((name) => `${write(name)}:${write(value[name])}`).join(',')}}`;
  }
  // JavaScript has an exponent from 1e-7 down, the host from 1e-6.
  const isTiny = typeof value === 'number' && Math.abs(value) >= 1e-6 && Math.abs(value) < 1e-5;
  return isTiny ? value.toExponential() : JSON.stringify(value);
}
