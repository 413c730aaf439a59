// The routes below one graph, told from its document: what the page needs of them, not what the processor does.

const SECOND = 1_000_000_000n;
const big = (text) => BigInt(text);

/** Answers `/api/v1/graphs/{id}/{part}`; `undefined` for a part that is none. */
export function answer(state, graph, part, url) {
  switch (part) {
    case 'timeline': return timeline(graph, Number(url.searchParams.get('bins') ?? 60));
    case 'alerts': return { alerts: graph.alerts };
    case 'records': return records(graph, url.searchParams);
    case 'trace': return trace(graph, url.searchParams);
    case 'diff': return diff(graph, state.graphs.get(url.searchParams.get('other') ?? ''));
    case 'traffic': return traffic(graph);
    case 'links': return { links: links(state, graph) };
    default: return undefined;
  }
}

/** The document as it is asked for: aggregate nodes of `expand` opened into their parts. */
export function expanded(graph, params) {
  const asked = params.getAll('expand');
  if (asked.length === 0) return graph;
  const copy = structuredClone(graph);
  for (const id of asked) open(copy, id);
  return copy;
}

function open(graph, id) {
  const node = graph.nodes.find((n) => n.id === id);
  if (node === undefined) return;
  if (node.kind === 'process') return unfold(graph, node);
  const owner = graph.edges.find((e) => e.to === id)?.from;
  graph.nodes = graph.nodes.filter((n) => n !== node);
  graph.edges = graph.edges.filter((e) => e.to !== id);
  for (const [i, sample] of node.samples.entries()) {
    const one = {
      ...node, id: `${node.kind === 'files' ? 'f' : 'n'}:${(0xf00000n + BigInt(i)).toString(16).padStart(16, '0')}`,
      kind: node.kind === 'files' ? 'file' : 'endpoint', label: sample.path ?? sample.endpoint, samples: [sample], targets: 1, alerts: [], tags: [],
      rbytes: sample.rbytes, wbytes: sample.wbytes, ops: sample.count, first: sample.first, last: sample.last, series: [],
    };
    graph.nodes.push(one);
    graph.edges.push({
      from: owner, to: one.id, kind: node.kind === 'files' ? 'FF' : 'NF', first: one.first, last: one.last, count: sample.count, rbytes: one.rbytes, wbytes: one.wbytes,
    });
  }
}

function unfold(graph, node) {
  const { count } = node.folded ?? { count: 0 };
  const parent = graph.edges.find((e) => e.to === node.id && e.kind === 'EXEC');
  node.folded = null;
  for (let i = 0; i < count; i += 1) {
    const one = { ...node, id: `p:${(0xabcd00n + BigInt(i)).toString(16).padStart(16, '0')}`, args: `${node.args} #${i}`, alerts: [], tags: [] };
    graph.nodes.push(one);
    graph.edges.push({ ...parent, to: one.id });
  }
}

function timeline(graph, bins) {
  const [from, to] = [big(graph.window.from), big(graph.window.to)];
  const width = (to - from) / BigInt(bins) + 1n;
  const counts = new Map();
  for (const node of graph.nodes) {
    for (const b of node.series) {
      const at = big(b.t) < from ? from : big(b.t);
      const key = (at - from) / width;
      const bin = counts.get(key) ?? { at: String(from + key * width), events: 0, rbytes: 0, wbytes: 0 };
      counts.set(key, { ...bin, events: bin.events + b.ops, rbytes: bin.rbytes + b.rbytes, wbytes: bin.wbytes + b.wbytes });
    }
  }
  const time = (iso) => BigInt(Date.parse(`${iso.slice(0, 19)}Z`)) * 1_000_000n + big((iso.slice(20, -1) || '0').padEnd(9, '0'));
  return {
    from: String(from), to: String(to), width: String(width), bins: [...counts.values()].sort((a, b) => (big(a.at) < big(b.at) ? -1 : 1)),
    alerts: graph.alerts.map((a) => ({ at: String(time(a.time)), id: a.id, priority: a.priority, rule: a.rule })), lost: graph.lost,
  };
}

