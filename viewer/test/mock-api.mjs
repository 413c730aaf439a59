// The routes that overview, events, hunt and frames use, in front of the told graphs of mock.mjs: `extend(mock)`.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { GRAPH_ID } from './fixtures/story.mjs';

const EMBED = fileURLToPath(new URL('../dist/embed.html', import.meta.url));
const ns = (clock) => String(BigInt(Date.parse(`2026-11-24T${clock}Z`)) * 1_000_000n);

export const FIELDS = [
  ['sf.proc.name', 'text', 'Name of the process'], ['sf.proc.exe', 'text', 'Path of its executable'], ['sf.proc.cmdline', 'text', 'Command line'],
  ['sf.proc.pid', 'number', 'Process id'], ['sf.pproc.name', 'text', 'Name of the parent'], ['sf.net.dip', 'address', 'Destination address'],
  ['sf.net.dport', 'number', 'Destination port'], ['sf.file.path', 'text', 'Path of the file'], ['sf.opflags', 'list of text', 'Operations'],
  ['sf.container.name', 'text', 'Name of the container'], ['evt.type', 'text', 'Name of the system call'],
].map(([name, type, description]) => ({ name, type, description, class: name.startsWith('sf.') ? 'attribute' : 'falco', live: true, stored: true }));
export const OPERATORS = ['=', '!=', '<', '<=', '>', '>=', 'contains', 'icontains', 'startswith', 'endswith', 'in', 'pmatch', 'exists', 'and', 'or', 'not'];

const TACTICS = {
  'T1190': ['initial-access'], 'T1059.004': ['execution'], 'T1059.006': ['execution'], 'T1105': ['command-and-control'], 'T1571': ['command-and-control'],
  'T1033': ['discovery'], 'T1082': ['discovery'], 'T1057': ['discovery'], 'T1087.001': ['discovery'], 'T1046': ['discovery'],
  'T1552.001': ['credential-access'], 'T1552.004': ['credential-access'], 'T1528': ['credential-access'], 'T1003.008': ['credential-access'],
  'T1560.002': ['collection'], 'T1074.001': ['collection'], 'T1048.003': ['exfiltration'], 'T1098.004': ['persistence', 'privilege-escalation'],
  'T1053.003': ['execution', 'persistence', 'privilege-escalation'], 'T1070.004': ['defense-evasion'], 'T1609': ['execution'],
};

/** One alert of a rule of Falco's own, as Falcosidekick's webhook brings it. */
export function falcos(graph = GRAPH_ID) {
  return {
    id: 'falco-1', time: '2026-11-24T02:59:36.731585306Z', priority: 'Warning', rule: 'Read sensitive file untrusted', source: 'syscall', hostname: 'demo-node',
    tags: ['T1555', 'container', 'filesystem', 'mitre_credential_access'], output: '02:59:36.731585306: Warning Sensitive file opened for reading by non-trusted program (file=/etc/shadow)',
    output_fields: { 'sf.graphid': graph, 'proc.name': 'python3', 'proc.cmdline': 'python3 /tmp/exfil.py', 'fd.name': '/etc/shadow', 'container.name': 'shop-frontend' },
  };
}

