import { describe, expect, it } from 'vitest';
import { eventsUrl } from '../src/lib/backlink.ts';
import { apply, charAt, complete } from '../src/lib/complete.ts';
import { slots } from '../src/lib/histogram.ts';
import { add, load, save, type Entry } from '../src/lib/history.ts';
import { csv, since } from '../src/lib/hunt.ts';
import { read, write } from '../src/lib/overview.ts';
import { parse } from '../src/lib/route.ts';
import { layout, outline } from '../src/lib/sankey.ts';
import type { GraphSummary } from '../src/api/types.ts';

const FIELDS = ['sf.proc.exe', 'sf.proc.name', 'sf.net.dip', 'sf.net.dport', 'evt.type'].map((name) => ({ name, type: 'text', description: name }));
const known = { fields: FIELDS, operators: ['=', '!=', '>=', 'contains', 'startswith', 'in', 'and', 'or', 'not'] };
/** Suggestions at the bar in a text. */
const at = (text: string): string[] => {
  const caret = text.indexOf('|');
  return complete(text.replace('|', ''), caret, known).suggestions.map((s) => s.text);
};

describe('complete', () => {
  it('offers fields by any part of their name', () => {
    expect(at('|').length).toBe(5);
    expect(at('sf.pr|')).toEqual(['sf.proc.exe', 'sf.proc.name']);
    expect(at('dp|')).toEqual(['sf.net.dport']);
    expect(at('sf.proc.exe = a and (d|')).toEqual(['sf.net.dip', 'sf.net.dport']);
    expect(at('no|')).toEqual(['not']);
  });

  it('offers operators after a field, and nothing for a value', () => {
    expect(at('sf.proc.exe |')).toContain('startswith');
    expect(at('sf.proc.exe c|')).toEqual(['contains']);
    expect(at('sf.net.dport >|')).toEqual(['>=']);
    expect(at('sf.proc.exe = |')).toEqual([]);
    expect(at('sf.proc.exe = pyt|')).toEqual([]);
    expect(at('sf.proc.exe in (a, |')).toEqual([]);
    expect(at('sf.proc.exe = "sf.|')).toEqual([]);
    expect(at('sf.proc.exe = x |')).toEqual(['and', 'or', 'not']);
  });

  it('replaces the whole word around the caret', () => {
    const text = 'sf.pro.exx = 1';
    const found = complete(text, 6, { ...known, fields: [{ name: 'sf.pro.exe', type: '', description: '' }] });
    const [first] = found.suggestions;
    if (first === undefined) throw new Error('nothing is offered');
    expect(apply(text, found, first)).toEqual(['sf.pro.exe = 1', 11]);
  });

  it('finds characters by bytes', () => {
    expect(charAt('ä€😀x', 0)).toBe(0);
    expect(charAt('ä€😀x', 2)).toBe(1);
    expect(charAt('ä€😀x', 9)).toBe(4);
    expect(charAt('ab', 99)).toBe(2);
  });
});

const graph = (last: string, severity: GraphSummary['severity']): GraphSummary => ({
  id: last.padStart(32, '0'), node: 'n', root: null, container: null, first: last, last, records: 1, processes: 1, alerts: 0, severity, tags: [], rules: [], parent: null,
});

describe('slots', () => {
  it('counts every graph once, in slots of a width that people know', () => {
    const times = ['0', '1000000000', '59000000000', '3600000000000'];
    const made = slots(times.map((t, i) => graph(t, i === 0 ? 'Critical' : null)), 48);
    expect(made.reduce((n, slot) => n + slot.total, 0)).toBe(4);
    expect(made[0]?.counts.critical).toBe(1);
    expect(made.length).toBeLessThanOrEqual(48);
    expect((made[0]?.to ?? 0n) - (made[0]?.from ?? 0n)).toBe(300_000_000_000n);
    expect(slots([])).toEqual([]);
    expect(slots([graph('5', null)]).length).toBe(1);
  });
});

