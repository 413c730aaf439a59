import { describe, expect, it } from 'vitest';
import { around, close, everything, open, plant, raise, reveal, scene, type Opening } from '../src/lib/levels.ts';
import { build, type Model } from '../src/lib/model.ts';
import { deep, many } from './fixtures/large.mjs';
import { attack } from './fixtures/story.mjs';

const tall = build(deep());
const id = (model: Model, label: string): string => {
  for (const [key, view] of model.views) if (view.node.kind === 'process' && view.node.label === label) return key;
  throw new Error(`no ${label}`);
};
const names = (model: Model, opening: Opening): string[] =>
  [...scene(model, opening).shown].map((i) => model.views.get(i)?.node.label ?? '').filter((l) => l.startsWith('level')).sort();

describe('first look', () => {
  const first = around(tall, id(tall, 'level5'));
  const drawn = scene(tall, first);

  it('draws three levels above and below', () => {
    expect(names(tall, first)).toEqual(['level2', 'level3', 'level4', 'level5', 'level6', 'level7', 'level8']);
    expect(drawn.roots.map((v) => v.node.label)).toEqual(['level2']);
    expect(drawn.above.get(id(tall, 'level2'))).toBe(2);
  });

  it('counts what it does not draw where it hangs', () => {
    expect(drawn.hidden.get(id(tall, 'level8'))).toEqual({ children: 18, processes: 18, alerts: 0, worst: null });
    expect(drawn.hidden.get(id(tall, 'level6'))?.children).toBe(31 - 12);
    expect(drawn.hidden.has(id(tall, 'level5'))).toBe(false);
  });

  it('draws lines only between what is drawn', () => {
    expect(drawn.links.every((l) => drawn.shown.has(l.from) && drawn.shown.has(l.to))).toBe(true);
  });

  it('says where hidden alerts are', () => {
    const up = scene(tall, { ...first, top: null, required: new Set([...first.required, id(tall, 'level0'), id(tall, 'level1')]) });
    expect(up.hidden.get(id(tall, 'level0'))).toEqual({ children: 1, processes: 2, alerts: 1, worst: 'Warning' });
  });

  it('draws the whole intrusion, which is small', () => {
    const model = build(attack());
    expect(scene(model, around(model, id(model, 'sh'))).shown.size).toBe(model.views.size);
  });

  it('stays small whatever the graph, and quick', () => {
    const model = build(many(5000, 'f'.repeat(32)));
    const started = process.cpuUsage();
    const shown = scene(model, around(model, model.nodeOf.get(model.alerts[0]?.id ?? '') ?? null)).shown.size;
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(500);
    expect(shown).toBeGreaterThan(20);
    expect(shown).toBeLessThanOrEqual(150);
  });

  it('takes a graph without nodes', () => {
    const none = build({ ...attack(), nodes: [], edges: [], root: null });
    expect(scene(none, around(none, null)).shown.size).toBe(0);
  });
});

describe('opening', () => {
  const first = around(tall, id(tall, 'level5'));

  it('adds children, and close takes them away again', () => {
    const wider = open(first, id(tall, 'level8'));
    expect(scene(tall, wider).children.get(id(tall, 'level8'))).toHaveLength(18);
    const shut = close(tall, wider, id(tall, 'level8'));
    expect(scene(tall, shut).children.get(id(tall, 'level8'))).toEqual([]);
    expect(scene(tall, close(tall, first, id(tall, 'level2'))).shown.size).toBe(1);
  });

  it('raises the tree to its root', () => {
    const up = raise(tall, first);
    expect(scene(tall, up).roots.map((v) => v.node.label)).toEqual(['level0']);
    expect(names(tall, up)).toContain('level5');
  });

  it('reveals a node with the way to it, wherever it is', () => {
    const shown = scene(tall, reveal(tall, first, id(tall, 'job'))).shown;
    for (const label of ['job', 'cron', 'level0', 'level5']) expect(shown.has(id(tall, label)), label).toBe(true);
    expect(reveal(tall, first, 'p:unknown')).toBe(first);
  });

  it('draws everything when asked to', () => {
    expect(scene(tall, everything(tall)).shown.size).toBe(tall.views.size);
  });

  it('draws some of many trees, and more on demand', () => {
    const graph = many(60, 'a'.repeat(32));
    graph.edges = [];
    const forest = build(graph);
    const roots = forest.roots.length;
    const some = around(forest, null);
    expect(scene(forest, some)).toMatchObject({ trees: roots - 9 });
    expect(scene(forest, plant(some)).trees).toBe(Math.max(0, roots - 49));
    const last = forest.roots.at(-1)?.node.id ?? '';
    expect(scene(forest, reveal(forest, some, last)).shown.has(last)).toBe(true);
  });

  it('draws a child that is born where all children are drawn', () => {
    const graph = attack();
    const before = build(graph);
    const opening = around(before, id(before, 'sh'));
    const [node] = graph.nodes;
    if (node === undefined) throw new Error('the fixture has changed');
    graph.nodes.push({ ...node, id: 'p:00000000000000aa', label: 'nginx' });
    graph.edges.push({ from: node.id, to: 'p:00000000000000aa', kind: 'EXEC', first: node.first, last: node.last, count: 1, rbytes: 0, wbytes: 0 });
    expect(scene(build(graph), opening).shown.has('p:00000000000000aa')).toBe(true);
  });

  it('keeps what was opened when the graph has grown', () => {
    const wider = open(first, id(tall, 'level8'));
    const grown = deep();
    grown.nodes.pop();
    const model = build(grown);
    expect(scene(model, wider).children.get(id(model, 'level8'))).toHaveLength(18);
  });
});
