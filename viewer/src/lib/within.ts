import type { GraphEdge } from '../api/types.ts';
import { ns } from './format.ts';
import type { Link, Model, Span, View } from './model.ts';

/** Whether something happened at the node within the time. */
export function active(view: View, span: Span): boolean {
  const { node } = view;
  if (!overlaps(ns(node.first), ns(node.last), span)) return false;
  if (node.kind === 'process' && node.instances.length > 0 && node.instances.length >= node.targets) {
    return node.instances.some((i) => overlaps(ns(i.first), ns(i.last), span));
  }
  if (node.series.length === 0) return true;
  const width = bucketWidth(node.series.map((b) => ns(b.t)));
  return node.series.some((b) => overlaps(ns(b.t), ns(b.t) + width - 1n, span));
}

export function edgeActive(edge: Pick<GraphEdge, 'first' | 'last'>, span: Span): boolean {
  return overlaps(ns(edge.first), ns(edge.last), span);
}

export function linkActive(link: Link, span: Span): boolean {
  return link.edges.some((e) => edgeActive(e, span));
}

/** Ids of the nodes that were active. */
export function activeNodes(model: Model, span: Span): Set<string> {
  return new Set([...model.views].filter(([, view]) => active(view, span)).map(([id]) => id));
}

/** The series' buckets have no width of their own: it is the least distance of two, at least a second. */
export function bucketWidth(times: readonly bigint[]): bigint {
  let least: bigint | null = null;
  const sorted = times.toSorted((a, b) => (a < b ? -1 : 1));
  for (const [i, t] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before !== undefined && t > before && (least === null || t - before < least)) least = t - before;
  }
  return least === null ? 1_000_000_000n : least;
}

function overlaps(first: bigint, last: bigint, span: Span): boolean {
  return first <= span.to && last >= span.from;
}
