// The processor's page and API with told graphs behind them: for work on the viewer and for its
// browser tests. `node test/mock.mjs [port]`; tests import `serve`.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { extend } from './mock-api.mjs';
import { FIFTEEN_ID, FIVE_ID, deep, folded, many } from './fixtures/large.mjs';
import { answer as part, expanded } from './mock-graph.mjs';
import { attack, hostile, operator, quiet, summaries, wide } from './fixtures/story.mjs';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.txt': 'text/plain; charset=utf-8',
};

export const EMPTY_ID = 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee';

/**
 * Starts the server; `state` may be changed while it runs: `graphs` by id, `down` (drop every API
 * connection), `hold` (never answer the API), `none` (an empty list), `plain` (only the first routes: no part of a graph,
 * no stream), `gone` (ids that have expired). `push(id)` tells the streams of a graph that it has changed.
 */
export async function serve(port = 0) {
  const graphs = [attack(), operator(), quiet(), wide(400)];
  const state = { graphs: new Map(graphs.map((g) => [g.id, g])), listed: graphs, down: false, hold: false, none: false, plain: false, gone: new Set(), streams: new Set(), requests: [], statuses: [] };
  const bad = hostile();
  state.graphs.set(bad.id, bad);
  const big = wide(1500);
  big.id = '000000000000000000000000000015ff';
  state.graphs.set(big.id, big);
  for (const g of [deep(), folded(), many(1500, FIFTEEN_ID), many(5000, FIVE_ID)]) state.graphs.set(g.id, g);
  state.push = (id) => {
    for (const s of state.streams) if (s.id === id) s.response.write(`event: graph\ndata: ${JSON.stringify({ id, revision: Date.now() })}\n\n`);
  };
  state.graphs.set(EMPTY_ID, { ...quiet(), id: EMPTY_ID, nodes: [], edges: [], root: null });
  extend({ state });
  state.drop = () => {
    for (const s of state.streams) s.response.destroy();
  };
  const server = createServer((request, response) => {
    answer(state, request, response).catch((error) => {
      response.writeHead(500).end(String(error));
    });
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  const close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { url, state, close };
}

async function answer(state, request, response) {
  const url = new URL(request.url, 'http://localhost');
  state.requests.push(request.url);
  response.on('finish', () => state.statuses.push([request.url, response.statusCode]));
  response.setHeader('Content-Security-Policy', CSP);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (!state.down && !state.hold && (await state.extra?.(state, url, request, response))) return undefined;
  if (url.pathname.startsWith('/api/')) {
    if (state.down) return request.socket.destroy();
    if (state.hold) return undefined;
    return api(state, url, request, response);
  }
  const page = ['/', '/events', '/hunt'].includes(url.pathname) || url.pathname.startsWith('/g/');
  if (!page && !url.pathname.startsWith('/assets/')) return response.writeHead(404).end();
  const file = page ? 'index.html' : normalize(url.pathname).slice(1);
  try {
    const body = await readFile(join(DIST, file));
    response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(body);
  } catch {
    response.writeHead(404).end();
  }
  return undefined;
}

function api(state, url, request, response) {
  const send = (status, value) => {
    const body = JSON.stringify(value);
    const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`;
    if (status === 200 && request.headers['if-none-match'] === etag) return response.writeHead(304, { ETag: etag }).end();
    const type = status === 200 ? 'application/json' : 'application/problem+json';
    return response.writeHead(status, { 'Content-Type': type, ETag: etag }).end(body);
  };
  if (url.pathname === '/api/v1/graphs') {
    const q = (url.searchParams.get('q') ?? '').toLowerCase();
    const rows = state.none ? [] : summaries(state.listed).filter((r) => JSON.stringify(r).toLowerCase().includes(q));
    return send(200, { graphs: rows, total: rows.length });
  }
  if (url.pathname === '/api/v1/alerts') {
    const all = state.none ? [] : state.listed.flatMap((g) => g.alerts).sort((a, b) => (a.time < b.time ? 1 : -1));
    return send(200, { alerts: all.slice(0, Number(url.searchParams.get('limit') ?? 50)), total: all.length });
  }
  const [, segment = '', below] = /^\/api\/v1\/graphs\/([^/]+)(?:\/([a-z]+))?$/.exec(url.pathname) ?? [];
  const id = decodeURIComponent(segment);
  if (!/^[0-9a-f]{32}$/.test(id)) return send(400, { title: 'bad graph id', status: 400, detail: 'a graph id has 32 lower-case hex digits' });
  if (state.gone.has(id)) return send(410, { title: 'expired', status: 410, detail: 'The graph ended 9 days ago; 7 days are kept.' });
  const graph = state.graphs.get(id);
  if (graph === undefined) return send(404, { title: `no graph ${id}`, status: 404, detail: '' });
  if (below === undefined) return send(200, state.plain ? graph : expanded(graph, url.searchParams));
  if (below === 'stream' && !state.plain) return stream(state, id, response);
  const told = state.plain ? undefined : part(state, graph, below, url);
  return told ? send(200, told) : send(404, { title: told === null ? 'no such graph' : 'no such page', status: 404, detail: '' });
}

function stream(state, id, response) {
  const open = { id, response };
  state.streams.add(open);
  response.on('close', () => state.streams.delete(open));
  response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': hello\n\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await serve(Number(process.argv[2] ?? 7424));
  console.log(`listening on ${url}`);
}
