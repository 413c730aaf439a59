import type { Projection, ProjectionKind } from '../api/more.ts';

export interface Box {
  id: string;
  kind: ProjectionKind;
  label: string;
  /** How many real ones it stands for: more than 1 for "and 12 more". */
  stands: number;
  value: number;
  alerts: number;
  x: number;
  y: number;
  h: number;
}

export interface Band {
  from: Box;
  to: Box;
  bytes: number;
  count: number;
  alerts: number;
  y0: number;
  y1: number;
  h: number;
}

export interface Drawn {
  boxes: Box[];
  bands: Band[];
  height: number;
}

export type Measure = 'bytes' | 'count';

const COLUMNS: readonly ProjectionKind[] = ['container', 'process', 'endpoint'];
const GAP = 10;
const LEAST = 3;
export const WIDTH = 14;

/** Layout of container → process → endpoint: columns, boxes as high as what flows through them, bands between. */
export function layout({ nodes, links }: Projection, measure: Measure, width: number, height: number, most = 14): Drawn {
  const weigh = (link: { bytes: number; count: number }): number => Math.max(0, measure === 'bytes' ? link.bytes : link.count);
  const through = new Map<string, { in: number; out: number; alerts: number }>();
  for (const node of nodes) through.set(node.id, { in: 0, out: 0, alerts: 0 });
  for (const link of links) {
    const [a, b] = [through.get(link.from), through.get(link.to)];
    if (a === undefined || b === undefined) continue;
    a.out += weigh(link);
    b.in += weigh(link);
    a.alerts += link.alerts;
    b.alerts += link.alerts;
  }
  const boxes = new Map<string, Box>();
  const byColumn = COLUMNS.map((kind, column) => {
    const all = nodes.filter((node) => node.kind === kind).map((node): Box => {
      const flow = through.get(node.id) ?? { in: 0, out: 0, alerts: 0 };
      return { ...node, stands: 1, value: Math.max(flow.in, flow.out), alerts: flow.alerts, x: column, y: 0, h: 0 };
    });
    // Those with alerts are never among the rest.
    all.sort((a, b) => Number(b.alerts > 0) - Number(a.alerts > 0) || b.value - a.value || (a.label < b.label ? -1 : 1));
    const shown = all.length <= most ? all : all.slice(0, most - 1);
    for (const box of shown) boxes.set(box.id, box);
    const rest = all.slice(shown.length);
    if (rest.length > 0) {
      const sum = (get: (box: Box) => number): number => rest.reduce((n, box) => n + get(box), 0);
      const box = { id: `rest:${kind}`, kind, label: `${rest.length} more`, stands: rest.length, value: sum((b) => b.value), alerts: sum((b) => b.alerts), x: column, y: 0, h: 0 };
      shown.push(box);
      for (const folded of rest) boxes.set(folded.id, box);
    }
    return shown;
  });
  const scale = Math.min(...byColumn.map((column) => {
    const total = column.reduce((n, box) => n + box.value, 0);
    const room = height - GAP * Math.max(0, column.length - 1);
    return total > 0 ? Math.max(room, LEAST) / total : Infinity;
  }));
  const size = (value: number): number => Math.max(LEAST, Number.isFinite(scale) ? value * scale : LEAST);
  let bottom = 0;
  byColumn.forEach((column, index) => {
    let y = 0;
    for (const box of column) {
      box.x = index * ((width - WIDTH) / (COLUMNS.length - 1));
      box.y = y;
      box.h = size(box.value);
      y += box.h + Math.max(GAP, 18 - box.h);
    }
    bottom = Math.max(bottom, y);
  });
  return { boxes: byColumn.flat(), bands: bands(links, boxes, weigh, size), height: Math.max(bottom, 40) };
}

function bands(links: Projection['links'], boxes: Map<string, Box>, weigh: (link: Projection['links'][number]) => number, size: (value: number) => number): Band[] {
  const joined = new Map<string, Band & { value: number }>();
  for (const link of links) {
    const [from, to] = [boxes.get(link.from), boxes.get(link.to)];
    if (from === undefined || to === undefined || from === to) continue;
    const key = `${from.id}\u0000${to.id}`;
    const band = joined.get(key) ?? { from, to, bytes: 0, count: 0, alerts: 0, y0: 0, y1: 0, h: 0, value: 0 };
    band.bytes += link.bytes;
    band.count += link.count;
    band.alerts += link.alerts;
    band.value += weigh(link);
    joined.set(key, band);
  }
  const all = [...joined.values()];
  const used = new Map<Box, { in: number; out: number }>();
  const at = (box: Box): { in: number; out: number } => {
    const place = used.get(box) ?? { in: 0, out: 0 };
    used.set(box, place);
    return place;
  };
  for (const band of all) band.h = Math.max(1, Math.min(size(band.value), band.from.h, band.to.h));
  for (const band of all.toSorted((a, b) => a.from.y - b.from.y || a.to.y - b.to.y)) {
    band.y0 = band.from.y + Math.min(at(band.from).out, Math.max(0, band.from.h - band.h));
    at(band.from).out += band.h;
  }
  for (const band of all.toSorted((a, b) => a.to.y - b.to.y || a.from.y - b.from.y)) {
    band.y1 = band.to.y + Math.min(at(band.to).in, Math.max(0, band.to.h - band.h));
    at(band.to).in += band.h;
  }
  // What has alerts is drawn last, over the others.
  return all.sort((a, b) => a.alerts - b.alerts || b.h - a.h);
}

/** Outline of a band. */
export function outline({ from, to, y0, y1, h }: Band): string {
  const [x0, x1] = [from.x + WIDTH, to.x];
  const middle = (x0 + x1) / 2;
  const n = (value: number): string => value.toFixed(1);
  return `M${n(x0)} ${n(y0)}C${n(middle)} ${n(y0)} ${n(middle)} ${n(y1)} ${n(x1)} ${n(y1)}V${n(y1 + h)}C${n(middle)} ${n(y1 + h)} ${n(middle)} ${n(y0 + h)} ${n(x0)} ${n(y0 + h)}Z`;
}
