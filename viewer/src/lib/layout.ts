import { techniques } from './attack.ts';
import { duration, ns } from './format.ts';
import type { Scene } from './levels.ts';
import { foldOf, type Link, type View } from './model.ts';

/**
 * A provenance graph is a forest with a few lines across, so its picture is a layered tree from
 * left to right: columns by depth, a parent on one line with its first child, siblings from top
 * to bottom in order of time, each subtree as high as the columns it uses allow. Sizes follow
 * from the node's data: nothing is measured, and the picture is the same at every visit. Time is
 * linear in the nodes (a chain of first children is walked twice).
 */

export const WIDTH = 280;
/** Room between columns, for the label of an edge. */
const GAP_X = 140;
const GAP_Y = 18;
/** Room between the trees of a forest. */
const GAP_TREE = 48;
/** How many files or endpoints a card lists. */
export const LISTED = 5;
const ALERTED_LISTED = 8;

export interface Box {
  view: View;
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Line {
  link: Link;
  path: string;
  /** Where the labels end (right-aligned before the arrow) and the line that they stand on. */
  labelX: number;
  labelY: number;
  /** Text above the line and, when there are several kinds, below it. */
  labels: [above: string, below: string];
}

export interface Layout {
  boxes: Box[];
  byId: Map<string, Box>;
  lines: Line[];
  width: number;
  height: number;
}

/** How many samples the card of this node shows. */
export function listed(view: View): number {
  const alerted = view.targets.filter((t) => t.alerts.length > 0).length;
  return Math.min(view.targets.length, Math.max(LISTED, Math.min(alerted, ALERTED_LISTED)));
}

/** Height of a sparkline on a card. */
export const SPARK = 24;

/** Height of a node's card; its style sheet has the same numbers. */
export function cardHeight(view: View): number {
  if (view.node.kind === 'process') {
    const tags = techniques(view.node.tags).length > 0 ? 28 : 0;
    const pills = pillCount(view) > 0 ? 28 : 0;
    const fold = foldOf(view.node) === null ? 0 : 26;
    return 78 + pills + tags + fold;
  }
  const spark = view.node.series.length > 0 ? SPARK + 4 : 0;
  if (view.node.kind === 'file' || view.node.kind === 'endpoint') return 58 + spark;
  const rows = listed(view);
  const more = view.node.targets > rows ? 1 : 0;
  return 50 + spark + (rows + more) * 22 + 8;
}

export function childProcesses(view: View): number {
  return view.children.filter((c) => c.node.kind === 'process').length;
}

function pillCount(view: View): number {
  return Number(view.files !== null) + Number(view.net !== null) + Number(childProcesses(view) > 0);
}

/** Kinds with their counts, the telling ones first: `["EXEC ×3", "CLONE ×3"]`. */
export function edgeLabels(link: Link): [above: string, below: string] {
  const counts = new Map<string, number>();
  for (const e of link.edges) counts.set(e.kind, (counts.get(e.kind) ?? 0) + e.count);
  const kinds = ['EXEC', 'CLONE', 'SETUID', 'EXIT', 'FF', 'FE', 'NF'].flatMap((kind) => {
    const n = counts.get(kind) ?? 0;
    return n === 0 ? [] : [n === 1 ? kind : `${kind} ×${n > 9999 ? '9999+' : n}`];
  });
  return [kinds[0] ?? '', kinds.slice(1).join(' · ')];
}

export function lay(scene: Scene): Layout {
  const byId = new Map<string, Box>();
  /** Lowest free height of each column. */
  const free: number[] = [];
  for (const root of scene.roots) {
    const top = byId.size === 0 ? 0 : Math.max(...free) - GAP_Y + GAP_TREE;
    plant(scene, root, top, free, byId);
  }
  const boxes = [...byId.values()];
  const lines = scene.links.flatMap((link) => {
    const from = byId.get(link.from);
    const to = byId.get(link.to);
    return from === undefined || to === undefined ? [] : [line(link, from, to)];
  });
  const width = boxes.reduce((most, b) => Math.max(most, b.x + b.w), 0);
  const height = boxes.reduce((most, b) => Math.max(most, b.y + b.h), 0);
  return { boxes, byId, lines, width, height };
}

/** Lays a tree at `top` or below. Depth first with an own stack: a chain may be thousands deep. */
function plant(scene: Scene, root: View, top: number, free: number[], byId: Map<string, Box>): void {
  const children = (view: View): readonly View[] => scene.children.get(view.node.id) ?? [];
  const stack: { view: View; depth: number; least: number }[] = [{ view: root, depth: 0, least: top }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { view, depth, least } = next;
    let y = least;
    let d = depth;
    for (let v: View | undefined = view; v !== undefined; v = children(v)[0]) y = Math.max(y, free[d++] ?? top);
    // The whole chain of first children stands on one line.
    d = depth;
    const chain: View[] = [];
    for (let v: View | undefined = view; v !== undefined; v = children(v)[0]) {
      const h = cardHeight(v);
      byId.set(v.node.id, { view: v, x: d * (WIDTH + GAP_X), y, w: WIDTH, h });
      free[d] = y + h + GAP_Y;
      chain.push(v);
      d += 1;
    }
    // Later siblings follow, the deepest ones first: they stand nearest to what was just laid.
    for (const [i, v] of chain.entries()) {
      for (const child of children(v).slice(1).reverse()) stack.push({ view: child, depth: depth + i + 1, least: y });
    }
  }
}

/** The height at which lines meet a card: the middle of its heading, where its name stands. */
function anchor(box: Box): number {
  return box.y + 22;
}

/** How long after its parent's first record a process appears: "+16.1 s"; empty for what is no descent. */
export function elapsed(link: Link, parent: View): string {
  const first = link.edges.reduce<bigint | null>((least, e) => (least === null || ns(e.first) < least ? ns(e.first) : least), null);
  if (link.flow || first === null) return '';
  const after = first - ns(parent.node.first);
  return after < 0n ? '' : `+${duration(after)}`;
}

function line(link: Link, from: Box, to: Box): Line {
  const y1 = anchor(from);
  const y2 = anchor(to);
  const [above, below] = edgeLabels(link);
  const labels: [string, string] = [above, [below, link.tree ? elapsed(link, from.view) : ''].filter((l) => l !== '').join(' · ')];
  const x2 = to.x - 7;
  const labelX = x2 - 6;
  if (link.tree) return { link, path: step(from.x + from.w, y1, x2, y2), labels, labelX, labelY: y2 };
  // Across the tree: a curve of its own, forward from the right side, back round the left one.
  const path =
    to.x > from.x
      ? `M${from.x + from.w},${y1}C${from.x + from.w + GAP_X},${y1} ${x2 - GAP_X},${y2} ${x2},${y2}`
      : `M${from.x},${y1}C${to.x - GAP_X / 2},${y1} ${to.x - GAP_X / 2},${y2} ${x2},${y2}`;
  return { link, path, labels: ['', [...labels].filter((l) => l !== '').join(' · ')], labelX, labelY: y2 + 12 };
}

/** A straight run, a rounded step, a straight run: lines of one parent share their trunk. */
function step(x1: number, y1: number, x2: number, y2: number): string {
  if (Math.abs(y2 - y1) < 1) return `M${x1},${y1}H${x2}`;
  const trunk = x1 + 30;
  const r = Math.min(12, Math.abs(y2 - y1) / 2);
  const down = Math.sign(y2 - y1);
  return `M${x1},${y1}H${trunk - r}Q${trunk},${y1} ${trunk},${y1 + down * r}V${y2 - down * r}Q${trunk},${y2} ${trunk + r},${y2}H${x2}`;
}
