// Loaded first in tests, by `node --import`: lets node find the host's interfaces, which lead to `testing.Host`.

import { register } from 'node:module';

register('./native/hooks.js', import.meta.url);
