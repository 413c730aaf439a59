// The whole thing: `sysflow demo` replays the bundled intrusion through the plugin, and the page
// that it serves shows what happened. Needs SYSFLOW_BIN, the path of the `sysflow` binary.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { card, launch, open, panel, shoot } from './browser.mjs';

const BIN = process.env.SYSFLOW_BIN;
/** How long the demo may take to be ready and to say what it has found. */
const PATIENCE_MS = 120_000;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts the demo; collects its alerts, one JSON object a line. */
async function demo(t) {
  const listen = `127.0.0.1:${await freePort()}`;
  const child = spawn(BIN, ['demo', '--speed', 'max', '--listen', listen, '-o', 'json'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', resolve);
  });
  t.after(async () => {
    child.kill('SIGTERM');
    await Promise.race([exited, sleep(10_000, undefined, { ref: false })]);
    child.kill('SIGKILL');
  });
  let log = '';
  child.on('error', (error) => {
    log += error.message;
  });
  child.stderr.on('data', (chunk) => {
    log = (log + chunk).slice(-4000);
  });
  const alerts = [];
  createInterface({ input: child.stdout }).on('line', (line) => alerts.push(JSON.parse(line)));
  const until = async (what, good) => {
    const end = Date.now() + PATIENCE_MS;
    while (!(await good())) {
      assert.ok(child.exitCode === null && child.pid !== undefined, `the demo ended before ${what}:\n${log}`);
      assert.ok(Date.now() < end, `no ${what} after ${PATIENCE_MS / 1000} s:\n${log}`);
      await sleep(100);
    }
  };
  const url = `http://${listen}`;
  await until('readiness', () => fetch(`${url}/readyz`).then((r) => r.ok, () => false));
  // The deletion of its traces is the last the intruder does; when nothing new comes, all is there.
  let seen = -1;
  let since = Date.now();
  await until('alerts', () => {
    if (alerts.length !== seen) [seen, since] = [alerts.length, Date.now()];
    return alerts.length > 0 && Date.now() - since > 2500;
  });
  return { url, alerts };
}

test('an alert of the replayed intrusion opens its graph', async (t) => {
  if (!BIN) {
    assert.ok(!process.env.CI, 'SYSFLOW_BIN is not set, and in CI the real thing must be tested');
    t.skip('SYSFLOW_BIN is not set: give the path of the sysflow binary');
    return;
  }
  const { url, alerts } = await demo(t);
  t.diagnostic(`${alerts.length} alerts`);
  const first = alerts.find((a) => ['Critical', 'Error', 'Warning'].includes(a.priority)) ?? alerts[0];
  const graphUrl = new URL(first.output_fields['sf.graph_url']);
  assert.match(graphUrl.pathname, new RegExp(`^/g/${first.output_fields['sf.graphid']}$`));

  const browser = await launch();
  t.after(() => browser.close());
  const watched = await open(t, browser);
  const { page } = watched;
  await page.goto(url + graphUrl.pathname + graphUrl.search);
  await page.locator('.node.selected').waitFor();
  await shoot(page, 'demo-alert');

  await page.getByRole('button', { name: 'Fit the whole graph' }).click();
  const place = {};
  for (const [name, args] of [['node', '/app/server.js'], ['dash', 'exfil.py'], ['curl', 'exfil.py'], ['python3', 'exfil.py']]) {
    const box = await card(page, name, args).boundingBox();
    assert.ok(box, `${name} is not drawn`);
    place[name] = box.x;
  }
  assert.ok(place.node < place.dash && place.dash < place.curl && place.dash < place.python3, JSON.stringify(place));
  await shoot(page, 'demo-graph');

  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Fit the whole graph' }).click();
  await card(page, 'python3', 'exfil.py').click();
  await page.getByRole('button', { name: 'Centre the selected node' }).click();
  const connections = await panel(page, /Connections/);
  for (const endpoint of ['198.51.100.77:8443', '203.0.113.99:443']) assert.ok(connections.includes(endpoint), connections);
  await shoot(page, 'demo-connections');
  assert.match(await panel(page, /Files/), /\/tmp\/dump\.tgz/);
  await shoot(page, 'demo-files');

  await page.goto(url);
  await page.locator('a.row').first().waitFor();
  assert.match(await page.locator('a.row').first().innerText(), /\bnode\b[\s\S]*shop-frontend/);
  await shoot(page, 'demo-list');
  assert.deepEqual(watched.complaints, []);
  assert.deepEqual([...watched.hosts], [new URL(url).host]);
});
