import { bytes, clock, count, ns, plural } from './format.ts';
import { command, foldOf, refused, type Model, type View } from './model.ts';
import { printable, head } from './text.ts';

/** One line of the text tree. */
export interface Row {
  /** Node id, and for a file or endpoint its place in the node. */
  key: string;
  view: View;
  /** Place among the node's files or endpoints; `null` for the node itself. */
  sample: number | null;
  level: number;
  /** For screen readers: place among its siblings, from 1, and their number. */
  place: number;
  of: number;
  /** `null` when there is nothing below. */
  expanded: boolean | null;
  /** Key of the row that it hangs below. */
  parent: string | null;
}

/** Rows that are seen when the nodes of `open` are expanded; whoever cannot be expanded does not matter. */
export function rows(model: Model, open: ReadonlySet<string>): Row[] {
  const all: Row[] = [];
  interface Next { view: View; level: number; place: number; of: number; parent: string | null }
  const stack: Next[] = model.roots.map((view, i) => ({ view, level: 1, place: i + 1, of: model.roots.length, parent: null })).reverse();
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { view, level } = next;
    const key = view.node.id;
    const below = view.children.length + view.targets.length;
    const expanded = below === 0 ? null : open.has(key);
    all.push({ key, view, sample: null, level, place: next.place, of: next.of, expanded, parent: next.parent });
    if (expanded !== true) continue;
    for (const i of view.targets.keys()) {
      all.push({ key: `${key} ${i}`, view, sample: i, level: level + 1, place: i + 1, of: below, expanded: null, parent: key });
    }
    const children = view.children.map((child, i) => ({
      view: child, level: level + 1, place: view.targets.length + i + 1, of: below, parent: key,
    }));
    stack.push(...children.reverse());
  }
  return all;
}

/** Processes are open at first, lists of files and endpoints are not; of large graphs only the ways to alerts are. */
export function firstOpen(model: Model, selected: string | null): Set<string> {
  const small = model.views.size <= 300;
  const open = new Set<string>();
  const way = (view: View | null): void => {
    for (let v = view; v !== null && !open.has(v.node.id); v = v.parent) open.add(v.node.id);
  };
  for (const view of model.views.values()) {
    if (small && view.node.kind === 'process') open.add(view.node.id);
    else if (!small && view.severity !== null) way(view.parent);
  }
  const chosen = selected === null ? undefined : model.views.get(selected);
  if (chosen !== undefined) way(chosen.parent);
  for (const root of model.roots.slice(0, 20)) open.add(root.node.id);
  return open;
}

const LONGEST = 500;

/** The row in words. Every string of the host is printable, whatever it was. */
export function words(row: Row): string {
  const { node } = row.view;
  if (row.sample !== null) {
    const s = row.view.targets[row.sample]?.sample;
    if (s === undefined) return '';
    const name = head(printable(s.path ?? s.endpoint ?? s.ip ?? 'unknown'), LONGEST);
    const amount = refused(s) ? ' refused' : s.rbytes + s.wbytes > 0 ? ` ${bytes(s.rbytes)} in, ${bytes(s.wbytes)} out` : '';
    return `${name} ${s.ops.map((op) => op.toLowerCase()).join(',')}${amount}`;
  }
  if (node.kind !== 'process') {
    const what = node.kind === 'files' ? plural(node.targets, 'file') : node.kind === 'net' ? plural(node.targets, 'endpoint') : head(printable(node.label), LONGEST);
    return `${what} ${bytes(node.rbytes)} in, ${bytes(node.wbytes)} out`;
  }
  const pid = node.instances.length === 1 ? `pid ${node.instances[0]?.pid ?? ''}` : `×${count(node.instances.length)}`;
  const user = node.user === null ? `uid ${node.uid}` : printable(node.user);
  const fold = foldOf(node);
  const more = fold === null ? '' : ` (and ${count(fold.count)} like it)`;
  return `${clock(ns(node.first))} ${head(printable(command(node)), LONGEST)} [${pid} ${user}]${more}`;
}

/** The rows as text, for a ticket. */
export function text(list: readonly Row[]): string {
  return list.map((row) => {
    const alerts = row.sample === null ? row.view.alerts : (row.view.targets[row.sample]?.alerts ?? []);
    const told = alerts.length === 0 ? '' : `  ! ${[...new Set(alerts.map((a) => printable(a.rule)))].join(', ')}`;
    return `${'  '.repeat(row.level - 1)}${words(row)}${told}`;
  }).join('\n');
}
