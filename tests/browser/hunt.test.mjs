// The hunt in a real browser, in front of a told API (viewer/test/mock-api.mjs).

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { readFile } from 'node:fs/promises';
import { extend } from '../../viewer/test/mock-api.mjs';
import { serve } from '../../viewer/test/mock.mjs';
import { card, launch, open, shoot } from './browser.mjs';

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

async function hunt(t, path = '/hunt') {
  const watched = await open(t, browser);
  await watched.page.goto(mock.url + path);
  return watched;
}

const rows = (page) => page.locator('tbody tr');

describe('hunt', () => {
  test('a condition gives a table, with graphs to open, hostile text as text, and a CSV', async (t) => {
    const watched = await hunt(t);
    const { page } = watched;
    await shoot(page, 'hunt-empty');
    await page.getByRole('combobox', { name: 'Condition' }).fill('sf.proc.name = python3\nand sf.net.dport in (443, 8443)');
    await page.keyboard.press('Control+Enter');
    await rows(page).first().waitFor();
    const [asked] = mock.state.more.queries;
    assert.equal(asked.condition, 'sf.proc.name = python3\nand sf.net.dport in (443, 8443)');
    assert.equal(asked.limit, 1000);
    assert.ok(Math.abs(Date.now() - 86_400_000 - Date.parse(asked.since)) < 60_000, asked.since);
    assert.match(await page.locator('.summary [role=status]').first().innerText(), /240 rows\s+128,114 rows in 3 files read, 41 ms/);
    assert.match(await rows(page).first().innerText(), /24 Nov 2026, 02:59:32\.765000000 UTC\s+5ad0c3e17f24…\s+\/usr\/bin\/python3\.11\s+python3 \/tmp\/exfil\.py\s+203\.0\.113\.99\s+443\s+936965/);
    assert.match(await rows(page).nth(1).innerText(), /<img src=x onerror=window\.hacked=1>/);
    assert.equal(await page.evaluate(() => 'hacked' in globalThis || document.querySelector('td img') !== null), false);
    assert.equal(await rows(page).count(), 100);
    await page.getByRole('button', { name: 'Show more rows' }).click();
    assert.equal(await rows(page).count(), 240);
    await shoot(page, 'hunt');
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV', exact: true }).click()]);
    const csv = (await readFile(await file.path(), 'utf8')).split('\r\n');
    assert.equal(csv[0], 'sf.ts,sf.graphid,sf.proc.exe,sf.proc.cmdline,sf.net.dip,sf.net.dport,sf.flow.wbytes');
    assert.equal(csv.length, 242);
    await rows(page).first().getByRole('link').click();
    await page.waitForURL(/\/g\/5ad0c3e17f24/);
    clean(watched);
  });

  test('the same as a graph', async (t) => {
    const watched = await hunt(t, '/hunt?condition=sf.proc.name%20%3D%20python3&since=all');
    const { page } = watched;
    await rows(page).first().waitFor();
    assert.equal('since' in mock.state.more.queries[0], false);
    await page.getByRole('radio', { name: 'Graph' }).check();
    await card(page, 'python3').waitFor({ state: 'attached' });
    assert.equal(mock.state.more.queries.at(-1).as, 'graph');
    await shoot(page, 'hunt-graph');
    await page.getByRole('link', { name: 'Open this graph' }).waitFor();
    clean(watched);
  });

  test('queries are remembered, and what is stored by others is not trusted', async (t) => {
    const watched = await hunt(t);
    const { page } = watched;
    await page.evaluate(() => localStorage.setItem('sysflow.hunt.history', '[{"kind":"evil"},3]'));
    await page.reload();
    await page.getByText('Queries that you run here are kept in this browser.').waitFor();
    for (const text of ['sf.proc.name = sh', 'nothing']) {
      await page.getByRole('combobox', { name: 'Condition' }).fill(text);
      await page.getByRole('button', { name: 'Run' }).click();
      await page.getByText(text === 'nothing' ? 'No record fits' : '240 rows').first().waitFor();
    }
    await page.goto(`${mock.url}/hunt`);
    const entries = page.getByRole('complementary', { name: 'History' }).getByRole('listitem');
    assert.deepEqual((await entries.allInnerTexts()).map((text) => text.split('\n')[0]), ['nothing', 'sf.proc.name = sh']);
    await entries.nth(1).getByRole('button').click();
    await rows(page).first().waitFor();
    assert.match((await entries.first().innerText()), /^sf\.proc\.name = sh/);
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByText('Queries that you run here are kept in this browser.').waitFor();
    clean(watched);
  });

  test('says why there is no answer: a wrong condition, SQL that is off, no history, nobody there', async (t) => {
    const watched = await hunt(t, '/hunt?condition=sf.proc.nme%20%3D%201');
    const { page } = watched;
    await page.getByText('there is no field sf.proc.nme').first().waitFor();
    await page.getByRole('radio', { name: 'SQL' }).check();
    await page.getByRole('combobox', { name: 'SQL statement' }).fill('select 1');
    await page.keyboard.press('Control+Enter');
    await page.getByText('SQL is off: set api.sql to true to allow it').waitFor();
    assert.deepEqual(mock.state.more.queries.at(-1).sql, 'select 1');
    mock.state.more.absent.add('/api/v1/query');
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByText('Nothing to search in').waitFor();
    mock.state.down = true;
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByText('The SysFlow processor does not answer.').waitFor();
    clean(watched, /Failed to load resource/);
  });
});
