import type { Priority, Timeline } from '../api/types.ts';
import { isoNs, ns } from './format.ts';
import type { Model, Span } from './model.ts';
import { rank } from './severity.ts';
import { bucketWidth } from './within.ts';

/** One bar of the histogram below the graph. Heights and places are parts of one. */
export interface Bin {
  at: bigint;
  x: number;
  w: number;
  h: number;
  events: number;
}

/** Alerts that stand at one place. */
export interface Tick {
  x: number;
  ids: string[];
  rules: string[];
  worst: Priority;
  at: bigint;
}

/** A hole in the data. */
export interface Gap {
  x: number;
  w: number;
  text: string;
}

export interface Drawn {
  span: Span;
  bins: Bin[];
  ticks: Tick[];
  gaps: Gap[];
}

/** How many bars are asked for. */
export const BINS = 120;

/**
 * The server's timeline, or what can be told from the graph itself where there is none. Alerts nearer to each other than
 * `apart` share a tick.
 */
export function draw(model: Model, told: Timeline | null, apart = 1 / 80): Drawn {
  const span = told === null ? model.span : { from: ns(told.from), to: ns(told.to) };
  const width = told === null ? binWidth(model, span) : BigInt(told.width);
  const counts = told === null ? own(model, span, width) : told.bins.map((b) => ({ at: ns(b.at), events: b.events }));
  const alerts = told === null
    ? model.alerts.map((a) => ({ at: isoNs(a.time), id: a.id, priority: a.priority, rule: a.rule }))
    : told.alerts.map((a) => ({ ...a, at: ns(a.at) }));
  const most = Math.max(1, ...counts.map((c) => c.events));
  const bins = counts.filter((c) => c.events > 0).map((c) => ({
    at: c.at,
    x: place(c.at, span),
    w: place(c.at + width, span) - place(c.at, span),
    // Logarithmic: a beacon of five records is seen beside a scan of thousands.
    h: Math.log1p(c.events) / Math.log1p(most),
    events: c.events,
  }));
  const lost = (told?.lost ?? model.graph.lost).filter((l) => l.records > 0 || l.events > 0);
  const gaps = lost.map((l) => {
    const from = place(ns(l.from), span);
    return { x: from, w: Math.max(0.004, place(ns(l.to), span) - from), text: `${l.records + l.events} lost: ${l.cause}` };
  });
  return { span, bins, ticks: ticks(alerts, span, apart), gaps };
}

/** Where a time stands, 0 at the start of the span and 1 at its end; outside at the nearer end. */
export function place(time: bigint, span: Span): number {
  const length = span.to - span.from;
  if (length <= 0n) return 0;
  const x = Number(time - span.from) / Number(length);
  return Math.min(1, Math.max(0, x));
}

/** The time at a place. */
export function timeAt(x: number, span: Span): bigint {
  const parts = BigInt(Math.round(Math.min(1, Math.max(0, x)) * 1e9));
  return span.from + ((span.to - span.from) * parts) / 1_000_000_000n;
}

/** At most so many times are written below, at round distances. */
export function marks(span: Span, most: number): bigint[] {
  const steps = [1n, 2n, 5n, 10n, 15n, 30n, 60n, 120n, 300n, 600n, 900n, 1800n, 3600n, 7200n, 21_600n, 43_200n, 86_400n, 604_800n];
  const length = span.to - span.from;
  const step = (steps.find((s) => length / (s * 1_000_000_000n) <= BigInt(most)) ?? 2_592_000n) * 1_000_000_000n;
  const all = [];
  for (let t = (span.from / step + 1n) * step; t < span.to && all.length < 100; t += step) all.push(t);
  return all;
}

/** Never narrower than the buckets that the numbers come in: they would stand apart. */
function binWidth(model: Model, span: Span): bigint {
  const width = (span.to - span.from) / BigInt(BINS);
  const times = [...model.views.values()].flatMap(({ node }) => node.series.map((b) => ns(b.t)));
  const bucket = times.length === 0 ? 1n : bucketWidth([...new Set(times)].filter((t) => t % 1_000_000_000n === 0n));
  return width > bucket ? width : bucket;
}

/** Operations of file and network nodes, and the births of processes. */
function own(model: Model, span: Span, width: bigint): { at: bigint; events: number }[] {
  const counts = new Map<bigint, number>();
  const add = (t: bigint, n: number): void => {
    if (t < span.from || t > span.to) return;
    const bin = (t - span.from) / width;
    counts.set(bin, (counts.get(bin) ?? 0) + n);
  };
  for (const { node } of model.views.values()) {
    for (const b of node.series) {
      const t = ns(b.t);
      // A bucket begins before what is in it: that of the first record begins before the graph.
      add(t < span.from ? span.from : t, b.ops);
    }
    for (const i of node.instances) add(ns(i.first), 1);
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([bin, events]) => ({ at: span.from + bin * width, events }));
}

function ticks(alerts: readonly { at: bigint; id: string; priority: Priority; rule: string }[], span: Span, apart: number): Tick[] {
  const all: Tick[] = [];
  for (const alert of alerts.toSorted((a, b) => (a.at < b.at ? -1 : 1))) {
    const x = place(alert.at, span);
    const last = all.at(-1);
    if (last !== undefined && x - last.x < apart) {
      last.ids.push(alert.id);
      last.rules.push(alert.rule);
      if (rank(alert.priority) < rank(last.worst)) last.worst = alert.priority;
    } else all.push({ x, ids: [alert.id], rules: [alert.rule], worst: alert.priority, at: alert.at });
  }
  return all;
}
