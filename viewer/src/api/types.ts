/** Graph JSON v1 and the API around it. Times and object ids are decimal strings: they exceed 2^53. */

/** Nanoseconds since 1970, as a decimal string. */
export type Ns = string;

export type Priority =
  | 'Emergency'
  | 'Alert'
  | 'Critical'
  | 'Error'
  | 'Warning'
  | 'Notice'
  | 'Informational'
  | 'Debug';

export interface Container {
  id: string;
  name: string | null;
  image: string | null;
}

export interface Instance {
  pid: number;
  oid: string;
  first: Ns;
  last: Ns;
  exit: number | null;
}

export interface Bucket {
  t: Ns;
  ops: number;
  rbytes: number;
  wbytes: number;
}

/** One file (has `path`) or one remote endpoint (has `endpoint`) of an aggregate node. */
export interface Sample {
  path?: string;
  /** Result of a refused or failed operation, a negative errno. */
  ret?: number | null;
  endpoint?: string;
  ip?: string;
  port?: number;
  proto?: string;
  direction?: 'in' | 'out';
  ops: string[];
  count: number;
  rbytes: number;
  wbytes: number;
  first: Ns;
  last: Ns;
}

export type NodeKind = 'process' | 'files' | 'net';

export interface GraphNode {
  id: string;
  kind: NodeKind;
  label: string;
  exe: string;
  args: string;
  user: string | null;
  uid: number;
  tty: boolean;
  container: Container | null;
  instances: Instance[];
  tags: string[];
  alerts: string[];
  first: Ns;
  last: Ns;
  ops: number;
  rbytes: number;
  wbytes: number;
  targets: number;
  series: Bucket[];
  samples: Sample[];
  folded: number;
}

export type EdgeKind = 'CLONE' | 'EXEC' | 'SETUID' | 'EXIT' | 'FF' | 'FE' | 'NF';

export interface GraphEdge {
  from: string;
  to: string;
  kind: EdgeKind;
  first: Ns;
  last: Ns;
  count: number;
  rbytes: number;
  wbytes: number;
}

export interface Alert {
  id: string;
  /** RFC 3339 with nanoseconds. */
  time: string;
  priority: Priority;
  rule: string;
  source: string;
  hostname: string;
  tags: string[];
  output: string;
  output_fields: Record<string, unknown>;
}

export interface Loss {
  from: Ns;
  to: Ns;
  events: number;
  records: number;
  cause: string;
}

export interface Graph {
  version: number;
  id: string | null;
  node: string;
  window: { from: Ns; to: Ns };
  truncated: boolean;
  root: string | null;
  parent: string | null;
  lost: Loss[];
  nodes: GraphNode[];
  edges: GraphEdge[];
  alerts: Alert[];
}

export interface GraphSummary {
  id: string;
  node: string;
  root: { exe: string; args: string; pid: number; user: string | null } | null;
  container: Container | null;
  first: Ns;
  last: Ns;
  records: number;
  processes: number;
  alerts: number;
  severity: Priority | null;
  tags: string[];
  rules: string[];
  parent: string | null;
}

export interface GraphList {
  graphs: GraphSummary[];
  total: number;
}

export interface AlertList {
  alerts: Alert[];
  total: number;
}
