// The graph page as an analyst works with it, in front of told graphs (viewer/test/mock.mjs).

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { DEEP_ID, FIFTEEN_ID, FIVE_ID } from '../../viewer/test/fixtures/large.mjs';
import { attack, GRAPH_ID, operator } from '../../viewer/test/fixtures/story.mjs';
import { card, open, panel, shoot } from './browser.mjs';
import { browser, clean, DIST, mock } from './told.mjs';

const FOLD_ID = 'f01d0000000000000000000000000000';
/** All that a browser loads, in transit. */
const MOST_BYTES = 1_000_000;

async function show(t, id, query = '', options = {}) {
  const watched = await open(t, browser, options);
  await watched.page.goto(`${mock.url}/g/${id}${query}`);
  await watched.page.locator('.node, .row').first().waitFor();
  return watched;
}

const search = (page) => page.getByRole('textbox', { name: 'Search this graph' });
const drawn = (page) => page.locator('.node').count();

describe('first paint', () => {
  test('is centred on the alert, three levels around; the rest opens on demand', async (t) => {
    const watched = await show(t, DEEP_ID);
    const { page } = watched;
    assert.match(await page.locator('.node.selected').getAttribute('data-name'), /^Process level5, 1 alert/);
    for (const label of ['level2', 'level8']) await card(page, label).waitFor({ state: 'attached' });
    for (const label of ['level1', 'level9']) assert.equal(await card(page, label).count(), 0, label);
    await page.getByRole('button', { name: '2 ancestors more' }).dispatchEvent('click');
    await card(page, 'level0').waitFor({ state: 'attached' });
    const more = card(page, 'level8').getByRole('button', { name: '18 children' });
    assert.match(await more.innerText(), /\+\s*18 children/);
    await more.dispatchEvent('click');
    await card(page, 'level9').waitFor({ state: 'attached' });
    assert.equal(await page.locator('[data-name^="Process worker"]').count(), 17);
    // The other alert is not drawn, but the button says that it is there.
    await card(page, 'level0').locator('.more-children.hot').waitFor({ state: 'attached' });
    await page.locator('.alerts').getByRole('button', { name: /Rule 3/ }).click();
    await page.locator('.node.selected[data-name^="Process job"]').waitFor({ state: 'attached' });
    await shoot(page, 'graph-deep');
    clean(watched);
  });

  for (const [id, nodes, limit] of [[FIFTEEN_ID, 1500, 1000], [FIVE_ID, 5000, 2500]]) {
    test(`${nodes} nodes`, async (t) => {
      const watched = await open(t, browser);
      const { page } = watched;
      await page.goto(mock.url);
      await page.locator('a.row').first().waitFor();
      await page.addInitScript(() => {
        new MutationObserver((_, self) => {
          if (document.querySelector('.node') === null) return;
          self.disconnect();
          requestAnimationFrame(() => requestAnimationFrame((now) => (globalThis.firstCard = Math.round(now))));
        }).observe(document, { childList: true, subtree: true });
      });
      // Work of the page itself, in time of its thread: what others do to the machine is not its fault.
      const session = await page.context().newCDPSession(page);
      await session.send('Performance.enable', { timeDomain: 'threadTicks' });
      await page.goto(`${mock.url}/g/${id}`);
      await page.waitForFunction(() => globalThis.firstCard !== undefined);
      const { metrics } = await session.send('Performance.getMetrics');
      const of = (name) => metrics.find((m) => m.name === name)?.value ?? 0;
      const busy = Math.round(of('TaskDuration') * 1000);
      const wall = await page.evaluate(() => globalThis.firstCard);
      t.diagnostic(`${nodes} nodes: first cards painted ${wall} ms after navigation, ${busy} ms of them work of the page; budget ${limit} ms`);
      const count = await drawn(page);
      assert.ok(count > 10 && count <= 150, `${count} nodes in the document`);
      assert.match(await page.locator('.viewport').getAttribute('aria-label'), new RegExp(`^Graph, ${nodes} nodes, `));
      assert.ok(busy > 0 && busy < limit, `${busy} ms`);
      clean(watched);
    });
  }
});

