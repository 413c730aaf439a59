import type { GraphSummary } from '../api/types.ts';
import { ns } from './format.ts';
import { tone, type Tone } from './severity.ts';

/** Graphs whose last news fall into one slot of time, by severity. */
export interface Slot {
  from: bigint;
  to: bigint;
  counts: Record<Tone | 'none', number>;
  total: number;
}

export const STACK: readonly (Tone | 'none')[] = ['none', 'info', 'notice', 'warning', 'error', 'critical'];

/** Widths that a reader knows, in seconds. */
const STEPS = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800];

/** At most `most` slots of a round width that cover all graphs. */
export function slots(graphs: readonly GraphSummary[], most = 60): Slot[] {
  if (graphs.length === 0) return [];
  const times = graphs.map((graph) => ns(graph.last));
  const first = times.reduce((a, b) => (b < a ? b : a));
  const last = times.reduce((a, b) => (b > a ? b : a));
  const seconds = Number((last - first) / 1_000_000_000n) + 1;
  const step = STEPS.find((width) => seconds / width < most - 1) ?? Math.ceil(seconds / (most - 1));
  const width = BigInt(step) * 1_000_000_000n;
  const start = (first / width) * width;
  const made = Array.from({ length: Number((last - start) / width) + 1 }, (_, i): Slot => ({
    from: start + BigInt(i) * width, to: start + BigInt(i + 1) * width, total: 0,
    counts: { none: 0, info: 0, notice: 0, warning: 0, error: 0, critical: 0 },
  }));
  graphs.forEach((graph, i) => {
    const slot = made[Number(((times[i] ?? start) - start) / width)];
    if (slot === undefined) return;
    slot.counts[graph.severity === null ? 'none' : tone(graph.severity)] += 1;
    slot.total += 1;
  });
  return made;
}
