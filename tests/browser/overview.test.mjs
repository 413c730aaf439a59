// Overview, events and hunt in a real browser, in front of told graphs and a told API (viewer/test/mock-api.mjs).

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, beforeEach, describe, test } from 'node:test';
import { GRAPH_ID } from '../../viewer/test/fixtures/story.mjs';
import { extend, falcos } from '../../viewer/test/mock-api.mjs';
import { serve } from '../../viewer/test/mock.mjs';
import { launch, open, shoot } from './browser.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let browser;
let mock;

before(async () => {
  browser = await launch();
  mock = await serve();
});
after(async () => {
  await browser?.close();
  await mock?.close();
});
beforeEach(() => {
  Object.assign(mock.state, { down: false, hold: false, none: false });
  extend(mock);
});

function clean({ complaints, hosts }, but = /(?!)/) {
  assert.deepEqual(complaints.filter((c) => !but.test(c)), []);
  assert.deepEqual([...hosts], [new URL(mock.url).host]);
}

async function at(t, path, options = {}) {
  const watched = await open(t, browser, options);
  await watched.page.goto(mock.url + path);
  return watched;
}

async function barriers(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join(' | ')}`);
}

describe('filter', () => {
  test('completes fields and operators by keyboard, and asks for the graphs that fit', async (t) => {
    const watched = await at(t, '/');
    const { page } = watched;
    const input = page.getByRole('combobox', { name: 'Filter by condition' });
    await input.click();
    await input.pressSequentially('exe');
    const list = page.getByRole('listbox', { name: 'Suggestions' });
    await list.getByRole('option', { name: /sf\.proc\.exe Path of its executable/ }).waitFor();
    await page.keyboard.press('ArrowDown');
    assert.equal(await list.getByRole('option', { selected: true }).count(), 1);
    assert.equal(await input.getAttribute('aria-activedescendant'), await list.getByRole('option', { selected: true }).getAttribute('id'));
    await page.keyboard.press('Enter');
    assert.equal(await input.inputValue(), 'sf.proc.exe ');
    await list.getByRole('option', { name: /^startswith/ }).waitFor();
    await shoot(page, 'overview-complete');
    await page.keyboard.press('Escape');
    await list.waitFor({ state: 'hidden' });
    await page.keyboard.type('= /usr/bin/python3');
    const asked = page.waitForRequest((r) => new URL(r.url()).searchParams.get('filter') === 'sf.proc.exe = /usr/bin/python3');
    await page.keyboard.press('Enter');
    await asked;
    await page.waitForURL(/\?filter=sf\.proc\.exe/);
    await page.getByRole('button', { name: /remove$/ }).click();
    assert.equal(await input.inputValue(), '');
    assert.equal(new URL(page.url()).search, '');
    clean(watched);
  });

  test('says what is wrong under the very word, also after characters of several bytes', async (t) => {
    const watched = await at(t, '/');
    const { page } = watched;
    const input = page.getByRole('combobox', { name: 'Filter by condition' });
    await input.fill('sf.proc.name = "ä€😀" and sf.proc.exx = 1');
    const wrong = page.locator('.wrong-text');
    await wrong.getByText('there is no field sf.proc.exx').waitFor();
    const [line, mark] = (await wrong.locator('pre').innerText()).split('\n');
    assert.equal(line.slice(mark.indexOf('^'), mark.lastIndexOf('^') + 1), 'sf.proc.exx');
    await shoot(page, 'overview-wrong');
    const before = mock.state.requests.length;
    await input.press('Enter');
    await page.waitForTimeout(100);
    assert.ok(!mock.state.requests.slice(before).some((r) => r.includes('filter=')), 'a wrong condition is not sent');
    clean(watched);
  });

  test('does without completion, views and checks where the service has none', async (t) => {
    for (const path of ['fields', 'conditions/check', 'attack', 'traffic', 'projection', 'settings']) mock.state.more.absent.add(`/api/v1/${path}`);
    const watched = await at(t, '/');
    const { page } = watched;
    await page.locator('a.row').first().waitFor();
    await page.getByRole('tab').first().waitFor({ state: 'detached' });
    await page.getByRole('combobox', { name: 'Filter by condition' }).fill('sf.proc.name = sh');
    await page.keyboard.press('Enter');
    await page.waitForURL(/filter=/);
    clean(watched, /Failed to load resource/);
  });
});

describe('views', () => {
  test('severity and time narrow the list', async (t) => {
    const watched = await at(t, '/');
    const { page } = watched;
    await page.locator('a.row').first().waitFor();
    await shoot(page, 'overview');
    await page.getByRole('combobox', { name: 'Least severity' }).selectOption('Error');
    await page.getByText('1 graph, most severe first').waitFor();
    await page.waitForURL(/severity=Error/);
    await page.reload();
    await page.getByText('1 graph, most severe first').waitFor();
    await page.getByRole('combobox', { name: 'Least severity' }).selectOption('');
    const bar = page.locator('figure button').last();
    const [, n] = /^(\d+) graph/.exec(await bar.getAttribute('aria-label'));
    await bar.click();
    await page.waitForFunction((wanted) => document.querySelectorAll('a.row').length === wanted, Number(n));
    assert.equal(await page.locator('figure button[aria-pressed="true"]').count(), 1);
    await page.getByRole('button', { name: 'Clear all' }).click();
    await page.waitForFunction(() => document.querySelectorAll('a.row').length === 4);
    clean(watched);
  });

  test('the ATT&CK matrix counts, and picks the graphs of a technique', async (t) => {
    const watched = await at(t, '/?view=attack');
    const { page } = watched;
    const tactic = page.getByRole('region', { name: 'Credential Access' });
    await tactic.waitFor();
    const names = await page.locator('.matrix section').evaluateAll((all) => all.map((s) => s.getAttribute('aria-label')));
    assert.deepEqual(names.slice(0, 3), ['Initial Access', 'Execution', 'Persistence']);
    assert.match(await tactic.getByRole('button', { name: /T1552\.004/ }).innerText(), /Private Keys\s+T1552\.004\s+2/);
    await shoot(page, 'overview-attack');
    await page.getByRole('button', { name: /T1609/ }).click();
    await page.locator('a.row').first().waitFor();
    assert.equal(await page.locator('a.row').count(), 1);
    assert.match(await page.locator('a.row').innerText(), /^\s*dash\b/);
    assert.match(page.url(), /technique=T1609/);
    clean(watched);
  });

  test('traffic ranks what is sent, and beacons when asked', async (t) => {
    const watched = await at(t, '/?view=traffic');
    const { page } = watched;
    const first = page.locator('tbody tr').first();
    await first.waitFor();
    assert.match(await first.innerText(), /python3\.11\s+203\.0\.113\.99:443\s+937 kB/);
    await shoot(page, 'overview-traffic');
    await page.getByRole('radio', { name: 'Beacons first' }).check();
    assert.match(await first.innerText(), /198\.51\.100\.77:8443[\s\S]*every 2\.0 s\s+94 %/);
    await first.getByRole('link').click();
    await page.waitForURL(new RegExp(`/g/${GRAPH_ID}`));
    clean(watched);
  });

  test('flows lead from container through process to endpoint, as a picture and as a table', async (t) => {
    const watched = await at(t, '/?view=flows');
    const { page } = watched;
    const python = page.getByRole('button', { name: /^python3\.11 ⚠ \d+, Process \/usr\/bin\/python3\.11: 1\.96 MB/ });
    await python.waitFor();
    const x = async (name) => (await page.getByRole('button', { name }).boundingBox()).x;
    assert.ok((await x(/Container shop-frontend/)) < (await x(/Process .*python3/)) && (await x(/Process .*python3/)) < (await x(/Endpoint 203\.0\.113\.99/)));
    await shoot(page, 'overview-flows');
    await python.focus();
    await page.keyboard.press('Enter');
    assert.equal(await python.getAttribute('aria-pressed'), 'true');
    assert.ok((await page.locator('path.band.dim').count()) > 3);
    await page.getByRole('button', { name: 'As table' }).click();
    assert.match(await page.getByRole('region', { name: 'Flows' }).innerText(), /python3\.11\s+203\.0\.113\.99:443\s+937 kB/);
    clean(watched);
  });

  test('tabs obey the arrow keys', async (t) => {
    const watched = await at(t, '/');
    const { page } = watched;
    await page.getByRole('tab', { name: 'Graphs' }).focus();
    await page.keyboard.press('ArrowLeft');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Flows');
    await page.getByRole('button', { name: /, Endpoint / }).first().waitFor();
    await page.keyboard.press('ArrowRight');
    await page.locator('a.row').first().waitFor();
    clean(watched);
  });

  test("Falco's own alerts stand beside ours", async (t) => {
    mock.state.more.falco = [falcos()];
    const watched = await at(t, '/');
    const { page } = watched;
    const aside = page.getByRole('complementary', { name: 'Newest alerts' });
    await aside.getByText('Read sensitive file untrusted').waitFor();
    await aside.getByRole('radio', { name: 'Falco', exact: true }).check();
    assert.equal(await aside.getByRole('listitem').count(), 1);
    await aside.getByRole('radio', { name: 'SysFlow', exact: true }).check();
    await aside.getByText('Read sensitive file untrusted').waitFor({ state: 'detached' });
    clean(watched);
  });
});

describe('events', () => {
  test('lists alerts of ours and of Falco, finds, opens the graph, and leads to Falcosidekick-UI', async (t) => {
    mock.state.more.falco = [falcos()];
    mock.state.more.settings = { falcosidekick_ui: 'https://ui.example/#/events?since={since}&filter={graph}' };
    const watched = await at(t, '/events');
    const { page } = watched;
    await page.getByRole('radio', { name: 'Falco', exact: true }).check();
    const row = page.locator('.events > li');
    await page.waitForFunction(() => document.querySelectorAll('.events > li').length === 1);
    assert.match(await row.innerText(), /Read sensitive file untrusted[\s\S]*python3 \/tmp\/exfil\.py[\s\S]*shop-frontend[\s\S]*Falco/);
    const href = await row.getByRole('link', { name: 'Events of this graph in Falcosidekick-UI' }).getAttribute('href');
    assert.match(href, new RegExp(`^https://ui\\.example/#/events\\?since=\\w+&filter=${GRAPH_ID}$`));
    await row.getByRole('button', { expanded: false }).click();
    await row.getByText('fd.name').waitFor();
    await page.getByRole('radio', { name: 'All' }).check();
    await shoot(page, 'events');
    await page.getByRole('searchbox', { name: 'Search events' }).fill('exfil.py upload');
    await page.waitForFunction(() => document.querySelectorAll('.events > li').length === 1);
    await page.getByRole('link', { name: /^Open the graph of Large upload/ }).click();
    await page.waitForURL(new RegExp(`/g/${GRAPH_ID}\\?at=1795489184453124306`));
    assert.match(await page.getByRole('link', { name: 'Events in Falcosidekick-UI' }).getAttribute('href'), new RegExp(`^https://ui\\.example/#/events\\?since=\\w+&filter=${GRAPH_ID}$`));
    clean(watched);
  });

  test('loads older ones when asked', async (t) => {
    mock.state.more.falco = [falcos()];
    mock.state.more.page = 8;
    const watched = await at(t, '/events');
    const { page } = watched;
    const many = (n) => page.waitForFunction((wanted) => document.querySelectorAll('.events > li').length === wanted, n);
    await many(8);
    await page.getByRole('button', { name: 'Older events' }).click();
    await many(16);
    await page.getByRole('button', { name: 'Older events' }).click();
    await many(21);
    await page.getByRole('button', { name: 'Older events' }).waitFor({ state: 'detached' });
    clean(watched);
  });
});

describe('accessible', () => {
  for (const [dark, width, height] of [[false, 1440, 900], [true, 900, 800]]) {
    test(`axe-core finds nothing serious, ${dark ? 'dark' : 'light'}, ${width} wide`, async (t) => {
      mock.state.more.falco = [falcos()];
      const name = `${width}-${dark ? 'dark' : 'light'}`;
      const watched = await at(t, '/', { width, height, dark });
      const { page } = watched;
      for (const [path, ready] of [['/', 'a.row'], ['/?view=attack', '.matrix'], ['/?view=traffic', 'tbody tr'], ['/?view=flows', 'path.band'], ['/events', '.events > li'], ['/hunt?condition=sf.proc.name%20%3D%20python3', 'tbody tr'], ['/hunt', '.examples']]) {
        await page.goto(mock.url + path);
        await page.locator(ready).first().waitFor();
        assert.deepEqual(await barriers(page), [], path);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} is wider than the window`);
        await shoot(page, `pages${path.replaceAll(/[^a-z]+/g, '-').slice(0, 24)}-${name}`);
      }
      clean(watched);
    });
  }
});
