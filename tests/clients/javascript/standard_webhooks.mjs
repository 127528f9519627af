// Verifies webhooks with the package `standardwebhooks`, as a receiver would: what came, then what was altered.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.HARDPOINT_JAVASCRIPT, "package.json"));
const { Webhook } = require("standardwebhooks");

let passed = 0;
for (const sent of JSON.parse(readFileSync(0, "utf8"))) {
  const { body, headers } = sent;
  for (const secret of sent.secrets) {
    const webhook = new Webhook(secret);
    assert.equal(webhook.verify(body, headers).event, sent.event);
    assert.throws(() => webhook.verify(`${body} `, headers));
    assert.throws(() => webhook.verify(body, { ...headers, "webhook-id": `${headers["webhook-id"]}0` }));
    passed += 1;
  }
  assert.throws(() => new Webhook(`whsec_${"A".repeat(43)}=`).verify(body, headers));
  passed += 1;
}
console.log(`standardwebhooks of npm: ${passed} passed, 0 failed`);
