import type { Bucket } from '../api/types.ts';
import { ns } from './format.ts';

export interface Bar extends Bucket {
  x: number;
  w: number;
  h: number;
}

/** Width of a bar and its gap, in pixels. */
const PITCH = 4;

/**
 * Bars of a time series. Height is the logarithm of the operations, so that a beacon of a few
 * bytes is seen beside a download; every slot with activity has at least two pixels.
 */
export function bars(series: readonly Bucket[], from: bigint, to: bigint, width: number, height: number, pitch = PITCH): Bar[] {
  const slots = Math.max(1, Math.floor(width / pitch));
  const span = to > from ? to - from : 1n;
  const sums = new Map<number, Bucket>();
  for (const bucket of series) {
    const offset = ns(bucket.t) - from;
    const raw = Number((offset * BigInt(slots)) / span);
    const slot = Math.min(slots - 1, Math.max(0, raw));
    const sum = sums.get(slot);
    if (sum === undefined) sums.set(slot, { ...bucket });
    else {
      sum.ops += bucket.ops;
      sum.rbytes += bucket.rbytes;
      sum.wbytes += bucket.wbytes;
    }
  }
  const most = Math.max(1, ...[...sums.values()].map((s) => s.ops));
  return [...sums].sort(([a], [b]) => a - b).map(([slot, sum]) => ({
    ...sum,
    x: slot * pitch,
    w: pitch - 1,
    h: Math.max(2, Math.round((height * Math.log1p(sum.ops)) / Math.log1p(most))),
  }));
}
