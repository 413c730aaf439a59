import type { AlertList, Graph, GraphList } from './types.ts';

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

async function refusal(response: Response): Promise<ApiError> {
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

export function graph(id: string): Resource<Graph> {
  return new Resource(`/api/v1/graphs/${encodeURIComponent(id)}`);
}
