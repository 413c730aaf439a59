import type { Alert, Fold, Graph, GraphEdge, GraphNode, Priority, Sample } from '../api/types.ts';
import { isoNs, ns } from './format.ts';
import { rank, worst } from './severity.ts';

/** All edges between two nodes: drawn as one line. */
export interface Link {
  from: string;
  to: string;
  edges: GraphEdge[];
  /** Data flow to a file or network node, as opposed to descent of processes. */
  flow: boolean;
  /** Part of the tree that gives the picture its columns. */
  tree: boolean;
}

/** A sample with the alerts that speak of it. */
export interface Target {
  sample: Sample;
  alerts: Alert[];
}

/** One node with everything that stands around it in the graph. */
export interface View {
  node: GraphNode;
  /** Parent in the drawn tree. */
  parent: View | null;
  /** Children in the drawn tree: file and network node first, then processes in order of time. */
  children: View[];
  files: View | null;
  net: View | null;
  /** Own alerts, oldest first; for a file or network node those that speak of its samples too. */
  alerts: Alert[];
  severity: Priority | null;
  /** Files or endpoints: those with alerts first, then refused ones, else in the server's order. */
  targets: Target[];
}

/** A stretch of time in ns, both ends within. */
export interface Span {
  from: bigint;
  to: bigint;
}

/** What the page knows about a graph, ready to be drawn. */
export interface Model {
  graph: Graph;
  /** Time in which something happened: the window asked for, without its empty ends. */
  span: Span;
  views: Map<string, View>;
  roots: View[];
  links: Link[];
  /** All alerts, oldest first. */
  alerts: Alert[];
  /** Node of an alert. */
  nodeOf: Map<string, string>;
}

export function build(graph: Graph): Model {
  const views = new Map<string, View>();
  for (const node of graph.nodes) {
    views.set(node.id, {
      node, parent: null, children: [], files: null, net: null, alerts: [], severity: null, targets: [],
    });
  }
  const links = bundle(graph.edges, views);
  const roots = plant(graph, views, links);
  const alerts = [...graph.alerts].sort((a, b) => compare(isoNs(a.time), isoNs(b.time)));
  const nodeOf = assign(alerts, views);
  for (const view of views.values()) if (view.node.kind !== 'process') view.targets = targets(view);
  for (const view of views.values()) view.severity = worst(view.alerts);
  return { graph, span: span(graph), views, roots, links, alerts, nodeOf };
}

/** The alert closest in time to `at`; without a time the first of the most severe ones. */
export function nearest(alerts: readonly Alert[], at: string | null): Alert | null {
  if (at === null) return alerts.toSorted((a, b) => rank(a.priority) - rank(b.priority))[0] ?? null;
  const wanted = ns(at);
  let best: Alert | null = null;
  let distance = 0n;
  for (const alert of alerts) {
    const d = isoNs(alert.time) - wanted;
    const far = d < 0n ? -d : d;
    if (best === null || far < distance) [best, distance] = [alert, far];
  }
  return best;
}

/** The node and its ancestors: how the attack got there. */
export function path(view: View): Set<string> {
  const ids = new Set<string>();
  for (let v: View | null = view; v !== null; v = v.parent) ids.add(v.node.id);
  return ids;
}

/** Alerts to show for a node: a process speaks for its files and connections as well. */
export function allAlerts(view: View): Alert[] {
  const own = [...view.alerts, ...(view.files?.alerts ?? []), ...(view.net?.alerts ?? [])];
  return [...new Set(own)].sort((a, b) => compare(isoNs(a.time), isoNs(b.time)));
}

/** "sh -c id": the command line without the directory of its executable. */
export function command(node: Pick<GraphNode, 'label' | 'args'>): string {
  return node.args === '' ? node.label : `${node.label} ${node.args}`;
}

/** The fold of a node, if it hides something that can be told apart. */
export function foldOf(node: GraphNode): Fold | null {
  return typeof node.folded === 'object' ? node.folded : null;
}

/** Processes, files or endpoints that are counted, but not listed. */
export function unlisted(node: GraphNode): number {
  const listed = node.kind === 'process' ? node.instances.length : node.samples.length;
  return Math.max(0, node.targets - listed);
}

/** "exfil.py of python3", for a sentence. */
export function title(node: GraphNode): string {
  return node.kind === 'process' ? command(node) : node.label;
}

// === impl build ===

function span(graph: Graph): Span {
  const [start, end] = [ns(graph.window.from), ns(graph.window.to)];
  let [from, to] = [end, start];
  for (const node of graph.nodes) {
    const [first, last] = [ns(node.first), ns(node.last)];
    if (first < from) from = first;
    if (last > to) to = last;
  }
  // The way to the root is shown also where it is older than the window.
  if (from < start) from = start;
  if (to > end) to = end;
  return from < to ? { from, to } : { from: start, to: end };
}