describe('the analyst', () => {
  test('goes from the alert to exfil.py and 203.0.113.99', async (t) => {
    const watched = await open(t, browser);
    const { page } = watched;
    await page.goto(mock.url);
    await page.getByRole('link', { name: /Large upload by an interpreter/ }).click();
    await page.locator('.node.selected[data-name^="Process python3 /tmp/exfil.py"]').waitFor();
    assert.match(await page.getByRole('tabpanel').innerText(), /sf\.net\.dip\s+203\.0\.113\.99/);
    const net = page.locator('[data-kind="net"][data-name*="of python3"]');
    assert.match(await net.getAttribute('data-name'), /beacon every 2\.0 s/);
    assert.match(await net.innerText(), /203\.0\.113\.99:443/);
    assert.ok(await net.locator('.spark rect').count() >= 15, 'the beats of the beacon run together');
    assert.match(await panel(page, /Connections/), /198\.51\.100\.77:8443[\s\S]*beacon every 2\.0 s/);
    await page.getByRole('button', { name: 'Path to root' }).click();
    await page.getByText('Path from the root to python3').waitFor();
    assert.equal(await page.locator('.node:not(.quiet)').count(), 3);
    await page.getByRole('button', { name: 'Trace forward' }).click();
    await page.getByText('What came of python3 /tmp/exfil.py: 10 nodes').waitFor();
    assert.ok(await card(page, 'curl').evaluate((e) => e.classList.contains('quiet')));
    await page.getByRole('button', { name: 'Trace back' }).click();
    await page.getByText('What led to python3 /tmp/exfil.py: 3 nodes').waitFor();
    await shoot(page, 'graph-trace');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('.node.quiet').count(), 0);
    await panel(page, /Records/);
    await page.getByRole('tabpanel').getByText(/records/).first().waitFor();
    const first = page.getByRole('tabpanel').locator('.row').first();
    await first.click();
    assert.match(await page.getByRole('tabpanel').locator('pre').innerText(), /"opflags"/);
    await page.getByRole('button', { name: 'Copy record as JSON' }).first().click();
    assert.equal(JSON.parse(await page.evaluate(() => navigator.clipboard.readText())).proc.exe, '/usr/bin/python3.11');
    await shoot(page, 'graph-records');
    clean(watched);
  });

  test('searches: n/m, next, previous, only these, clear', async (t) => {
    const watched = await show(t, GRAPH_ID);
    const { page } = watched;
    await page.locator('body').click({ position: { x: 4, y: 4 } });
    await page.keyboard.press('/');
    await page.keyboard.type('exfil.py');
    await page.getByText('1/5').waitFor();
    await page.keyboard.press('Enter');
    await page.getByText('2/5').waitFor();
    assert.match(await page.locator('.node.current').getAttribute('data-name'), /^Process curl/);
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.press('Shift+Enter');
    await page.getByText('5/5').waitFor();
    await page.getByRole('button', { name: /^Only these/ }).click();
    assert.equal(await page.locator('.node:not(.quiet)').count(), 5);
    await shoot(page, 'graph-search');
    await search(page).fill('no such thing');
    await page.getByText('none', { exact: false }).first().waitFor();
    await page.getByRole('button', { name: 'Clear the search' }).click();
    assert.equal(await page.locator('.node.found').count(), 0);
    clean(watched);
  });

  test('filters by a value of the panel, and by a technique', async (t) => {
    const watched = await show(t, GRAPH_ID);
    const { page } = watched;
    await page.locator('.alerts').getByRole('button', { name: /Shadow file access/ }).click();
    await page.getByRole('tabpanel').getByRole('button', { name: 'Filter by this file' }).first().click();
    assert.equal(await search(page).inputValue(), 'file:/etc/shadow');
    assert.equal(await page.locator('.node:not(.quiet)').count(), 1);
    await page.getByRole('button', { name: /T1105/ }).first().click();
    assert.equal(await search(page).inputValue(), 'tag:T1105');
    assert.match(await page.locator('.node:not(.quiet)').first().getAttribute('data-name'), /^Process curl/);
    clean(watched);
  });
});

