import type { Priority } from '../api/types.ts';
import { path, type Link, type Model, type View } from './model.ts';
import { rank } from './severity.ts';

/**
 * A graph of thousands of nodes is opened at one of them: what is within three steps of it is drawn, the rest stands
 * behind "+17 children". What was opened is kept by node id, so that a graph that grows stays as the reader left it.
 */
export interface Opening {
  /** Where its tree begins; what is above is counted. `null`: at the root. */
  top: string | null;
  /** How many child processes of a node are drawn, beside the required ones. */
  limits: ReadonlyMap<string, number>;
  /** Drawn whatever the limits say: ways to what was picked, searched or linked. */
  required: ReadonlySet<string>;
  /** How many trees are drawn beside the one of `top`. */
  trees: number;
}

/** Child processes that a node does not show, and what is below them. */
export interface Hidden {
  children: number;
  processes: number;
  alerts: number;
  worst: Priority | null;
}

/** The part of a model that is drawn. */
export interface Scene {
  roots: View[];
  children: Map<string, View[]>;
  /** Only nodes that hide something. */
  hidden: Map<string, Hidden>;
  /** Ancestors above each drawn root. */
  above: Map<string, number>;
  /** Trees that are not drawn at all. */
  trees: number;
  links: Link[];
  shown: Set<string>;
}

/** Steps from the centre that are drawn at first. */
export const NEAR = 3;
/** Children of one node that are drawn at first, and that each click adds. */
const FIRST = 12;
const MORE = 40;
/** Nodes drawn at first: what a browser lays out within a few frames. */
const BUDGET = 140;
const TREES = 8;

/** What is drawn at first around a node, or around the root. */
export function around(model: Model, centre: string | null): Opening {
  const start = owner(model, centre) ?? model.roots[0];
  const limits = new Map<string, number>();
  const required = new Set<string>();
  const trees = Math.min(TREES, Math.max(0, model.roots.length - 1));
  if (start === undefined) return { top: null, limits, required, trees };
  let budget = BUDGET - size(start);
  let top = start;
  required.add(start.node.id);
  const queue: [View, number][] = [[start, 0]];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [view, steps] = next;
    if (steps >= NEAR) continue;
    // Upwards first: how it came to be matters more than what else is there.
    if (view === top && view.parent !== null) {
      top = view.parent;
      required.add(top.node.id);
      budget -= size(top);
      queue.push([top, steps + 1]);
    }
    let shown = 0;
    let left = false;
    for (const child of ranked(model, view)) {
      if (required.has(child.node.id)) continue;
      left = shown === FIRST || size(child) > budget;
      if (left) break;
      budget -= size(child);
      shown += 1;
      queue.push([child, steps + 1]);
    }
    // Where all are drawn, those that are yet to be born are as well.
    limits.set(view.node.id, left ? shown : FIRST);
  }
  return { top: top.node.id, limits, required, trees };
}

/** Everything, whatever its size. */
export function everything(model: Model): Opening {
  const limits = new Map([...model.views.keys()].map((id) => [id, Number.POSITIVE_INFINITY]));
  return { top: null, limits, required: new Set(), trees: Number.POSITIVE_INFINITY };
}

/** Shows more children of a node. */
export function open(opening: Opening, id: string): Opening {
  const limits = new Map(opening.limits);
  limits.set(id, (limits.get(id) ?? 0) + MORE);
  return { ...opening, limits };
}

/** Hides all children of a node. */
export function close(model: Model, opening: Opening, id: string): Opening {
  const limits = new Map(opening.limits);
  limits.set(id, 0);
  const view = model.views.get(id);
  const below = (other: string): boolean => {
    for (let v = model.views.get(other)?.parent ?? null; v !== null; v = v.parent) if (v === view) return true;
    return false;
  };
  return { ...opening, limits, required: new Set([...opening.required].filter((r) => !below(r))) };
}

/** Begins the tree at its root. */
export function raise(model: Model, opening: Opening): Opening {
  const top = opening.top === null ? undefined : model.views.get(opening.top);
  if (top === undefined) return { ...opening, top: null };
  return { ...opening, top: null, required: new Set([...opening.required, ...path(top)]) };
}

/** Shows more of the other trees. */
export function plant(opening: Opening): Opening {
  return { ...opening, trees: opening.trees + MORE };
}

