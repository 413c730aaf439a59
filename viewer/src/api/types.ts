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

/** `file` and `endpoint` are the parts of an aggregate node that was opened. */
export type NodeKind = 'process' | 'files' | 'net' | 'file' | 'endpoint';

/** How a node or an edge differs from the graph that this one is compared with. */
export type Change = 'added' | 'removed' | 'changed' | 'same';

/** What a node hides: siblings of one pattern, or what the budget left out. */
export interface Fold {
  count: number;
  by: 'argument' | 'path' | 'network' | 'budget';
  pattern: string;
  /** Node id to ask for with `expand`; `null` when this fold cannot be opened. */
  opens: string | null;
}

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
  /** A number in the first form of the document: so many targets are not listed. */
  folded: Fold | number | null;
  change?: Change;
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
  change?: Change;
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
  at?: Ns;
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
  /** `false` while older parts of the window are not loaded. */
  complete?: boolean;
  root: string | null;
  parent: string | null;
  lost: Loss[];
  nodes: GraphNode[];
  edges: GraphEdge[];
  alerts: Alert[];
  /** The other side of a comparison. */
  against?: { id?: string | null; profile?: string | null };
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

/** One raw record, as the processor tells it: objects of attributes. */
export type RawRecord = Record<string, unknown>;

export interface RecordPage {
  records: { number: number; node: string | null; record: RawRecord }[];
  next: string | number | null;
}

export interface Timeline {
  from: Ns;
  to: Ns;
  /** Width of a bin in nanoseconds. */
  width: Ns | number;
  bins: { at: Ns; events: number; rbytes: number; wbytes: number }[];
  alerts: { at: Ns; id: string; priority: Priority; rule: string }[];
  lost: Loss[];
}

export interface Beacon {
  period_ns: number;
  jitter: number;
  score: number;
}

export interface TrafficRow {
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
  series: { at: Ns; width: Ns | number; egress: number; ingress: number }[];
  by: TrafficRow[];
}

export interface GraphLink {
  graph: string;
  kind: 'parent' | 'child' | 'file' | 'connection';
  label: string;
  at: Ns;
}
