import { describe, expect, it } from 'vitest';
import { brief, head, printable, split, value } from '../src/lib/text.ts';

describe('printable', () => {
  it('shows what would reorder, hide or move text', () => {
    expect(printable('gpj.exe\u202egnp.sh')).toBe('gpj.exe⟨U+202E⟩gnp.sh');
    expect(printable('a\u0000b\u001b[31mc\r\n')).toBe('a⟨NUL⟩b⟨ESC⟩[31mc⟨CR⟩↵');
    expect(printable('zero\u200bwidth\u2066\u2069\ufeff')).toBe('zero⟨U+200B⟩width⟨U+2066⟩⟨U+2069⟩⟨U+FEFF⟩');
    expect(printable('tag\u{e0041}')).toBe('tag⟨U+E0041⟩');
  });

  it('leaves every visible script alone', () => {
    for (const text of ['/srv/données', '文件', 'файл', 'ملف', '😀', '<b>&amp;"']) expect(printable(text)).toBe(text);
  });
});

describe('cutting', () => {
  it('never splits a surrogate pair', () => {
    expect(head('ab😀cd', 4)).toBe('ab…');
    expect(head('ab😀cd', 5)).toBe('ab😀…');
    expect(head('abc', 3)).toBe('abc');
  });

  it('bounds a string of any size', () => {
    expect(brief('A'.repeat(65_536), 120)).toHaveLength(120);
    expect(brief('\u202e'.repeat(65_536), 120).length).toBeLessThanOrEqual(120);
  });
});

describe('split', () => {
  it.each([
    ['/etc/shadow', '/etc/', 'shadow'],
    ['/', '', '/'],
    ['/srv/demo/', '/srv/', 'demo/'],
    ['relative', '', 'relative'],
    ['', '', ''],
  ])('%s', (path, dir, name) => {
    expect(split(path)).toEqual([dir, name]);
  });
});

describe('value', () => {
  it('makes text of any output field', () => {
    expect(value('x')).toBe('x');
    expect(value(0)).toBe('0');
    expect(value(['<i>', null])).toBe('["<i>",null]');
    expect(value(undefined)).toBe('');
  });
});
