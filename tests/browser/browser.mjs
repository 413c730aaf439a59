// A headless Chromium (Debian's package) and a page that is watched: whatever it logs, whatever
// breaks its content security policy and whatever it asks of another host ends up in `complaints`.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const ARTIFACTS = process.env.SYSFLOW_ARTIFACTS ?? fileURLToPath(new URL('../artifacts/', import.meta.url));

/** Starts the browser; each start has a profile directory of its own. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
}

/** A new page in a context of its own, closed after the test `t`. */
export async function open(t, browser, { width = 1440, height = 900, dark = false } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = [];
  const hosts = new Set();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => hosts.add(new URL(request.url()).host));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  return { page, complaints, hosts };
}

/** Keeps a picture for whoever looks at the run. */
export async function shoot(page, name) {
  await mkdir(ARTIFACTS, { recursive: true });
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(ARTIFACTS, `${name}.png`) });
}

/** The card of a process by the name of its executable; with `args` the one whose command line has them. */
export function card(page, label, args = '') {
  const more = args === '' ? '' : `[data-name*="${args}"]`;
  return page.locator(`[data-kind="process"][data-name^="Process ${label}"]${more}`).first();
}

/** Text of the side panel under one of its tabs. */
export async function panel(page, tab) {
  await page.getByRole('tab', { name: tab }).click();
  return page.getByRole('tabpanel').innerText();
}