function records(graph, params) {
  const node = graph.nodes.find((n) => n.id === params.get('node'));
  const from = Number(params.get('after') ?? 0);
  const limit = Number(params.get('limit') ?? 100);
  const owner = node?.kind === 'process' ? graph.edges.filter((e) => e.from === node.id).map((e) => graph.nodes.find((n) => n.id === e.to)) : [node];
  const all = owner.flatMap((n) => n?.samples ?? []).map((s, number) => ({
    number, node: node.id, record: {
      type: s.path === undefined ? 'NF' : 'FF', ts: Number(s.first), endts: Number(s.last), opflags: s.ops,
      ...(s.path === undefined ? { net: { dip: s.ip, dport: s.port } } : { file: { path: s.path } }),
      flow: { rbytes: s.rbytes, wbytes: s.wbytes }, proc: { exe: node.exe, args: node.args, cmdline: `${node.exe} ${node.args}` }, ret: s.ret ?? 0,
    },
  }));
  return { records: all.slice(from, from + limit), next: from + limit < all.length ? from + limit : null };
}

/** Ancestors, or all below: enough for a page that only marks what it is given. */
function trace(graph, params) {
  const ids = new Set([params.get('node')]);
  const forward = params.get('direction') === 'forward';
  for (let grown = true; grown;) {
    grown = false;
    for (const e of graph.edges) {
      const [known, next] = forward ? [e.from, e.to] : [e.to, e.from];
      if (ids.has(known) && !ids.has(next)) grown = Boolean(ids.add(next));
    }
  }
  return { ...graph, nodes: graph.nodes.filter((n) => ids.has(n.id)), edges: graph.edges.filter((e) => ids.has(e.from) && ids.has(e.to)) };
}

const key = (n) => `${n.kind} ${n.exe} ${n.args} ${n.uid}`;

function diff(graph, other) {
  if (other === undefined) return null;
  const theirs = new Map(other.nodes.map((n) => [key(n), n]));
  const own = new Set(graph.nodes.map(key));
  const changed = (a, b) => a.targets !== b.targets || a.rbytes !== b.rbytes || a.wbytes !== b.wbytes;
  const mark = (n) => ({ ...n, change: !theirs.has(key(n)) ? 'added' : changed(n, theirs.get(key(n))) ? 'changed' : 'same' });
  const removed = other.nodes.filter((n) => !own.has(key(n)) && !graph.nodes.some((m) => m.id === n.id)).map((n) => ({ ...n, change: 'removed' }));
  const nodes = [...graph.nodes.map(mark), ...removed];
  const ids = new Set(nodes.map((n) => n.id));
  const edges = [...graph.edges, ...other.edges.filter((e) => removed.some((n) => n.id === e.to))].filter((e) => ids.has(e.from) && ids.has(e.to));
  return { ...graph, nodes, edges, against: { id: other.id } };
}

/** Even distances between at least five beats are a beacon. */
function traffic(graph) {
  const by = graph.nodes.filter((n) => n.kind === 'net').flatMap((n) => n.samples.map((s) => ({
    endpoint: s.endpoint, exe: n.exe, egress: s.wbytes, ingress: s.rbytes, flows: s.count, first: s.first, last: s.last,
    beacon: s.direction === 'out' && s.count >= 5 && s.wbytes < 10_000 && s.wbytes > 0
      ? { period_ns: Number((big(s.last) - big(s.first)) / BigInt(s.count - 1)), jitter: 0.06, score: 0.94 } : null,
  })));
  const series = graph.nodes.filter((n) => n.kind === 'net').flatMap((n) => n.series.map((b) => ({ at: b.t, width: String(SECOND), egress: b.wbytes, ingress: b.rbytes })));
  return { series, by };
}

function links(state, graph) {
  const children = [...state.graphs.values()].filter((g) => g.parent === graph.id).slice(0, 3);
  const found = children.map((g) => ({ graph: g.id, kind: 'child', label: `${g.nodes[0]?.label ?? ''} ${g.nodes[0]?.args ?? ''}`.trim(), at: g.window.from }));
  if (graph.parent !== null) found.unshift({ graph: graph.parent, kind: 'parent', label: 'node /app/server.js', at: graph.window.from });
  return found;
}
