import { describe, expect, it } from 'vitest';
import { isoNs } from '../src/lib/format.ts';
import { build } from '../src/lib/model.ts';
import { draw, marks, place, timeAt } from '../src/lib/timeline.ts';
import { active, activeNodes, bucketWidth } from '../src/lib/within.ts';
import { attack, operator } from './fixtures/story.mjs';

const model = build(attack());
const at = (clock: string): bigint => isoNs(`2026-11-24T${clock}Z`);

describe('the timeline', () => {
  it('is told from the graph where the server has none', () => {
    const { bins, ticks, span } = draw(model, null);
    expect(span).toEqual(model.span);
    expect(bins.length).toBeGreaterThan(60);
    expect(Math.max(...bins.map((b) => b.h))).toBe(1);
    expect(ticks.flatMap((t) => t.ids)).toHaveLength(19);
    expect(ticks.some((t) => t.worst === 'Critical')).toBe(true);
    for (const [i, tick] of ticks.entries()) expect(tick.x - (ticks[i - 1]?.x ?? -1)).toBeGreaterThanOrEqual(1 / 80);
  });

  it('is the server\'s where it has one, with its gaps', () => {
    const second = 1_000_000_000n;
    const told = draw(model, {
      from: '0', to: String(10n * second), width: String(second), lost: [
        { from: String(2n * second), to: String(4n * second), events: 3, records: 0, cause: 'buffer full' },
        { from: '0', to: '0', events: 0, records: 0, cause: 'Falco does not deliver read' },
      ],
      bins: [{ at: '0', events: 1, rbytes: 0, wbytes: 0 }, { at: String(5n * second), events: 100, rbytes: 0, wbytes: 0 }],
      alerts: [{ at: String(5n * second), id: 'a', priority: 'Error', rule: 'R' }],
    });
    expect(told.bins.map((b) => b.x)).toEqual([0, 0.5]);
    for (const bin of told.bins) expect(bin.w).toBeCloseTo(0.1);
    expect(told.bins[0]?.h).toBeGreaterThan(0.1);
    expect(told.gaps).toEqual([{ x: 0.2, w: 0.2, text: '3 lost: buffer full' }]);
    expect(told.ticks).toMatchObject([{ x: 0.5, ids: ['a'] }]);
  });

  it('turns times into places and back', () => {
    const span = { from: 100n, to: 200n };
    expect(place(150n, span)).toBe(0.5);
    expect(place(5n, span)).toBe(0);
    expect(timeAt(0.25, span)).toBe(125n);
    expect(place(7n, { from: 7n, to: 7n })).toBe(0);
  });

  it('writes few, round times', () => {
    expect(marks(model.span, 8).map((t) => Number(t / 1_000_000_000n) % 10)).toEqual(Array(7).fill(0));
    expect(marks({ from: 0n, to: 10n ** 18n }, 5).length).toBeLessThanOrEqual(100);
  });
});

describe('what happened within a time', () => {
  it('is nodes and lines that were active then', () => {
    const labels = (from: string, to: string): string[] => [...activeNodes(model, { from: at(from), to: at(to) })]
      .map((id) => model.views.get(id)?.node).filter((n) => n?.kind === 'process').map((n) => n?.label ?? '').sort();
    expect(labels('02:59:20', '02:59:25')).toEqual(['node']);
    expect(labels('02:59:32.55', '02:59:32.56')).toEqual(['curl', 'node', 'sh']);
    expect(labels('02:59:50', '02:59:51')).toEqual(['node', 'python3', 'sh']);
  });

  it('tells the beats of a beacon from the silence between', () => {
    const net = [...model.views.values()].find((v) => v.node.kind === 'net' && v.parent?.node.label === 'python3');
    if (net === undefined) throw new Error('the fixture has changed');
    expect(active(net, { from: at('02:59:32'), to: at('02:59:33') })).toBe(true);
    expect(active(net, { from: at('02:59:20'), to: at('02:59:30') })).toBe(false);
  });

  it('knows the width of a series by its least distance', () => {
    expect(bucketWidth([30n, 10n, 16n])).toBe(6n);
    expect(bucketWidth([5n])).toBe(1_000_000_000n);
  });
});

describe('the span', () => {
  it('is the window without its empty ends', () => {
    const graph = operator();
    const [first, last] = [BigInt(graph.window.from), BigInt(graph.window.to)];
    graph.window = { from: String(first - 900_000_000_000n), to: String(last + 900_000_000_000n) };
    expect(build(graph).span.from).toBe(first);
    graph.window.from = String(first + 1n);
    expect(build(graph).span.from).toBe(first + 1n);
    expect(build({ ...graph, nodes: [], edges: [] }).span).toEqual({ from: first + 1n, to: last + 900_000_000_000n });
  });
});
