// `sysflow ui-proxy` in a real browser: in front of a page with the structure of Falcosidekick-UI 2.2 and 2.3 always, and
// in front of the real Falcosidekick-UI with events that the real Falcosidekick posts where FALCOSIDEKICK_UI (version
// 1.1.0, which needs no database) or FALCOSIDEKICK_UI_URL (a running one of version 2) and FALCOSIDEKICK name them.
// Needs SYSFLOW_BIN, the path of the `sysflow` binary.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { attack, GRAPH_ID } from '../../viewer/test/fixtures/story.mjs';
import { extend } from '../../viewer/test/mock-api.mjs';
import { serve as serveApi } from '../../viewer/test/mock.mjs';
import { launch, open, shoot } from './browser.mjs';
import { answers, freePort, program, without } from './programs.mjs';
import { serve as serveUi } from './ui-page.mjs';

const BIN = process.env.SYSFLOW_BIN;
const TOKEN = 'a-token-of-the-api';
const OTHER = 'b1c2d3e4f5a697887766554433221100';

let browser;
let api;

before(async () => {
  browser = await launch();
  api = await serveApi();
  extend(api);
  // From here on the service answers only those with its token, or with one for a graph.
  api.state.token = TOKEN;
});
after(async () => {
  await browser?.close();
  await api?.close();
});

const event = (n, fields) => ({
  uuid: `00000000-0000-4000-8000-00000000000${n}`, rule: `Rule ${n}`, priority: 'Warning', source: 'sysflow', output: `output ${n}`,
  time: '2026-11-24T02:59:32.537404306Z', tags: [], output_fields: fields,
});
const URL_FIELD = `https://sysflow.example/g/${GRAPH_ID}?at=1795489172537404306`;
const EVENTS = [
  event(1, { 'sf.graphid': GRAPH_ID, 'sf.graph_url': URL_FIELD, 'sf.proc.exe': '/usr/bin/curl' }),
  event(2, { 'proc.name': 'sh', 'user.name': GRAPH_ID }),
  event(3, { 'sf.graphid': 'javascript:alert(1)', 'sf.proc.exe': '<img src=x onerror=window.hacked=1>' }),
  event(4, { 'proc.name': 'sh', 'user.name': 'x', 'sf.proc.exe': 'y' }),
  event(5, { 'sf.graphid': OTHER, 'sf.proc.exe': '/usr/bin/dash' }),
];

