export type Route =
  | { page: 'list' }
  | { page: 'graph'; id: string; at: string | null; node: string | null }
  | { page: 'unknown' };

/** What an address of this site shows. */
export function parse(pathname: string, search: string): Route {
  if (pathname === '/' || pathname === '/index.html') return { page: 'list' };
  const match = /^\/g\/([^/]+)\/?$/.exec(pathname);
  if (match?.[1] === undefined) return { page: 'unknown' };
  const query = new URLSearchParams(search);
  const at = query.get('at');
  return {
    page: 'graph',
    id: decode(match[1]),
    at: at !== null && /^\d{1,20}$/.test(at) ? at : null,
    node: query.get('node'),
  };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Address of a graph, optionally at an alert's time (ns) or with a node selected. */
export function graphUrl(id: string, at?: string | null, node?: string | null): string {
  const query = [];
  if (at) query.push(`at=${encodeURIComponent(at)}`);
  if (node) query.push(`node=${encodeURIComponent(node).replaceAll('%3A', ':')}`);
  return `/g/${encodeURIComponent(id)}${query.length === 0 ? '' : `?${query.join('&')}`}`;
}
