// Programs that stay up while a test looks at them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a program may take to be ready. */
const PATIENCE_MS = 60_000;

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a program, waits until `ready` says so, and ends it after the test. */
export async function program(t, command, args, ready, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const exited = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', resolve);
  });
  t.after(async () => {
    child.kill('SIGTERM');
    await Promise.race([exited, sleep(5000, undefined, { ref: false })]);
    child.kill('SIGKILL');
  });
  let log = '';
  const keep = (chunk) => {
    log = (log + chunk).slice(-4000);
  };
  child.on('error', (error) => keep(error.message));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const end = Date.now() + PATIENCE_MS;
  while (!(await ready().catch(() => false))) {
    assert.ok(child.exitCode === null && child.pid !== undefined, `${command} ended:\n${log}`);
    assert.ok(Date.now() < end, `${command} is not ready:\n${log}`);
    await sleep(50);
  }
  return { log: () => log };
}

/** Whether there is an answer at an address, whatever it is. */
export const answers = (url) => () => fetch(url).then(() => true, () => false);

/** Whether a test that needs a program has to be left out; where CI is set, it fails instead. */
export function without(t, name, what) {
  if (process.env[name]) return false;
  t.skip(`${name} is not set: it names ${what}`);
  return true;
}