/** The proxy in front of a UI; its address. */
async function proxy(t, ui, more = []) {
  const folder = await mkdtemp(join(tmpdir(), 'sysflow-proxy-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'token'), `${TOKEN}\n`);
  const port = await freePort();
  const args = ['ui-proxy', '--ui', ui, '--api', api.url, '--token-file', join(folder, 'token'), '--listen', `127.0.0.1:${port}`, ...more];
  await program(t, BIN, args, answers(`http://127.0.0.1:${port}/`));
  return `http://127.0.0.1:${port}`;
}

function missing(t) {
  if (BIN) return false;
  assert.ok(!process.env.CI, 'SYSFLOW_BIN is not set, and in CI the real thing must be tested');
  t.skip('SYSFLOW_BIN is not set: give the path of the sysflow binary');
  return true;
}

const marks = (page) => page.locator('[data-sf-graph]');
const frame = (page) => page.frameLocator('iframe[title="Behaviour graph"]');

async function signIn(page) {
  await page.getByLabel('User').fill('admin');
  await page.getByLabel('Password').fill('admin');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('tbody tr').first().waitFor();
}

describe('in front of a page as Falcosidekick-UI has it', () => {
  for (const [version, path] of [['2.3', '/#/events'], ['2.2', '/events']]) {
    test(`${version}: a click on a graph id opens the graph in place, and nothing else`, async (t) => {
      if (missing(t)) return;
      const ui = await serveUi(EVENTS);
      t.after(() => ui.close());
      const url = await proxy(t, ui.url, ['--public-url', 'https://sysflow.example']);
      const watched = await open(t, browser);
      const { page } = watched;
      await page.goto(url + path);
      await signIn(page);
      await marks(page).first().waitFor();
      // Only the value of this field, and only when it can be an id.
      assert.deepEqual(await marks(page).allInnerTexts().then((all) => all.map((s) => s.trim())), [GRAPH_ID]);

      await marks(page).click();
      const card = frame(page).locator('[data-kind="process"][data-name^="Process curl"]').first();
      await card.waitFor();
      // The graph opens at the alert, with its own style and fonts.
      assert.equal(await card.getByRole('button').first().getAttribute('aria-pressed'), 'true');
      assert.equal(await frame(page).locator('.page > header').isVisible(), false);
      const looks = await page.frames().at(-1).evaluate(async () => {
        await document.fonts.ready;
        return [getComputedStyle(document.body).fontFamily.split(',')[0], [...document.fonts].some((font) => font.status === 'loaded')];
      });
      assert.deepEqual(looks, ['Inter', true]);
      await shoot(page, `proxy-${version}`);
      assert.equal(await page.getByRole('link', { name: 'Open in SysFlow' }).getAttribute('href'), `https://sysflow.example/g/${GRAPH_ID}?at=1795489172537404306`);
      assert.equal(await page.locator('#search').inputValue(), '', 'the click was no filter');

      // The frame can reach neither the page around it nor what that page keeps.
      const reached = await page.frames().at(-1).evaluate(() => {
        const tries = { storage: () => sessionStorage.length, parent: () => parent.document.title, cookie: () => document.cookie, origin: () => globalThis.origin };
        return Object.fromEntries(Object.entries(tries).map(([name, look]) => {
          try {
            return [name, String(look())];
          } catch (error) {
            return [name, error.name];
          }
        }));
      });
      assert.deepEqual(reached, { storage: 'SecurityError', parent: 'SecurityError', cookie: 'SecurityError', origin: 'null' });

      // The first Escape closes what is open in the graph, the second one the graph.
      await frame(page).getByRole('complementary', { name: 'Selected node' }).waitFor();
      await page.keyboard.press('Escape');
      await frame(page).getByRole('complementary', { name: 'Selected node' }).waitFor({ state: 'detached' });
      assert.equal(await page.locator('dialog.sf-graph').count(), 1);
      await page.keyboard.press('Escape');
      await page.locator('dialog.sf-graph').waitFor({ state: 'detached' });
      assert.equal(await page.evaluate(() => document.activeElement.hasAttribute('data-sf-graph')), true, 'focus is back where it was');
      // Other chips are filters as before.
      await page.getByText('/usr/bin/curl').click();
      await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
      assert.equal(await page.locator('#search').inputValue(), '/usr/bin/curl');
      assert.deepEqual(watched.complaints.filter((c) => !/401/.test(c)), []);
      assert.deepEqual([...watched.hosts], [new URL(url).host]);
    });
  }

  test('marks follow their events when rows are used again, and open by keyboard and in the dialog', async (t) => {
    if (missing(t)) return;
    const ui = await serveUi(EVENTS);
    t.after(() => ui.close());
    const url = await proxy(t, ui.url);
    const { page } = await open(t, browser);
    await page.goto(`${url}/#/events`);
    await signIn(page);
    await marks(page).first().waitFor();
    await page.getByRole('button', { name: 'Next page' }).click();
    await page.waitForFunction((id) => document.querySelector('[data-sf-graph]')?.textContent.trim() === id, OTHER);
    assert.equal(await marks(page).count(), 1);
    await marks(page).focus();
    await page.keyboard.press('Enter');
    await frame(page).locator('[data-kind="process"]').first().waitFor();
    // The focus stays in the dialog.
    assert.equal(await page.evaluate(() => document.activeElement.closest('dialog') !== null), true);
    await page.getByRole('button', { name: 'Close the graph' }).click();
    await page.getByRole('button', { name: 'Details' }).last().click();
    const inDialog = page.locator('.v-dialog [data-sf-graph]');
    await inDialog.click();
    await frame(page).locator('[data-kind="process"]').first().waitFor();
    assert.equal(await page.evaluate(() => 'hacked' in globalThis), false);
  });

  test('says so when the graph is gone, and when the service is away', async (t) => {
    if (missing(t)) return;
    const gone = '0'.repeat(32);
    const ui = await serveUi([event(1, { 'sf.graphid': gone, a: 'b', c: 'd' })]);
    t.after(() => ui.close());
    const url = await proxy(t, ui.url);
    const { page } = await open(t, browser);
    await page.goto(`${url}/#/events`);
    await signIn(page);
    await marks(page).click();
    await page.getByText(/The graph cannot be shown: this graph is not known/).waitFor();
    await shoot(page, 'proxy-gone');
    assert.equal(await page.locator('iframe').count(), 0);
  });

  test('does nothing, without a word, in a page that is another', async (t) => {
    if (missing(t)) return;
    const ui = await serveUi([]);
    t.after(() => ui.close());
    ui.state.page = `<!DOCTYPE html><html><head></head><body><p>sf.graphid ${GRAPH_ID}</p><ul><li>sf.graphid</li><li>${GRAPH_ID}</li></ul></body></html>`;
    const url = await proxy(t, ui.url);
    const watched = await open(t, browser);
    const { page } = watched;
    await page.goto(url);
    await page.locator('li').last().click();
    await page.waitForTimeout(200);
    assert.equal(await marks(page).count(), 0);
    assert.equal(await page.locator('dialog').count(), 0);
    assert.deepEqual(watched.complaints, []);
  });

  test('works under a strict policy of the page', async (t) => {
    if (missing(t)) return;
    const ui = await serveUi(EVENTS);
    t.after(() => ui.close());
    ui.state.headers = { 'Content-Security-Policy': "default-src 'none'; script-src 'nonce-app'; style-src 'nonce-app'; connect-src 'self'" };
    ui.state.page = ui.state.page.replace('<script ', '<script nonce="app" ').replace('<style>', '<style nonce="app">');
    const url = await proxy(t, ui.url);
    const { page, complaints } = await open(t, browser);
    await page.goto(`${url}/#/events`);
    await signIn(page);
    await marks(page).click();
    await frame(page).locator('[data-kind="process"]').first().waitFor();
    assert.deepEqual(complaints.filter((c) => !/401/.test(c)), []);
  });
});

/** Falcosidekick, sending to a UI. */
async function falcosidekick(t, ui) {
  const folder = await mkdtemp(join(tmpdir(), 'sysflow-sidekick-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  await writeFile(join(folder, 'config.yaml'), `listenaddress: 127.0.0.1\nlistenport: ${port}\nwebui:\n  url: ${ui}\n`);
  await program(t, process.env.FALCOSIDEKICK, ['-c', join(folder, 'config.yaml')], answers(`http://127.0.0.1:${port}/ping`));
  return `http://127.0.0.1:${port}/`;
}

async function post(url, alerts) {
  for (const { id, ...alert } of alerts) {
    const answer = await fetch(url, { method: 'POST', body: JSON.stringify({ ...alert, output_fields: { ...alert.output_fields, 'sf.alert.id': id } }) });
    assert.equal(answer.status, 200, await answer.text());
  }
}

/** Alerts of the story, with texts only: version 1 takes nothing else. */
const told = () => attack().alerts.map((alert) => ({ ...alert, output_fields: Object.fromEntries(Object.entries(alert.output_fields).map(([k, v]) => [k, String(v)])) }));

test('in front of the real Falcosidekick-UI 1.1.0, with events of the real Falcosidekick', async (t) => {
  if (missing(t) || without(t, 'FALCOSIDEKICK_UI', 'the program falcosidekick-ui of version 1.1.0') || without(t, 'FALCOSIDEKICK', 'the program falcosidekick')) return;
  const port = await freePort();
  const ui = `http://127.0.0.1:${port}`;
  await program(t, process.env.FALCOSIDEKICK_UI, ['-a', '127.0.0.1', '-p', String(port)], answers(`${ui}/healthz`));
  const url = await proxy(t, ui);
  const { page } = await open(t, browser);
  // Its icons and fonts come from hosts that are not there.
  await page.route((to) => to.host !== new URL(url).host, (route) => route.abort());
  await page.goto(`${url}/ui/#/events`);
  // Posts wait for a page that takes them: through the proxy's web socket.
  await post(await falcosidekick(t, ui), told().slice(0, 4));
  await marks(page).first().waitFor();
  assert.equal(await marks(page).count(), 4);
  await marks(page).first().click();
  await frame(page).locator('[data-kind="process"]').first().waitFor();
  await shoot(page, 'proxy-ui-1.1');
});

test('in front of the real Falcosidekick-UI 2, with events of the real Falcosidekick', async (t) => {
  if (missing(t) || without(t, 'FALCOSIDEKICK_UI_URL', 'the address of Falcosidekick-UI 2, whose user is admin:admin') || without(t, 'FALCOSIDEKICK', 'the program falcosidekick')) return;
  const ui = process.env.FALCOSIDEKICK_UI_URL;
  await post(await falcosidekick(t, ui), told().map((alert) => ({ ...alert, time: new Date(Date.now() - 60_000).toISOString() })));
  const url = await proxy(t, ui, ['--public-url', 'https://sysflow.example']);
  const { page } = await open(t, browser, { width: 1600, height: 1000 });
  await page.route((to) => to.host !== new URL(url).host, (route) => route.abort());
  await page.goto(`${url}/#/login`);
  await page.locator('input[type="text"]:not([readonly])').first().fill('admin');
  await page.locator('input[type="password"]').fill('admin');
  await page.getByRole('button', { name: 'Login' }).click();
  await page.waitForFunction(() => !location.hash.includes('login'));
  // The way back from a graph: all its events, and no others.
  await page.goto(`${url}/#/events?since=24h&filter=${GRAPH_ID}`);
  await marks(page).first().waitFor();
  await shoot(page, 'proxy-ui-2-marked');
  const before = new URL(page.url()).hash;
  await marks(page).first().click();
  await frame(page).locator('[data-kind="process"]').first().waitFor();
  await page.waitForTimeout(300);
  await shoot(page, 'falcosidekick-ui');
  assert.equal(new URL(page.url()).hash, before, 'the click was no filter');
  await page.getByRole('button', { name: 'Close the graph' }).click();
  await page.locator('dialog.sf-graph').waitFor({ state: 'detached' });
});
