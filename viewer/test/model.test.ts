import { describe, expect, it } from 'vitest';
import type { GraphEdge } from '../src/api/types.ts';
import { allAlerts, build, command, nearest, path, refused, type Model, type View } from '../src/lib/model.ts';
import { attack, hostile, operator } from './fixtures/story.mjs';

function view(model: Model, label: string): View {
  const found = [...model.views.values()].find((v) => v.node.kind === 'process' && v.node.label === label);
  if (found === undefined) throw new Error(`no process ${label}`);
  return found;
}

function labels(views: View[]): string[] {
  return views.map((v) => v.node.label);
}

describe('the tree', () => {
  const model = build(attack());

  it('follows who started whom', () => {
    expect(labels(model.roots)).toEqual(['node']);
    expect(labels(view(model, 'sh').children)).toEqual(['files', 'curl', 'python3']);
    expect(labels(view(model, 'python3').children)).toEqual(['files', 'net', 'id', 'uname', 'ps', 'cat']);
  });

  it('knows the way from the root', () => {
    const ids = path(view(model, 'cat'));
    expect([...ids].map((id) => model.views.get(id)?.node.label)).toEqual(['cat', 'python3', 'sh', 'node']);
  });

  it('draws CLONE and EXEC between two nodes as one line', () => {
    const link = model.links.find((l) => l.from === view(model, 'node').node.id && l.to === view(model, 'sh').node.id);
    expect(link?.edges.map((e) => e.kind)).toEqual(['CLONE', 'EXEC']);
    expect(link?.flow).toBe(false);
  });

  it('is a tree whatever the edges are: loops, exits, unknown ends', () => {
    const graph = attack();
    const [node, sh, curl] = graph.nodes;
    if (node === undefined || sh === undefined || curl === undefined) throw new Error('the fixture has changed');
    const edge = (from: string, to: string, kind: GraphEdge['kind']): GraphEdge => ({
      from, to, kind, first: '1', last: '1', count: 1, rbytes: 0, wbytes: 0,
    });
    graph.edges.unshift(edge(curl.id, sh.id, 'CLONE'), edge(sh.id, node.id, 'EXEC'), edge(sh.id, sh.id, 'EXIT'), edge('p:0', sh.id, 'EXEC'));
    graph.edges.push(edge(curl.id, node.id, 'EXIT'));
    const strange = build(graph);
    let reached = 0;
    const walk = (v: View): void => {
      reached += 1;
      v.children.forEach(walk);
    };
    strange.roots.forEach(walk);
    expect(reached).toBe(graph.nodes.length);
    expect(strange.roots[0]?.node.id).toBe(graph.root);
    expect(strange.links.some((l) => l.from === l.to || l.from === 'p:0')).toBe(false);
  });

  it('takes an empty graph', () => {
    expect(build({ ...attack(), nodes: [], edges: [], root: null }).roots).toEqual([]);
  });
});

describe('alerts', () => {
  const model = build(attack());
  const python = view(model, 'python3');

  it('sit on their node, oldest first, and give it its severity', () => {
    expect(python.alerts).toHaveLength(12);
    expect(python.severity).toBe('Critical');
    expect(view(model, 'curl').severity).toBe('Warning');
    expect(view(model, 'node').severity).toBeNull();
  });

  it('mark the file and the endpoint they speak of, which then come first', () => {
    expect(python.files?.targets.slice(0, 2).map((t) => t.sample.path)).toEqual(['/root/.ssh/id_rsa', '/home/node/.ssh/id_rsa']);
    expect(python.files?.targets.filter((t) => refused(t.sample)).map((t) => t.sample.path)).toEqual(['/root/.ssh/id_rsa', '/etc/shadow']);
    expect(python.net?.targets[0]?.sample.endpoint).toBe('203.0.113.99:443');
    expect(python.net?.severity).toBe('Critical');
    expect(allAlerts(python)).toHaveLength(12);
  });

  it('are found by time', () => {
    expect(nearest(model.alerts, '1795489172532306532')?.rule).toBe('Web server spawned a shell');
    expect(nearest(model.alerts, '1795489184453000000')?.rule).toBe('Large upload by an interpreter');
    expect(nearest(model.alerts, '0')?.rule).toBe('Web server spawned a shell');
    expect(nearest(model.alerts, '99999999999999999999')?.rule).toBe('Own script or archive deleted');
    expect(nearest([], '1')).toBeNull();
  });

  it('without a time the first of the most severe ones', () => {
    expect(nearest(model.alerts, null)?.rule).toBe('Web server spawned a shell');
    expect(nearest(build(operator()).alerts, null)?.rule).toBe('Interactive shell in container');
  });
});

describe('hostile strings', () => {
  it('are kept as they are: only the page makes them harmless', () => {
    const model = build(hostile());
    expect(model.roots[0]?.node.label).toBe('<img src=x onerror=alert(1)>');
    expect(command(view(model, 'curl').node)).toHaveLength(65_536 + 'curl '.length);
  });
});
