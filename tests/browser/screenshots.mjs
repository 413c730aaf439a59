// Takes the pictures of docs/images from a running demo: `node screenshots.mjs http://127.0.0.1:8686`.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';

const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const [base] = process.argv.slice(2);
if (base === undefined) {
  console.error('usage: node screenshots.mjs http://127.0.0.1:8686 (what `sysflow demo` listens on)');
  process.exit(2);
}

const { graphs } = await (await fetch(new URL('/api/v1/graphs', base))).json();
const attack = graphs.find((g) => g.alerts > 5);
if (attack === undefined) throw new Error(`${base} has no graph with alerts: is the demo done?`);

await mkdir(IMAGES, { recursive: true });
const browser = await launch();
for (const [name, query, dark] of [['graph', '', false], ['graph-dark', '', true], ['tree', '?view=tree', false]]) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.goto(new URL(`/g/${attack.id}${query}`, base).href);
  await page.locator('.node, [role="treeitem"]').first().waitFor();
  await page.evaluate(() => document.fonts.ready);
  await page.waitForTimeout(500);
  await page.screenshot({ path: join(IMAGES, `${name}.png`) });
  await context.close();
}
await browser.close();
