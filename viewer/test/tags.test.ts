import { describe, expect, it } from 'vitest';
import { errno } from '../src/lib/errno.ts';
import { tacticName, techniqueName, techniqueUrl, techniques } from '../src/lib/attack.ts';
import { graphUrl, parse, type Look } from '../src/lib/route.ts';
import { rank, tone, worst } from '../src/lib/severity.ts';
import { bars } from '../src/lib/spark.ts';
import { attack } from './fixtures/story.mjs';

describe('ATT&CK', () => {
  it('names and links techniques', () => {
    expect(techniqueName('T1059.004')).toBe('Command and Scripting Interpreter: Unix Shell');
    expect(techniqueName('T1046')).toBe('Network Service Discovery');
    expect(techniqueName('T9999')).toBeNull();
    expect(techniqueUrl('T1059.004')).toBe('https://attack.mitre.org/techniques/T1059/004/');
    expect(techniqueUrl('T1046')).toBe('https://attack.mitre.org/techniques/T1046/');
  });

  it('lets no other tag become an address', () => {
    for (const tag of ['javascript:alert(1)', 'T1059/../..', 'T1059.004\n', 'mitre_execution', '']) expect(techniqueUrl(tag)).toBeNull();
  });

  it('sorts and removes doubles', () => {
    expect(techniques(['mitre_execution', 'T1571', 'T1046', 'T1571'])).toEqual(['T1046', 'T1571']);
    expect(tacticName('mitre_command_and_control')).toBe('Command and Control');
    expect(tacticName('mitre_<b>')).toBeNull();
  });

  it('knows every technique of the told intrusion', () => {
    const graph = attack();
    const all = techniques([...graph.nodes.flatMap((n) => n.tags), ...graph.alerts.flatMap((a) => a.tags)]);
    expect(all.filter((id) => techniqueName(id) === null)).toEqual([]);
  });
});

describe('severity', () => {
  it('follows the order of Falco', () => {
    expect(rank('Emergency')).toBe(0);
    expect(rank('critical')).toBeLessThan(rank('Error'));
    expect(rank('nonsense')).toBeGreaterThan(rank('Debug'));
    expect(tone('Alert')).toBe('critical');
    expect(tone(null)).toBe('info');
    expect(worst(attack().alerts)).toBe('Critical');
    expect(worst([])).toBeNull();
  });
});

describe('addresses', () => {
  it('are read and written', () => {
    expect(parse('/', '')).toEqual({ page: 'list' });
    const look = { view: 'graph', from: null, to: null, search: '', open: [], against: null, camera: null, embed: false };
    expect(parse('/g/abc', '?at=17954')).toEqual({ page: 'graph', id: 'abc', at: '17954', node: null, look });
    expect(parse('/g/abc', '?at=<b>&node=p:1')).toEqual({ page: 'graph', id: 'abc', at: null, node: 'p:1', look });
    expect(parse('/g/%E0%A4%A', '')).toEqual({ page: 'graph', id: '%E0%A4%A', at: null, node: null, look });
    expect(parse('/else', '')).toEqual({ page: 'unknown' });
    expect(graphUrl('abc', '5', 'p:1')).toBe('/g/abc?at=5&node=p:1');
    expect(graphUrl('a/b?c')).toBe('/g/a%2Fb%3Fc');
  });

  it('carry all of a view, there and back', () => {
    const look: Look = {
      view: 'tree', from: '17', to: '18', search: 'tag:T1059 "a b"&c', open: ['p:0123456789abcdef'], against: 'f'.repeat(32),
      camera: { x: -12, y: 3456, k: 0.8 }, embed: true,
    };
    const url = new URL(graphUrl('abc', '5', 'p:1', look), 'http://localhost');
    expect(parse(url.pathname, url.search)).toEqual({ page: 'graph', id: 'abc', at: '5', node: 'p:1', look });
  });

  it('that nobody made open nothing strange', () => {
    const route = parse('/g/abc', '?from=-1&to=x&open=<b>,p:1&against=../..&cam=1,2&view=evil');
    expect(route).toMatchObject({ look: { view: 'graph', from: null, to: null, open: [], against: null, camera: null } });
    expect(parse('/g/abc', '?cam=0,0,999')).toMatchObject({ look: { camera: null } });
  });
});

describe('sparkline', () => {
  const bucket = (t: bigint, ops: number) => ({ t: String(t), ops, rbytes: 1, wbytes: 2 });

  it('shows each beat of a beacon apart', () => {
    const series = Array.from({ length: 15 }, (_, i) => bucket(BigInt(i) * 2_000_000_000n, 5));
    const drawn = bars(series, 0n, 73_000_000_000n, 360, 36);
    expect(drawn).toHaveLength(15);
    expect(new Set(drawn.map((b) => b.h))).toEqual(new Set([36]));
  });

  it('keeps small traffic visible beside large, and sums what falls together', () => {
    const drawn = bars([bucket(0n, 1), bucket(1n, 1), bucket(100n, 1_000_000)], 0n, 100n, 40, 30);
    expect(drawn.map((b) => [b.x, b.ops])).toEqual([[0, 2], [36, 1_000_000]]);
    expect(drawn[0]?.h).toBeGreaterThanOrEqual(2);
    expect(drawn[1]?.h).toBe(30);
  });

  it('takes buckets outside the window and a window of no length', () => {
    expect(bars([bucket(5n, 1), bucket(999n, 1)], 10n, 20n, 40, 30).map((b) => b.x)).toEqual([0, 36]);
    expect(bars([bucket(5n, 1)], 5n, 5n, 40, 30)).toHaveLength(1);
    expect(bars([], 0n, 1n, 40, 30)).toEqual([]);
  });
});

describe('errno', () => {
  it('has names for refusals', () => {
    expect(errno(-13)).toBe('EACCES');
    expect(errno(-1)).toBe('EPERM');
    expect(errno(-9999)).toBe('-9999');
  });
});
