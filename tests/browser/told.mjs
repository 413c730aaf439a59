// A browser and told graphs (viewer/test/mock.mjs) for the file that imports this: they are there before its first test
// and gone after its last, and each test finds the graphs as they were told.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach } from 'node:test';
import { fileURLToPath } from 'node:url';
import { attack, GRAPH_ID } from '../../viewer/test/fixtures/story.mjs';
import { serve } from '../../viewer/test/mock.mjs';
import { launch } from './browser.mjs';

/** The built page. */
export const DIST = fileURLToPath(new URL('../../viewer/dist/', import.meta.url));

export let browser;
export let mock;

before(async () => {
  const page = join(DIST, 'index.html');
  assert.ok(existsSync(page), `${page} is missing: build the viewer first (npm ci && npm run build in viewer/)`);
  browser = await launch();
  mock = await serve();
});
after(async () => {
  await browser?.close();
  await mock?.close();
});
beforeEach(() => {
  Object.assign(mock.state, { down: false, hold: false, none: false, plain: false });
  mock.state.gone.clear();
  mock.state.graphs.set(GRAPH_ID, attack());
});

/** Nothing was logged, blocked or asked of another host; `but` are complaints that the test provoked. */
export function clean({ complaints, hosts }, but = /(?!)/) {
  assert.deepEqual(complaints.filter((c) => !but.test(c)), []);
  assert.deepEqual([...hosts], [new URL(mock.url).host]);
}
