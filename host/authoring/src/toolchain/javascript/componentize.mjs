// Called by `hardpoint plugin build` with absolute paths: source, folder of the interfaces, world, output.
import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const [sourcePath, witPath, worldName, output] = process.argv.slice(2);
try {
  const { component } = await componentize({
    sourcePath,
    witPath,
    worldName,
    // Not `random` and `clocks`: without them every fresh instance would draw the same numbers.
    disableFeatures: ['http', 'fetch-event'],
  });
  await writeFile(output, component);
} catch (error) {
  console.error(error?.message ?? error);
  const unasked = /Error loading module "hardpoint:plugin\/([a-z]+)@/.exec(error?.message)?.[1];
  if (unasked) console.error(`The plugin uses \`${unasked}\`, and its plugin.toml does not ask for it.`);
  process.exit(1);
}
