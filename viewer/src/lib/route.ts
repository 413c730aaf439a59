export type Route =
  | { page: 'list' }
  | { page: 'events' }
  | { page: 'hunt' }
  | { page: 'graph'; id: string; at: string | null; node: string | null; look: Look }
  | { page: 'unknown' };

/** How a graph is looked at, beside its time and node: all that a link to it carries. */
export interface Look {
  view: 'graph' | 'tree';
  /** Time that is picked out, in ns. */
  from: string | null;
  to: string | null;
  search: string;
  /** Nodes of which more children are drawn. */
  open: string[];
  /** Graph that it is compared with. */
  against: string | null;
  /** Middle of the picture in its own units, and the scale. */
  camera: { x: number; y: number; k: number } | null;
  /** Without the frame around the picture, for a page that shows it within. */
  embed: boolean;
}

/** Ids that a link opens at most: an address is not a database. */
const MOST_OPEN = 40;

/** What an address of this site shows. */
export function parse(pathname: string, search: string): Route {
  if (pathname === '/' || pathname === '/index.html') return { page: 'list' };
  if (pathname === '/events') return { page: 'events' };
  if (pathname === '/hunt') return { page: 'hunt' };
  const match = /^\/g\/([^/]+)\/?$/.exec(pathname);
  if (match?.[1] === undefined) return { page: 'unknown' };
  const query = new URLSearchParams(search);
  return {
    page: 'graph',
    id: decode(match[1]),
    at: time(query.get('at')),
    node: query.get('node'),
    look: {
      view: query.get('view') === 'tree' ? 'tree' : 'graph',
      from: time(query.get('from')),
      to: time(query.get('to')),
      search: (query.get('q') ?? '').slice(0, 200),
      open: (query.get('open') ?? '').split(',').filter((id) => /^[a-z]:[0-9a-f]{16}$/.test(id)).slice(0, MOST_OPEN),
      against: graphId(query.get('against')),
      camera: camera(query.get('cam')),
      embed: query.get('embed') === '1',
    },
  };
}

function time(text: string | null): string | null {
  return text !== null && /^\d{1,20}$/.test(text) ? text : null;
}

function graphId(text: string | null): string | null {
  return text !== null && /^[0-9a-f]{32}$/.test(text) ? text : null;
}

function camera(text: string | null): Look['camera'] {
  const match = /^(-?\d{1,7}),(-?\d{1,7}),(\d{1,3})$/.exec(text ?? '');
  if (match === null) return null;
  const k = Number(match[3]) / 100;
  return k >= 0.02 && k <= 2 ? { x: Number(match[1]), y: Number(match[2]), k } : null;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Address of a graph, optionally at an alert's time (ns), with a node selected, and looked at in some way. */
export function graphUrl(id: string, at?: string | null, node?: string | null, look: Partial<Look> = {}): string {
  const query: [string, string][] = [];
  if (at) query.push(['at', at]);
  if (node) query.push(['node', node]);
  if (look.view === 'tree') query.push(['view', 'tree']);
  if (look.from && look.to) query.push(['from', look.from], ['to', look.to]);
  if (look.search) query.push(['q', look.search]);
  if (look.against) query.push(['against', look.against]);
  if (look.open && look.open.length > 0) query.push(['open', look.open.slice(0, MOST_OPEN).join(',')]);
  if (look.camera) query.push(['cam', `${Math.round(look.camera.x)},${Math.round(look.camera.y)},${Math.round(look.camera.k * 100)}`]);
  if (look.embed) query.push(['embed', '1']);
  const readable = (text: string): string => encodeURIComponent(text).replaceAll('%3A', ':').replaceAll('%2C', ',');
  const text = query.map(([key, value]) => `${key}=${readable(value)}`).join('&');
  return `/g/${encodeURIComponent(id)}${text === '' ? '' : `?${text}`}`;
}
