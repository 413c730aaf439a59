import { describe, expect, it } from 'vitest';
import { build } from '../src/lib/model.ts';
import { find, parseSearch, term } from '../src/lib/search.ts';
import { attack, hostile } from './fixtures/story.mjs';

const model = build(attack());
const labels = (query: string): string[] =>
  find(model, query).map((id) => {
    const view = model.views.get(id);
    return view?.node.kind === 'process' ? view.node.label : `${view?.node.kind} of ${view?.parent?.node.label}`;
  });

describe('search', () => {
  it.each([
    ['exfil.py', ['sh', 'curl', 'files of curl', 'python3', 'files of python3']],
    ['EXFIL.PY curl', ['sh', 'curl']],
    ['file:/etc/shadow', ['files of python3']],
    ['exe:/usr/bin/python3.11', ['python3']],
    ['ip:203.0.113.99', ['net of python3']],
    ['port:8443', ['net of python3']],
    ['port:844', []],
    ['pid:10394', ['sh']],
    ['tag:T1053', ['python3']],
    ['tag:"Unix Shell"', ['sh']],
    ['rule:"web server"', ['sh']],
    ['"python3 /tmp"', ['sh']],
    ['nothing-like-this', []],
    ['   ', []],
  ])('%s', (query, wanted) => {
    expect(labels(query)).toEqual(wanted);
  });

  it('reads keys it knows, and takes others for words', () => {
    expect(parseSearch('USER:node http://x:80 exe:"a b"')).toEqual([
      { key: 'user', text: 'node' }, { key: null, text: 'http://x:80' }, { key: 'exe', text: 'a b' },
    ]);
    expect(parseSearch('user:')).toEqual([{ key: null, text: 'user:' }]);
  });

  it('writes a term so that it reads it again', () => {
    for (const value of ['/tmp/a b', '/etc/passwd', 'x"y z']) {
      expect(parseSearch(term('file', value))).toEqual([{ key: 'file', text: value.replaceAll('"', '') }]);
    }
  });

  it('is quick on arguments of 64 KiB', () => {
    const strange = build(hostile());
    const started = process.cpuUsage();
    find(strange, 'A'.repeat(200));
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(200);
  });
});