/** Makes sure that a node is drawn. */
export function reveal(model: Model, opening: Opening, id: string): Opening {
  const view = owner(model, id);
  if (view === undefined) return opening;
  const ids = path(view);
  const under = opening.top === null || ids.has(opening.top);
  const same = opening.top !== null && root(model.views.get(opening.top)) === root(view);
  const required = new Set([...opening.required, ...ids]);
  if (under || !same) return { ...opening, required };
  return raise(model, { ...opening, required });
}

/** Of all nodes those that are drawn. */
export function scene(model: Model, opening: Opening): Scene {
  const found: Scene = {
    roots: [], children: new Map(), hidden: new Map(), above: new Map(), trees: 0, links: [], shown: new Set(),
  };
  const top = opening.top === null ? undefined : model.views.get(opening.top);
  const main = root(top) ?? model.roots[0];
  let others = 0;
  for (const r of model.roots) {
    if (r === main) found.roots.push(top ?? r);
    else if (opening.required.has(r.node.id) || others < opening.trees) {
      others += 1;
      found.roots.push(r);
    } else found.trees += 1;
  }
  if (top !== undefined && top.parent !== null) found.above.set(top.node.id, path(top).size - 1);
  const stack = [...found.roots];
  for (let view = stack.pop(); view !== undefined; view = stack.pop()) {
    const drawn = children(model, opening, view, found);
    found.shown.add(view.node.id);
    found.children.set(view.node.id, drawn);
    for (const child of drawn) stack.push(child);
  }
  found.links = model.links.filter((l) => found.shown.has(l.from) && found.shown.has(l.to));
  return found;
}

/** The process that a node belongs to. */
export function owner(model: Model, id: string | null): View | undefined {
  let view = id === null ? undefined : model.views.get(id);
  while (view !== undefined && view.node.kind !== 'process' && view.parent !== null) view = view.parent;
  return view;
}

function children(model: Model, opening: Opening, view: View, found: Scene): View[] {
  const chosen = new Set<View>();
  const limit = opening.limits.get(view.node.id) ?? 0;
  let more = 0;
  const hidden: Hidden = { children: 0, processes: 0, alerts: 0, worst: null };
  for (const child of ranked(model, view)) {
    if (opening.required.has(child.node.id)) chosen.add(child);
    else if (more < limit) {
      more += 1;
      chosen.add(child);
    } else {
      const sum = sums(model).get(child) ?? { processes: 1, alerts: 0, worst: null };
      hidden.children += 1;
      hidden.processes += sum.processes;
      hidden.alerts += sum.alerts;
      if (rank(sum.worst) < rank(hidden.worst)) hidden.worst = sum.worst;
    }
  }
  if (hidden.children > 0) found.hidden.set(view.node.id, hidden);
  return view.children.filter((c) => c.node.kind !== 'process' || chosen.has(c));
}

/** Child processes, those first that lead to the worst alerts, then in order of time. */
function ranked(model: Model, view: View): View[] {
  const processes = view.children.filter((c) => c.node.kind === 'process');
  const all = sums(model);
  return processes.toSorted((a, b) => rank(all.get(a)?.worst ?? null) - rank(all.get(b)?.worst ?? null));
}

/** A node with its file and network node. */
function size(view: View): number {
  return 1 + view.children.filter((c) => c.node.kind !== 'process').length;
}

function root(view: View | undefined): View | undefined {
  let top = view;
  while (top !== undefined && top.parent !== null) top = top.parent;
  return top;
}

interface Sum {
  processes: number;
  alerts: number;
  worst: Priority | null;
}

const known = new WeakMap<Model, Map<View, Sum>>();

/** Processes and alerts of each node and all below it, once a model. */
function sums(model: Model): Map<View, Sum> {
  const before = known.get(model);
  if (before !== undefined) return before;
  const order: View[] = [];
  const stack = [...model.roots];
  for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
    order.push(v);
    stack.push(...v.children);
  }
  const all = new Map<View, Sum>();
  for (const view of order.reverse()) {
    const process = view.node.kind === 'process';
    // Alerts of its file and network node are its own as well.
    const sum: Sum = { processes: Number(process), alerts: process ? view.alerts.length : 0, worst: view.severity };
    for (const child of view.children) {
      const below = all.get(child);
      if (below === undefined) continue;
      sum.processes += below.processes;
      sum.alerts += below.alerts;
      if (rank(below.worst) < rank(sum.worst)) sum.worst = below.worst;
    }
    all.set(view, sum);
  }
  known.set(model, all);
  return all;
}