describe('time', () => {
  test('is picked by keyboard and pointer, dims what is outside, plays, and stands in the address', async (t) => {
    const watched = await show(t, GRAPH_ID);
    const { page } = watched;
    assert.ok(await page.locator('.tick').count() > 4);
    const end = page.getByRole('slider', { name: 'End of the time shown' });
    await end.focus();
    for (let i = 0; i < 8; i += 1) await page.keyboard.press('Shift+ArrowLeft');
    assert.equal(await end.getAttribute('aria-valuenow'), '20');
    assert.ok(await card(page, 'python3').evaluate((e) => e.classList.contains('quiet')));
    assert.ok(!(await card(page, 'node').evaluate((e) => e.classList.contains('quiet'))));
    assert.match(page.url(), /from=\d+&to=\d+/);
    await shoot(page, 'graph-brush');
    await page.reload();
    await page.locator('.node.quiet').first().waitFor();
    await page.getByRole('button', { name: 'Show all', exact: true }).click();
    assert.equal(await page.locator('.node.quiet').count(), 0);
    const area = await page.locator('.area').boundingBox();
    await page.mouse.move(area.x + area.width * 0.5, area.y + 30);
    await page.mouse.down();
    await page.mouse.move(area.x + area.width * 0.6, area.y + 30, { steps: 4 });
    await page.mouse.up();
    assert.ok(await card(page, 'curl').evaluate((e) => e.classList.contains('quiet')));
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Show all', exact: true }).click();
    await page.getByRole('button', { name: 'Play what happened' }).click();
    await page.locator('.node.quiet').first().waitFor({ state: 'attached' });
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    clean(watched);
  });
});

describe('tree', () => {
  test('is walked, opened and searched by keyboard', async (t) => {
    const watched = await show(t, GRAPH_ID, '?view=tree');
    const { page } = watched;
    const tree = page.getByRole('tree');
    await tree.waitFor();
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');
    await page.locator('[role="treeitem"][tabindex="0"]').focus();
    await page.keyboard.press('Home');
    assert.match(await focused(), /node \/app\/server\.js/);
    await page.keyboard.press('ArrowLeft');
    assert.equal(await page.getByRole('treeitem').count(), 1);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    assert.match(await focused(), /4 files/);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    assert.match(await focused(), /index\.html/);
    await page.keyboard.press('ArrowLeft');
    assert.match(await focused(), /4 files/);
    await page.keyboard.press('End');
    assert.match(await focused(), /files/);
    await page.keyboard.press('p');
    assert.match(await focused(), /p(ython3|s) /);
    await page.keyboard.press('Enter');
    await page.getByRole('complementary', { name: 'Selected node' }).waitFor();
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Search this graph');
    await page.getByRole('button', { name: 'Copy tree as text' }).click();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(text, /\n {4}02:59:32\.585 python3 \/tmp\/exfil\.py \[pid 10397 node\] {2}! /);
    await shoot(page, 'tree');
    clean(watched);
  });

  test('holds 5,000 nodes with a few rows in the document', async (t) => {
    const watched = await show(t, FIVE_ID, '?view=tree');
    const { page } = watched;
    assert.ok(await page.getByRole('treeitem').count() < 100);
    clean(watched);
  });
});

describe('what goes out', () => {
  test('files: svg, png, dot, json', async (t) => {
    const watched = await show(t, GRAPH_ID);
    const { page } = watched;
    const get = async (kind) => {
      await page.getByRole('button', { name: 'Export' }).click();
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: new RegExp(`^${kind}`) }).click()]);
      assert.equal(download.suggestedFilename(), `sysflow-${GRAPH_ID.slice(0, 12)}.${kind.toLowerCase()}`);
      return readFile(await download.path());
    };
    const svg = (await get('SVG')).toString();
    assert.match(svg, /^<svg [\s\S]*python3[\s\S]*203\.0\.113\.99:443[\s\S]*<\/svg>$/);
    assert.equal((await get('PNG')).subarray(1, 4).toString(), 'PNG');
    assert.match((await get('DOT')).toString(), /^digraph sysflow \{[\s\S]*-> [\s\S]*\}\n$/);
    assert.equal(JSON.parse(await get('JSON')).id, GRAPH_ID);
    clean(watched);
  });

  test('the link carries node, time and view to another browser', async (t) => {
    const watched = await show(t, GRAPH_ID);
    const { page } = watched;
    await page.getByRole('button', { name: 'Fit the whole graph' }).click();
    await card(page, 'curl').locator('.head').click();
    const percent = await page.locator('.percent').innerText();
    await page.getByRole('button', { name: 'Copy link' }).click();
    await page.getByText('Link copied').waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    const other = await open(t, browser);
    await other.page.goto(link);
    await other.page.locator('.node.selected[data-name^="Process curl"]').waitFor();
    assert.equal(await other.page.locator('.percent').innerText(), percent);
    clean(watched);
  });

});

