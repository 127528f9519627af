// `hardpoint:plugin/kv@0.1.0` is `kv.js` beside this file.

export function resolve(specifier, context, next) {
  const found = /^hardpoint:plugin\/([a-z]+)@/.exec(specifier);
  if (!found) return next(specifier, context);
  return { url: new URL(`./${found[1]}.js`, import.meta.url).href, shortCircuit: true };
}