describe('sankey', () => {
  const node = (id: string, kind: 'container' | 'process' | 'endpoint') => ({ id, kind, label: id });
  const link = (from: string, to: string, bytes: number, alerts = 0) => ({ from, to, bytes, count: 1, alerts });

  it('keeps columns, makes heights of what flows, and bands that touch their boxes', () => {
    const nodes = [node('c', 'container'), node('p', 'process'), node('q', 'process'), node('e', 'endpoint')];
    const drawn = layout({ nodes, links: [link('c', 'p', 300), link('c', 'q', 100), link('p', 'e', 300), link('q', 'e', 100)] }, 'bytes', 900, 400);
    const box = (id: string) => drawn.boxes.find((b) => b.id === id);
    expect(box('c')?.x).toBe(0);
    expect((box('p')?.h ?? 0) / (box('q')?.h ?? 1)).toBeCloseTo(3, 1);
    for (const band of drawn.bands) {
      expect(band.y0).toBeGreaterThanOrEqual(band.from.y - 0.01);
      expect(band.y0 + band.h).toBeLessThanOrEqual(band.from.y + band.from.h + 0.01);
      expect(band.y1 + band.h).toBeLessThanOrEqual(band.to.y + band.to.h + 0.01);
      expect(outline(band)).toMatch(/^M[\d.-]+ [\d.-]+C.*Z$/);
    }
  });

  it('folds the rest, but never what has alerts, and loses nothing', () => {
    const nodes = [node('p', 'process'), ...Array.from({ length: 40 }, (_, i) => node(`e${i}`, 'endpoint'))];
    const links = Array.from({ length: 40 }, (_, i) => link('p', `e${i}`, 1000 - i, i === 39 ? 1 : 0));
    const drawn = layout({ nodes, links }, 'bytes', 900, 400, 10);
    const ends = drawn.boxes.filter((b) => b.kind === 'endpoint');
    expect(ends.length).toBe(10);
    expect(ends.some((b) => b.id === 'e39')).toBe(true);
    expect(ends.reduce((n, b) => n + b.stands, 0)).toBe(40);
    expect(drawn.bands.reduce((n, b) => n + b.bytes, 0)).toBe(links.reduce((n, l) => n + l.bytes, 0));
  });

  it('survives odd numbers and links to nowhere', () => {
    const nodes = [node('c', 'container'), node('p', 'process')];
    const drawn = layout({ nodes, links: [link('c', 'p', 0), link('c', 'gone', 5), link('p', 'p', 1), link('c', 'p', -3)] }, 'bytes', 900, 400);
    expect(drawn.bands.length).toBe(1);
    for (const box of drawn.boxes) expect(Number.isFinite(box.y) && Number.isFinite(box.h)).toBe(true);
    expect(layout({ nodes: [], links: [] }, 'count', 900, 400).bands).toEqual([]);
  });
});

describe('history', () => {
  const entry = (text: string): Entry => ({ kind: 'condition', text, since: '24h', at: 1 });
  const storage = (kept: string | null) => ({ getItem: () => kept, setItem: () => { throw new Error('full'); } });

  it('keeps the newest once, and at most fifty', () => {
    let all: Entry[] = [];
    for (let i = 0; i < 60; i += 1) all = add(all, entry(`q${i}`));
    expect(all.length).toBe(50);
    expect(add(all, entry('q30'))[0]?.text).toBe('q30');
    expect(add(all, entry('q30')).length).toBe(50);
    expect(add(all, entry('  '))).toEqual(all);
  });

  it('trusts nothing that it reads, and does without a store', () => {
    for (const kept of ['', '{}', '[1,null,{"kind":"x"}]', 'not json']) expect(load(storage(kept))).toEqual([]);
    expect(load(storage(JSON.stringify([entry('a')])))).toEqual([entry('a')]);
    expect(load(null)).toEqual([]);
    expect(() => save(storage(null), [entry('a')])).not.toThrow();
  });
});

describe('hunt', () => {
  it('says since when', () => {
    expect(since('15m', Date.UTC(2026, 10, 24, 3))).toBe('2026-11-24T02:45:00.000Z');
    expect(since('all', 0)).toBeNull();
  });

  it('writes CSV that a spreadsheet does not run', () => {
    const columns = [{ name: 'a', type: '' }, { name: 'b,c', type: '' }];
    expect(csv({ columns, rows: [['=1+1', -3], ['x"y', null], ['two\nlines', ['p', 'q']]] })).toBe('a,"b,c"\r\n\'=1+1,-3\r\n"x""y",\r\n"two\nlines","[""p"",""q""]"\r\n');
  });
});

describe('addresses', () => {
  it('keep what the overview shows, and nothing that makes no sense', () => {
    const shown = { view: 'attack', q: 'a b', filter: 'sf.x = "1"', severity: 'Error', technique: 'T1059.004' } as const;
    expect(read(write(shown))).toEqual(shown);
    expect(write(read(''))).toBe('');
    expect(read('?view=x&severity=evil&technique=<b>')).toEqual(read(''));
    expect(parse('/events', '')).toEqual({ page: 'events' });
    expect(parse('/hunt', '')).toEqual({ page: 'hunt' });
  });

  it('lead to the events of a graph in Falcosidekick-UI, of both kinds', () => {
    const id = '0123456789abcdef0123456789abcdef';
    const now = 10n ** 18n;
    const hour = 3_600_000_000_000n;
    expect(eventsUrl('https://ui/#/events?since={since}&filter={graph}', id, now - hour, now)).toBe(`https://ui/#/events?since=24h&filter=${id}`);
    expect(eventsUrl('https://ui/events?since={since}&filter={graph}', id, now - 100n * hour, now)).toBe(`https://ui/events?since=1w&filter=${id}`);
    expect(eventsUrl('javascript:alert(1)//{graph}', id, now, now)).toBeNull();
    expect(eventsUrl('https://ui/{graph}', '<b>', now, now)).toBeNull();
    expect(eventsUrl(null, id, now, now)).toBeNull();
  });
});
