import { describe, expect, it } from 'vitest';
import { bytes, clock, count, duration, full, isoNs, ns, plural, range } from '../src/lib/format.ts';

const EXPLOIT = 1795489172532306532n;

describe('numbers', () => {
  it.each([
    [0, '0 B'],
    [926, '926 B'],
    [999.4, '999 B'],
    [999.6, '1.00 kB'],
    [3126, '3.13 kB'],
    [99_960, '100 kB'],
    [936_965, '937 kB'],
    [999_500, '1.00 MB'],
    [1_025_353, '1.03 MB'],
    [5e18, '5000 PB'],
    [-1, '–'],
    [Number.NaN, '–'],
  ])('%d bytes are %s', (n, text) => {
    expect(bytes(n)).toBe(text);
  });

  it('counts with separators and plurals', () => {
    expect(count(1_025_353)).toBe('1,025,353');
    expect(plural(1, 'file')).toBe('1 file');
    expect(plural(2, 'child', 'children')).toBe('2 children');
  });
});

describe('time', () => {
  it('keeps nanoseconds, which Date would lose', () => {
    expect(isoNs('2026-11-24T02:59:32.532306532Z')).toBe(EXPLOIT);
    expect(isoNs('2026-11-24T03:59:32.532306532+01:00')).toBe(EXPLOIT);
    expect(isoNs('2026-11-24T02:59:32Z')).toBe(1795489172000000000n);
    expect(full(EXPLOIT)).toBe('24 Nov 2026, 02:59:32.532306532 UTC');
    expect(clock(EXPLOIT)).toBe('02:59:32.532');
  });

  it('takes no nonsense', () => {
    for (const bad of ['', 'now', '2026-11-24', '2026-13-99T99:99:99Z', '<b>']) expect(isoNs(bad)).toBe(0n);
    for (const bad of ['', '-1', '1e9', '0x10', '9'.repeat(40)]) expect(ns(bad)).toBe(0n);
  });

  it('names the second date only when it differs', () => {
    expect(range(EXPLOIT, EXPLOIT + 60_000_000_000n)).toBe('24 Nov 2026, 02:59:32 – 03:00:32 UTC');
    expect(range(EXPLOIT, EXPLOIT + 86_400_000_000_000n)).toBe('24 Nov 2026, 02:59:32 – 25 Nov 2026, 02:59:32 UTC');
  });

  it.each([
    [450_000n, '450 µs'],
    [3_200_000n, '3.2 ms'],
    [82_000_000n, '82 ms'],
    [7_860_000_000n, '7.9 s'],
    [59_600_000_000n, '1 m 0 s'],
    [73_620_000_000n, '1 m 14 s'],
    [7_380_000_000_000n, '2 h 3 m'],
    [180_000_000_000_000n, '2 d 2 h'],
    [-1n, '–'],
  ])('%d ns is %s', (length, text) => {
    expect(duration(length)).toBe(text);
  });
});
