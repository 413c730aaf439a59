import { describe, expect, it } from 'vitest';
import { granted, parse } from '../src/lib/embed.ts';

const ID = '0123456789abcdef0123456789abcdef';
const at = (path: string) => parse(new URL(path, 'http://ui.example:2803') as unknown as Location);

describe('parse', () => {
  it('reads graph, time and permission, below any path', () => {
    expect(at(`/falco/sysflow/embed/g/${ID}?token=a.b-c_1~&at=17`)).toEqual({
      id: ID, at: '17', node: null, token: 'a.b-c_1~', base: 'http://ui.example:2803/falco/sysflow',
    });
    expect(at(`/embed/g/${ID}?token=t`)?.base).toBe('http://ui.example:2803');
  });

  it('refuses what is no graph or has no permission', () => {
    for (const path of [`/embed/g/${ID}`, `/embed/g/${ID}?token=`, `/embed/g/${ID}?token=%0a`, '/embed/g/../x?token=t', `/g/${ID}?token=t`]) {
      expect(at(path), path).toBeNull();
    }
  });
});

describe('granted', () => {
  const calls: [string, RequestInit][] = [];
  const inner = ((input: string, init: RequestInit) => {
    calls.push([input, init]);
    return Promise.resolve(new Response('{}'));
  }) as typeof fetch;
  const fetched = granted(inner, { token: 'TOKEN', base: 'http://ui/sysflow' });

  it('asks where the frame came from, with the token and no cookie', async () => {
    await fetched(`/api/v1/graphs/${ID}`, { headers: { Accept: 'application/json' }, credentials: 'same-origin' });
    const [url, init] = calls.at(-1) ?? ['', {}];
    expect(url).toBe(`http://ui/sysflow/api/v1/graphs/${ID}`);
    expect(init.credentials).toBe('omit');
    expect(Object.fromEntries(new Headers(init.headers))).toEqual({ accept: 'application/json', authorization: 'Embed TOKEN' });
  });

  it('gives the token to nobody else', async () => {
    const before = calls.length;
    for (const url of ['https://evil.example/api/v1/graphs', '//evil.example/api/v1/', '/other']) {
      await expect(fetched(url)).rejects.toThrow(TypeError);
    }
    expect(calls.length).toBe(before);
  });
});
