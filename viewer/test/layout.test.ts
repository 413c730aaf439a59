import { describe, expect, it } from 'vitest';
import { edgeLabels, lay, type Layout } from '../src/lib/layout.ts';
import { everything, scene } from '../src/lib/levels.ts';
import { build, type Model } from '../src/lib/model.ts';
import { attack, hostile, operator, wide } from './fixtures/story.mjs';
import type { Graph } from '../src/api/types.ts';

function drawn(model: Model): Layout {
  return lay(scene(model, everything(model)));
}

function overlaps(layout: Layout): number {
  let found = 0;
  for (const x of new Set(layout.boxes.map((b) => b.x))) {
    const boxes = layout.boxes.filter((b) => b.x === x).sort((a, b) => a.y - b.y);
    for (const [i, box] of boxes.entries()) {
      const next = boxes[i + 1];
      if (next !== undefined && box.y + box.h > next.y) found += 1;
    }
  }
  return found;
}

describe.each<[string, Graph]>([
  ['the intrusion', attack()],
  ['hostile strings', hostile()],
  ['one session', operator()],
  ['400 processes', wide(400)],
])('%s', (_, graph) => {
  const model = build(graph);
  const layout = drawn(model);

  it('places every node once, none over another, all inside', () => {
    expect(layout.byId.size).toBe(graph.nodes.length);
    expect(overlaps(layout)).toBe(0);
    for (const b of layout.boxes) {
      expect(b.x).toBeGreaterThanOrEqual(0);
      expect(b.y).toBeGreaterThanOrEqual(0);
      expect(b.x + b.w).toBeLessThanOrEqual(layout.width);
      expect(b.y + b.h).toBeLessThanOrEqual(layout.height);
    }
  });

  it('runs from left to right, siblings downwards', () => {
    for (const { view, x, y } of layout.boxes) {
      let above = y;
      for (const child of view.children) {
        const box = layout.byId.get(child.node.id);
        expect(box?.x).toBeGreaterThan(x);
        expect(box?.y).toBeGreaterThanOrEqual(above);
        above = box?.y ?? above;
      }
    }
  });

  it('is the same at every visit', () => {
    expect(drawn(build(structuredClone(graph))).boxes.map((b) => [b.x, b.y])).toEqual(layout.boxes.map((b) => [b.x, b.y]));
  });
});

describe('a parent', () => {
  it('stands on one line with its first child', () => {
    const layout = drawn(build(attack()));
    for (const { view, y } of layout.boxes) {
      const first = view.children[0];
      if (first !== undefined) expect(layout.byId.get(first.node.id)?.y).toBe(y);
    }
  });
});

describe('size', () => {
  it('lays 5,000 processes, and a chain as deep, well within a second', () => {
    const many = build(wide(5000));
    const chain = wide(5000);
    chain.edges = chain.nodes.slice(1).map((n, i) => ({
      from: chain.nodes[i]?.id ?? '', to: n.id, kind: 'EXEC', first: n.first, last: n.last, count: 1, rbytes: 0, wbytes: 0,
    }));
    for (const model of [many, build(chain)]) {
      // Time of this process: others may keep the machine busy.
      const started = process.cpuUsage();
      expect(drawn(model).boxes).toHaveLength(5000);
      expect(process.cpuUsage(started).user / 1000).toBeLessThan(1000);
    }
  });
});

describe('labels', () => {
  it('put the telling kind first and count', () => {
    const model = build(attack());
    const label = (from: string, kind: string): [string, string] | undefined => {
      const link = model.links.find((l) => model.views.get(l.from)?.node.label === from && l.edges.some((e) => e.kind === kind));
      return link && edgeLabels(link);
    };
    expect(label('node', 'CLONE')).toEqual(['EXEC', 'CLONE']);
    expect(label('python3', 'FE')).toEqual(['FF ×188', 'FE ×5']);
    expect(label('node', 'NF')).toEqual(['NF ×320', '']);
  });
});
