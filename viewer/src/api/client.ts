import type { AlertList, Graph, GraphLink, GraphList, RecordPage, Timeline, Traffic } from './types.ts';

/** Why a request gave no data: the server said so (`status`), or it was not reached (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly detail: string;

  constructor(status: number, title: string, detail: string) {
    super(title);
    this.status = status;
    this.detail = detail;
  }
}

export async function refusal(response: Response): Promise<ApiError> {
  const fallback = `The server answered with status ${response.status}.`;
  try {
    const problem = (await response.json()) as { title?: unknown; detail?: unknown };
    const text = (v: unknown): string => (typeof v === 'string' ? v : '');
    return new ApiError(response.status, text(problem.title) || fallback, text(problem.detail));
  } catch {
    return new ApiError(response.status, fallback, '');
  }
}

/**
 * One resource that is asked for again and again. `refresh` answers `null` when nothing has
 * changed, so that an idle page neither parses nor redraws.
 */
export class Resource<T> {
  readonly #url: string;
  #etag: string | null = null;
  #body = '';

  constructor(url: string) {
    this.#url = url;
  }

  async refresh(signal: AbortSignal): Promise<T | null> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (this.#etag !== null) headers['If-None-Match'] = this.#etag;
    let response: Response;
    let body: string;
    try {
      response = await fetch(this.#url, { headers, signal, cache: 'no-store', credentials: 'same-origin' });
      if (response.status === 304) return null;
      if (!response.ok) throw await refusal(response);
      body = await response.text();
    } catch (error) {
      if (error instanceof ApiError || signal.aborted) throw error;
      throw new ApiError(0, 'The SysFlow processor does not answer.', '');
    }
    this.#etag = response.headers.get('ETag');
    if (body === this.#body) return null;
    let parsed: T;
    try {
      parsed = JSON.parse(body) as T;
    } catch {
      throw new ApiError(response.status, 'The answer is not JSON.', this.#url);
    }
    this.#body = body;
    return parsed;
  }
}

export function graphs(query: string): Resource<GraphList> {
  const q = query === '' ? '' : `&q=${encodeURIComponent(query)}`;
  return new Resource(`/api/v1/graphs?limit=200${q}`);
}

export function alerts(): Resource<AlertList> {
  return new Resource('/api/v1/alerts?limit=50');
}

/** Which part of a graph is asked for. */
export interface GraphQuery {
  /** Time (ns) or node at the centre. */
  around?: string | null;
  from?: string | null;
  to?: string | null;
  /** Nodes shown at most. */
  maxNodes?: number | null;
  /** Folds and aggregate nodes to be opened. */
  expand?: readonly string[];
}

export function graph(id: string, query: GraphQuery = {}): Resource<Graph> {
  const asked = new URLSearchParams();
  if (query.around) asked.set('around', query.around);
  if (query.from) asked.set('from', query.from);
  if (query.to) asked.set('to', query.to);
  if (query.maxNodes) asked.set('max_nodes', String(query.maxNodes));
  for (const node of query.expand ?? []) asked.append('expand', node);
  return new Resource(`${base(id)}${asked.size === 0 ? '' : `?${asked}`}`);
}

/** The records behind a node, oldest first, one page at a time. */
export function records(id: string, node: string, after: string | number | null, signal: AbortSignal): Promise<RecordPage | null> {
  const asked = new URLSearchParams({ node, limit: '50' });
  if (after !== null) asked.set('after', String(after));
  return part(`${base(id)}/records?${asked}`, signal);
}

export function timeline(id: string, bins: number, signal: AbortSignal): Promise<Timeline | null> {
  return part(`${base(id)}/timeline?bins=${bins}`, signal);
}

/** The part of the graph that `node` came from or led to. */
export function trace(id: string, node: string, direction: Direction, signal: AbortSignal): Promise<Graph | null> {
  return part(`${base(id)}/trace?${new URLSearchParams({ node, direction })}`, signal);
}

export type Direction = 'back' | 'forward' | 'root';

/** Both graphs in one document, each node and edge marked by how it differs. */
export function diff(id: string, other: string, signal: AbortSignal): Promise<Graph | null> {
  return part(`${base(id)}/diff?${new URLSearchParams({ other })}`, signal);
}

export async function links(id: string, signal: AbortSignal): Promise<GraphLink[] | null> {
  const found = await part<{ links: GraphLink[] }>(`${base(id)}/links`, signal);
  return found?.links ?? null;
}

export function traffic(id: string, signal: AbortSignal): Promise<Traffic | null> {
  return part(`${base(id)}/traffic`, signal);
}

/** Address of the stream that tells of each new revision of a graph. */
export function streamUrl(id: string): string {
  return `${base(id)}/stream`;
}

function base(id: string): string {
  return `/api/v1/graphs/${encodeURIComponent(id)}`;
}

/** `null` for a route that this processor does not have: the page then does without. */
async function part<T>(url: string, signal: AbortSignal): Promise<T | null> {
  try {
    return await new Resource<T>(url).refresh(signal);
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 501)) return null;
    throw error;
  }
}
