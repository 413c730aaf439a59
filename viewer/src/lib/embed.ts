/** A graph in a frame of another page: which one, and with which right. */

export interface Asked {
  id: string;
  at: string | null;
  node: string | null;
  /** Good for this graph and some minutes. */
  token: string;
  /** Address below which the API is, without a slash at its end. */
  base: string;
}

/** What an address such as `…/embed/g/{id}?token=…&at=…` asks for; `null` when it is not one. */
export function parse(address: Pick<Location, 'protocol' | 'host' | 'pathname' | 'search'>): Asked | null {
  const match = /^(.*)\/embed\/g\/([0-9a-f]{32})\/?$/.exec(address.pathname);
  const query = new URLSearchParams(address.search);
  const token = query.get('token');
  if (match?.[2] === undefined || token === null || !/^[A-Za-z0-9._~-]+$/.test(token)) return null;
  const at = query.get('at');
  return {
    id: match[2], token, at: at !== null && /^\d{1,20}$/.test(at) ? at : null, node: query.get('node'),
    // Not `origin`: a sandboxed frame's is null, while its address still says where it was loaded from.
    base: `${address.protocol}//${address.host}${match[1] ?? ''}`,
  };
}

type Fetch = typeof globalThis.fetch;

/**
 * `fetch` for a frame: what the page asks of `/api/v1/…` goes to where the frame was loaded from, with the token and
 * without cookies. Nothing else is asked for.
 */
export function granted(fetch: Fetch, { token, base }: Pick<Asked, 'token' | 'base'>): Fetch {
  return (input, init) => {
    const path = typeof input === 'string' ? input : input instanceof URL ? input.href : input.url;
    if (!path.startsWith('/api/v1/')) return Promise.reject(new TypeError(`not asked for in a frame: ${path}`));
    const headers = new Headers(init?.headers);
    headers.set('Authorization', `Embed ${token}`);
    return fetch(base + path, { ...init, headers, credentials: 'omit' });
  };
}