const FLOWS = new Set(['FF', 'FE', 'NF']);

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function bundle(edges: readonly GraphEdge[], views: Map<string, View>): Link[] {
  const links = new Map<string, Link>();
  for (const edge of edges) {
    // An exit leads from a process to itself: its time stands with the instance.
    if (edge.from === edge.to || !views.has(edge.from) || !views.has(edge.to)) continue;
    const key = `${edge.from} ${edge.to}`;
    const link = links.get(key);
    if (link !== undefined) link.edges.push(edge);
    else links.set(key, { from: edge.from, to: edge.to, edges: [edge], flow: FLOWS.has(edge.kind), tree: false });
  }
  return [...links.values()];
}

/** Hangs every node under the first node that leads to it; what is left over is a root. */
function plant(graph: Graph, views: Map<string, View>, links: readonly Link[]): View[] {
  for (const link of links) {
    const from = views.get(link.from);
    const to = views.get(link.to);
    if (from === undefined || to === undefined) continue;
    if (link.flow) {
      if (to.node.kind === 'files') from.files ??= to;
      if (to.node.kind === 'net') from.net ??= to;
    }
    const onlyExits = link.edges.every((e) => e.kind === 'EXIT');
    if (to.parent !== null || to.node.id === graph.root || onlyExits || descends(from, to)) continue;
    to.parent = from;
    from.children.push(to);
    link.tree = true;
  }
  for (const view of views.values()) view.children.sort(order);
  const roots = [...views.values()].filter((v) => v.parent === null).sort(order);
  const main = roots.findIndex((v) => v.node.id === graph.root);
  if (main > 0) roots.unshift(...roots.splice(main, 1));
  return roots;
}

function descends(view: View, from: View): boolean {
  for (let v: View | null = view; v !== null; v = v.parent) if (v === from) return true;
  return false;
}

const PLACE = { files: 0, net: 1, file: 2, endpoint: 3, process: 4 } as const;

function order(a: View, b: View): number {
  return (
    PLACE[a.node.kind] - PLACE[b.node.kind] ||
    compare(ns(a.node.first), ns(b.node.first)) ||
    (a.node.id < b.node.id ? -1 : 1)
  );
}

/** Gives alerts to nodes: by the node's own list, and by the alert's `sf.node`. */
function assign(alerts: readonly Alert[], views: Map<string, View>): Map<string, string> {
  const nodeOf = new Map<string, string>();
  const byId = new Map(alerts.map((a) => [a.id, a]));
  for (const [id, view] of views) for (const alert of view.node.alerts) if (byId.has(alert)) nodeOf.set(alert, id);
  for (const alert of alerts) {
    const named = alert.output_fields['sf.node'];
    if (typeof named === 'string' && views.has(named)) nodeOf.set(alert.id, named);
    const view = views.get(nodeOf.get(alert.id) ?? '');
    if (view === undefined) continue;
    view.alerts.push(alert);
    // An alert about a process's file or connection marks that node as well.
    for (const near of [view.files, view.net]) {
      if (near !== null && near.node.samples.some((s) => speaksOf(alert, s))) near.alerts.push(alert);
    }
  }
  return nodeOf;
}

/** Whether the alert's fields name this file or remote endpoint. */
function speaksOf(alert: Alert, sample: Sample): boolean {
  const f = alert.output_fields;
  if (sample.path !== undefined) return f['sf.file.path'] === sample.path || f['sf.file.newpath'] === sample.path;
  const remote = sample.direction === 'in' ? ['sf.net.sip', 'sf.net.sport'] : ['sf.net.dip', 'sf.net.dport'];
  const ip = f[remote[0] ?? ''];
  const port = f[remote[1] ?? ''];
  return ip !== undefined && ip === sample.ip && String(port) === String(sample.port);
}

function targets(view: View): Target[] {
  const about = [...new Set([...view.alerts, ...(view.parent?.alerts ?? [])])];
  const list = view.node.samples.map((sample) => ({ sample, alerts: about.filter((a) => speaksOf(a, sample)) }));
  const weight = (t: Target): number => (t.alerts.length > 0 ? 0 : refused(t.sample) ? 1 : 2);
  const severity = (t: Target): number => rank(worst(t.alerts));
  return list.toSorted((a, b) => weight(a) - weight(b) || severity(a) - severity(b));
}

/** Whether the operation on the file or endpoint failed. */
export function refused(sample: Sample): boolean {
  return typeof sample.ret === 'number' && sample.ret < 0;
}
