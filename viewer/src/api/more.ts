/** Requests of the overview, the events and the hunt. A route that an older service does not have answers 404. */

import { ApiError, Resource, refusal } from './client.ts';
import type { Alert, AlertList, Graph, GraphList, Ns, Priority } from './types.ts';

// === what the service says ===

export interface Field {
  name: string;
  type: string;
  description: string;
  class?: string;
  live?: boolean;
  stored?: boolean;
}

export interface Fields {
  fields: Field[];
  operators: string[];
}

/** `start` and `end` are byte offsets into the condition. */
export type Verdict = { ok: true } | { ok: false; message: string; start: number; end: number; help?: string | null };

export interface Technique {
  id: string;
  name: string | null;
  tactics: string[];
  url: string | null;
  first: Ns;
  count: number;
  graphs?: string[];
  nodes?: string[];
  mitigations?: { id: string; name: string; url: string }[];
}

export interface Beacon {
  period_ns: number;
  jitter: number;
  score: number;
}

export interface Talker {
  graph?: string;
  node?: string;
  endpoint: string;
  exe: string;
  egress: number;
  ingress: number;
  flows: number;
  first: Ns;
  last: Ns;
  beacon: Beacon | null;
}

export interface Traffic {
  series: { at: Ns; width: number | Ns; egress: number; ingress: number }[];
  by: Talker[];
}

export type ProjectionKind = 'container' | 'process' | 'endpoint';

export interface Projection {
  nodes: { id: string; kind: ProjectionKind; label: string }[];
  links: { from: string; to: string; bytes: number; count: number; alerts: number }[];
}

export interface Query {
  condition?: string;
  sql?: string;
  since?: string;
  until?: string;
  limit?: number;
}

export interface Rows {
  columns: { name: string; type: string }[];
  rows: unknown[][];
  truncated: boolean;
  scanned: { files: number; rows: number };
  elapsed_ms: number;
}

export interface Settings {
  /** Address of Falcosidekick-UI's list of events, with `{graph}` where a graph id goes. */
  falcosidekick_ui: string | null;
}

// === requests ===

/** What of the graphs to list. */
export interface GraphsAsked {
  q?: string;
  filter?: string;
  from?: string | null;
  to?: string | null;
  severity?: Priority | '';
}

export function listGraphs(asked: GraphsAsked): Resource<GraphList> {
  return new Resource(`/api/v1/graphs?${search({ limit: '200', ...asked })}`);
}

export interface AlertsAsked {
  graph?: string;
  source?: string;
  priority?: string;
  rule?: string;
  from?: string | null;
  limit?: string;
  after?: string;
}

export function listAlerts(asked: AlertsAsked): Resource<AlertList & { next?: string | null }> {
  return new Resource(`/api/v1/alerts?${search({ limit: '200', ...asked })}`);
}

export function attack(): Resource<{ techniques: Technique[] }> {
  return new Resource('/api/v1/attack');
}

export function traffic(from: string | null): Resource<Traffic> {
  return new Resource(`/api/v1/traffic?${search({ from })}`);
}

export function projection(from: string | null): Resource<Projection> {
  return new Resource(`/api/v1/projection?${search({ from })}`);
}

export function fields(signal: AbortSignal): Promise<Fields> {
  return ask('/api/v1/fields', { signal });
}

export function check(condition: string, signal: AbortSignal): Promise<Verdict> {
  return ask('/api/v1/conditions/check', post({ condition }, signal));
}

export function rows(query: Query, signal: AbortSignal): Promise<Rows> {
  return ask('/api/v1/query', post(query, signal));
}

export function asGraph(query: Query, signal: AbortSignal): Promise<Graph> {
  return ask('/api/v1/query', post({ ...query, as: 'graph' }, signal));
}

/** Pages of alerts older than those that are shown. */
export function olderAlerts(asked: AlertsAsked, signal: AbortSignal): Promise<AlertList & { next?: string | null }> {
  return ask(`/api/v1/alerts?${search({ limit: '200', ...asked })}`, { signal });
}

let known: Promise<Settings> | undefined;

/** Asked for once; a service that has none is as one that says nothing. */
export function settings(): Promise<Settings> {
  known ??= ask<Settings>('/api/v1/settings', {}).catch(() => ({ falcosidekick_ui: null }));
  return known;
}

// === impl ===

function search(asked: Record<string, string | null | undefined> | object): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) {
    if (typeof value === 'string' && value !== '') query.set(name, value);
  }
  return query.toString();
}

function post(body: object, signal: AbortSignal): RequestInit {
  return { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), signal };
}

async function ask<T>(url: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(url, { cache: 'no-store', credentials: 'same-origin', ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, 'The SysFlow processor does not answer.', '');
  }
  if (!response.ok) throw await refusal(response);
  try {
    return (await response.json()) as T;
  } catch {
    throw new ApiError(response.status, 'The answer is not JSON.', url);
  }
}

/** Whether an alert is one of Falco's own rules and not of ours. */
export function isFalcos(alert: Pick<Alert, 'source'>): boolean {
  return ['syscall', 'syscalls'].includes(alert.source);
}