describe('comparison, folds, states', () => {
  test('a diff marks what only one of two graphs has, in words', async (t) => {
    const watched = await show(t, GRAPH_ID);
    const { page } = watched;
    await page.getByRole('button', { name: 'Compare' }).first().click();
    await page.getByLabel('Or a graph id').fill(operator().id);
    await page.locator('form').getByRole('button', { name: 'Compare' }).click();
    await page.getByText(/Compared with graph b1c2d3e4f5a6/).waitFor();
    assert.ok(await page.locator('.node.change-added').count() > 5);
    await page.getByRole('button', { name: /hidden, show all/ }).click();
    assert.match(await page.locator('.node.change-removed').first().innerText(), /removed/);
    await shoot(page, 'graph-diff');
    await page.getByRole('button', { name: 'End the comparison' }).click();
    assert.equal(await page.locator('.node.change-added').count(), 0);
    clean(watched);
  });

  test('folds and aggregate nodes open into their parts', async (t) => {
    const watched = await show(t, FOLD_ID);
    const { page } = watched;
    const ps = card(page, 'ps');
    assert.match(await ps.innerText(), /14 alike: ps \*/);
    await ps.getByRole('button', { name: 'Open' }).dispatchEvent('click');
    await card(page, 'ps', '#13').waitFor({ state: 'attached' });
    await page.locator('[data-kind="net"][data-name*="of python3"]').getByRole('button', { name: 'Draw each' }).dispatchEvent('click');
    await page.locator('[data-kind="endpoint"]', { hasText: '203.0.113.99:443' }).waitFor({ state: 'attached' });
    assert.equal(await page.locator('[data-kind="endpoint"]').count(), 22);
    clean(watched);
  });

  test('an old processor: what it cannot do is not offered', async (t) => {
    mock.state.plain = true;
    const watched = await show(t, GRAPH_ID);
    const { page } = watched;
    assert.ok(await page.locator('.bin').count() > 20, 'the time is told from the graph itself');
    await panel(page, /Records/);
    await page.getByRole('tab', { name: /Records/ }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Trace back' }).click();
    await page.getByRole('button', { name: 'Trace back' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Compare' }).first().click();
    await page.getByRole('button', { name: 'Compare' }).first().waitFor({ state: 'detached' });
    clean(watched, /Failed to load resource/);
  });

  test('expired, paused, narrow', async (t) => {
    mock.state.gone.add(GRAPH_ID);
    const watched = await open(t, browser, { width: 420, height: 800 });
    const { page } = watched;
    await page.goto(`${mock.url}/g/${GRAPH_ID}`);
    await page.getByRole('heading', { name: 'This graph has expired' }).waitFor();
    await page.getByText('7 days are kept').waitFor();
    mock.state.gone.clear();
    await page.reload();
    await page.locator('.node').first().waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
    await shoot(page, 'graph-narrow');
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.getByRole('button', { name: 'Pause live updates' }).click();
    await page.getByText('Paused', { exact: true }).waitFor();
    const graph = attack();
    graph.nodes.push({ ...structuredClone(graph.nodes[0]), id: 'p:00000000000000aa', label: 'nginx', first: graph.nodes[0].last });
    graph.edges.push({ ...graph.edges[2], to: 'p:00000000000000aa' });
    mock.state.graphs.set(GRAPH_ID, graph);
    mock.state.push(GRAPH_ID);
    await page.waitForTimeout(300);
    assert.equal(await card(page, 'nginx').count(), 0);
    await page.getByRole('button', { name: 'Resume live updates' }).click();
    await card(page, 'nginx').waitFor({ state: 'attached' });
    clean(watched, /Failed to load resource/);
  });
});

test('the page is at most 1 MB in transit', async (t) => {
  const files = (await readdir(DIST, { recursive: true, withFileTypes: true })).filter((f) => f.isFile());
  let total = 0;
  for (const file of files) total += gzipSync(await readFile(join(file.parentPath, file.name))).length;
  t.diagnostic(`${files.length} files, ${total} bytes compressed; at most ${MOST_BYTES}`);
  assert.ok(files.length > 3 && total < MOST_BYTES, `${total} bytes`);
});