/** Answers of the routes; a test may change `state.more`. */
export function extend(mock) {
  const { state } = mock;
  state.more = { absent: new Set(), falco: [], queries: [], settings: { falcosidekick_ui: null }, projection: projection(), traffic: traffic(), query };
  state.extra = async (_, url, request, response) => {
    const send = (status, value) => {
      response.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' }).end(JSON.stringify(value));
      return true;
    };
    const { pathname } = url;
    if (state.more.absent.has(pathname)) return send(404, { title: 'no such page', status: 404, detail: '' });
    const embed = /^\/(?:api\/v1\/graphs|embed\/g)\/([0-9a-f]{32})(\/embed)?$/.exec(pathname);
    if (embed?.[2] && request.method === 'POST') {
      if (state.token !== undefined && request.headers.authorization !== `Bearer ${state.token}`) return send(401, { title: 'not allowed', status: 401, detail: '' });
      if (!state.graphs.has(embed[1])) return send(404, { title: 'no such graph', status: 404, detail: '' });
      return send(200, { url: `/embed/g/${embed[1]}?token=only.${embed[1]}`, expires: '2026-11-24T03:30:00Z' });
    }
    if (pathname.startsWith('/embed/g/')) {
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(await readFile(EMBED));
      return true;
    }
    // With a token of its own the service opens one graph only.
    if (state.token !== undefined && pathname.startsWith('/api/')) {
      const [, id] = /^\/api\/v1\/graphs\/([0-9a-f]{32})/.exec(pathname) ?? [];
      const known = [`Bearer ${state.token}`, `Embed only.${id}`];
      if (!known.includes(request.headers.authorization)) return send(401, { title: 'not allowed', status: 401, detail: '' });
    }
    switch (pathname) {
      case '/api/v1/fields': return send(200, { fields: FIELDS, operators: OPERATORS });
      case '/api/v1/conditions/check': return send(200, check(JSON.parse(await body(request)).condition));
      case '/api/v1/attack': return send(200, { techniques: techniques(state) });
      case '/api/v1/traffic': return send(200, state.more.traffic);
      case '/api/v1/projection': return send(200, state.more.projection);
      case '/api/v1/settings': return send(200, state.more.settings);
      case '/api/v1/query': {
        const asked = JSON.parse(await body(request));
        state.more.queries.push(asked);
        const [status, value] = state.more.query(asked, state);
        return send(status, value);
      }
      case '/api/v1/alerts': {
        if (state.none || state.more.falco.length === 0 && !url.searchParams.has('graph')) return false;
        const graph = url.searchParams.get('graph');
        const all = [...state.listed.flatMap((g) => g.alerts), ...state.more.falco]
          .filter((a) => graph === null || a.output_fields['sf.graphid'] === graph).sort((a, b) => (a.time < b.time ? 1 : -1));
        const from = Number(url.searchParams.get('after') ?? 0);
        const limit = Math.min(Number(url.searchParams.get('limit') ?? 100), state.more.page ?? 1000);
        return send(200, { alerts: all.slice(from, from + limit), total: all.length, next: from + limit < all.length ? String(from + limit) : null });
      }
      default: return false;
    }
  };
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

/** The first word that looks like a field and is none. */
function check(condition) {
  const known = new Set([...FIELDS.map((f) => f.name), ...OPERATORS]);
  for (const match of condition.matchAll(/\b(?:sf|evt)\.[a-z.]*/g)) {
    if (known.has(match[0])) continue;
    const start = Buffer.byteLength(condition.slice(0, match.index));
    return { ok: false, message: `there is no field ${match[0]}`, start, end: start + Buffer.byteLength(match[0]), help: 'did you mean sf.proc.exe?' };
  }
  return { ok: true };
}

function techniques(state) {
  const found = new Map();
  for (const graph of state.none ? [] : state.listed) {
    for (const alert of graph.alerts) {
      for (const id of alert.tags.filter((tag) => /^T\d{4}/.test(tag))) {
        const t = found.get(id) ?? { id, name: null, tactics: TACTICS[id] ?? [], url: `https://attack.mitre.org/techniques/${id.replace('.', '/')}/`, first: ns('02:59:32'), count: 0, graphs: [], mitigations: [] };
        t.count += 1;
        if (!t.graphs.includes(graph.id)) t.graphs.push(graph.id);
        found.set(id, t);
      }
    }
  }
  return [...found.values()];
}

function traffic() {
  const second = 1_000_000_000n;
  const start = BigInt(ns('02:59:15'));
  const series = Array.from({ length: 75 }, (_, i) => ({
    at: String(start + BigInt(i) * second), width: Number(second), egress: i === 29 ? 937_000 : 18_000 + ((i * 7919) % 9000), ingress: i === 17 ? 802_000 : i === 26 ? 1_025_000 : 5000 + ((i * 104_729) % 4000),
  }));
  const row = (exe, endpoint, egress, ingress, flows, first, last, beacon = null) => ({ graph: GRAPH_ID, exe, endpoint, egress, ingress, flows, first: ns(first), last: ns(last), beacon });
  return {
    series,
    by: [
      row('/usr/local/bin/node', '10.88.0.3:5432', 131_220, 402_118, 62, '02:59:16.4', '03:00:28.1'),
      row('/usr/bin/python3.11', '203.0.113.99:443', 936_965, 151, 1, '02:59:44.453', '02:59:44.480'),
      row('/usr/bin/python3.11', '198.51.100.77:8443', 400, 90, 15, '02:59:32.765', '03:00:00.555', { period_ns: 2_000_000_000, jitter: 0.06, score: 0.94 }),
      row('/usr/bin/curl', '198.51.100.23:80', 92, 3130, 1, '02:59:32.540', '02:59:32.580'),
      row('/usr/bin/python3.11', '10.88.0.3:5432', 744, 1_025_353, 2, '02:59:39.756', '02:59:41.861'),
      row('/usr/local/bin/node', '10.88.0.9:6379', 8120, 7011, 36, '02:59:16.0', '03:00:27.0', { period_ns: 2_000_000_000, jitter: 0.41, score: 0.38 }),
    ],
  };
}

function projection() {
  const node = (id, kind, label) => ({ id, kind, label });
  const link = (from, to, bytes, count, alerts = 0) => ({ from, to, bytes, count, alerts });
  return {
    nodes: [
      node('c1', 'container', 'shop-frontend'), node('c2', 'container', 'customer-db'), node('c0', 'container', 'host demo-node'),
      node('p1', 'process', '/usr/local/bin/node'), node('p2', 'process', '/usr/bin/python3.11'), node('p3', 'process', '/usr/bin/curl'),
      node('p4', 'process', '/usr/lib/postgresql/15/bin/postgres'), node('p5', 'process', '/usr/sbin/sshd'),
      node('e1', 'endpoint', '203.0.113.99:443'), node('e2', 'endpoint', '198.51.100.77:8443'), node('e3', 'endpoint', '10.88.0.3:5432'),
      node('e4', 'endpoint', '198.51.100.23:80'), node('e5', 'endpoint', '10.88.0.2'), node('e6', 'endpoint', '192.0.2.10'),
    ],
    links: [
      link('c1', 'p1', 533_338, 98), link('c1', 'p2', 1_963_703, 18, 3), link('c1', 'p3', 3222, 1, 1), link('c2', 'p4', 1_559_435, 64), link('c0', 'p5', 88_000, 3),
      link('p1', 'e3', 533_338, 62), link('p2', 'e1', 937_116, 1, 1), link('p2', 'e2', 490, 15, 1), link('p2', 'e3', 1_026_097, 2, 1), link('p3', 'e4', 3222, 1, 1),
      link('p4', 'e5', 1_559_435, 64), link('p5', 'e6', 88_000, 3),
    ],
  };
}

function query(asked, state) {
  if (asked.sql !== undefined) return [403, { title: 'SQL is not allowed', status: 403, detail: 'SQL is off: set api.sql to true to allow it' }];
  if (/sf\.proc\.nme/.test(asked.condition)) return [400, { title: 'the condition cannot be understood', status: 400, detail: 'there is no field sf.proc.nme' }];
  if (asked.as === 'graph') return [200, state.graphs.get(GRAPH_ID)];
  const columns = [['sf.ts', 'Int64'], ['sf.graphid', 'Utf8'], ['sf.proc.exe', 'Utf8'], ['sf.proc.cmdline', 'Utf8'], ['sf.net.dip', 'Utf8'], ['sf.net.dport', 'UInt16'], ['sf.flow.wbytes', 'UInt64']];
  const rows = /nothing/.test(asked.condition) ? [] : Array.from({ length: 240 }, (_, i) => [
    ns(`02:59:${String(32 + (i % 28)).padStart(2, '0')}.765`), GRAPH_ID, '/usr/bin/python3.11', i === 1 ? '<img src=x onerror=window.hacked=1>' : 'python3 /tmp/exfil.py',
    i === 0 ? '203.0.113.99' : '198.51.100.77', i === 0 ? 443 : 8443, i === 0 ? 936_965 : i === 2 ? null : 27,
  ]);
  return [200, { columns: columns.map(([name, type]) => ({ name, type })), rows, truncated: false, scanned: { files: 3, rows: 128_114 }, elapsed_ms: 41 }];
}
