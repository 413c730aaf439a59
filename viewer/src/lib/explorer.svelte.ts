import { diff as diffOf, graph as graphOf, links as linksOf, timeline as timelineOf, trace as traceOf, traffic as trafficOf, type Direction } from '../api/client.ts';
import { ApiError } from '../api/client.ts';
import type { Alert, Beacon, Graph, GraphLink, Timeline, Traffic } from '../api/types.ts';
import { isoNs, ns } from './format.ts';
import { around, close, everything, open, plant, raise, reveal, scene, type Opening } from './levels.ts';
import { Live } from './live.svelte.ts';
import { build, nearest, path, title, type Model, type Span } from './model.ts';
import { graphUrl, type Look } from './route.ts';
import { find, term, type Key } from './search.ts';
import { brief } from './text.ts';
import { BINS } from './timeline.ts';
import { activeNodes, linkActive } from './within.ts';

/** Nodes that are asked for at first, and by how much "load more" raises that. */
const NODES = 2000;

/** A part of the graph that is picked out. */
export interface Traced {
  ids: ReadonlySet<string>;
  text: string;
}

/** Everything that the reader of one graph has done to it: the state of its page. */
export class Explorer {
  readonly id: string;
  readonly live: Live<Graph>;
  selected = $state<string | null>(null);
  alert = $state<string | null>(null);
  view = $state<'graph' | 'tree'>('graph');
  brush = $state.raw<Span | null>(null);
  search = $state('');
  /** Nodes without what is searched for step back. */
  only = $state(false);
  hitIndex = $state(0);
  traced = $state.raw<Traced | null>(null);
  /** Graph that this one is compared with. */
  against = $state<string | null>(null);
  notice = $state<string | null>(null);
  timeline = $state.raw<Timeline | null>(null);
  traffic = $state.raw<Traffic | null>(null);
  links = $state.raw<GraphLink[]>([]);
  /** What this processor cannot do is not offered. */
  can = $state({ expand: true, trace: true, diff: true, records: true });

  #at = $state<string | null>(null);
  #opening = $state.raw<Opening | null>(null);
  #compared = $state.raw<Graph | null>(null);
  #expanded = $state.raw<readonly string[]>([]);
  #nodes = $state(NODES);
  #whole = $state(false);
  #abort = new AbortController();

  readonly model: Model | null = $derived.by(() => {
    const graph = this.#compared ?? this.live.data;
    return graph === null ? null : build(graph);
  });
  readonly opening: Opening | null = $derived(this.#opening);
  readonly scene = $derived(this.model === null || this.#opening === null ? null : scene(this.model, this.#opening));
  readonly hits: string[] = $derived(this.model === null ? [] : find(this.model, this.search));
  readonly hitSet: ReadonlySet<string> = $derived(new Set(this.hits));
  readonly hit: string | null = $derived(this.hits[Math.min(this.hitIndex, this.hits.length - 1)] ?? null);
  /** Nodes that step back; `null` when none does. */
  readonly quiet: ReadonlySet<string> | null = $derived.by(() => {
    const { model } = this;
    if (model === null) return null;
    const filters: ReadonlySet<string>[] = [];
    if (this.brush !== null) filters.push(activeNodes(model, this.brush));
    if (this.traced !== null) filters.push(this.traced.ids);
    if (this.only && this.search.trim() !== '') filters.push(this.hitSet);
    if (filters.length === 0) return null;
    return new Set([...model.views.keys()].filter((id) => filters.some((f) => !f.has(id))));
  });
  /** Lines outside of the picked time whose ends are both within. */
  readonly quietLine: ((from: string, to: string) => boolean) | null = $derived.by(() => {
    const { model, brush } = this;
    if (model === null || brush === null) return null;
    const faint = new Set(model.links.filter((l) => !linkActive(l, brush)).map((l) => `${l.from} ${l.to}`));
    return (from, to) => faint.has(`${from} ${to}`);
  });
  /** The most regular rhythm at each network node. */
  readonly beacons: ReadonlyMap<string, Beacon> = $derived.by(() => {
    const found = new Map<string, Beacon>();
    if (this.model === null || this.traffic === null) return found;
    for (const row of this.traffic.by) {
      if (row.beacon === null) continue;
      for (const view of this.model.views.values()) {
        const { node } = view;
        if (node.kind !== 'net' && node.kind !== 'endpoint') continue;
        const best = found.get(node.id);
        const meant = node.exe === row.exe && node.samples.some((s) => s.endpoint === row.endpoint);
        if (meant && (best === undefined || best.score < row.beacon.score)) found.set(node.id, row.beacon);
      }
    }
    return found;
  });

  constructor(id: string, at: string | null, selected: string | null, look: Look) {
    this.id = id;
    this.#at = at;
    this.selected = selected;
    this.view = look.view;
    this.search = look.search;
    this.against = look.against;
    if (look.from !== null && look.to !== null && ns(look.from) < ns(look.to)) this.brush = { from: ns(look.from), to: ns(look.to) };
    this.live = new Live(graphOf(id, this.#query()));
  }

  /** Whether only the time around the alert was asked for. */
  get around(): boolean {
    return this.#at !== null && !this.#whole;
  }

  get expanded(): readonly string[] {
    return this.#expanded;
  }

  /** First look at what has come: selects, and opens around it. */
  begin(look: Look): void {
    const { model } = this;
    if (model === null || this.#opening !== null) return;
    if (this.selected === null || !model.views.has(this.selected)) {
      const found = nearest(model.alerts, this.#at);
      this.alert = found?.id ?? null;
      this.selected = (found === null ? undefined : model.nodeOf.get(found.id)) ?? model.graph.root ?? model.roots[0]?.node.id ?? null;
    }
    let opening = around(model, this.selected);
    if (this.selected !== null) opening = reveal(model, opening, this.selected);
    for (const id of look.open) opening = open(model.views.has(id) ? reveal(model, opening, id) : opening, id);
    this.#opening = opening;
    void this.#extras();
    if (this.against !== null) void this.compare(this.against);
  }

  stop(): void {
    this.#abort.abort();
  }

  select(id: string | null): void {
    this.selected = id;
    this.alert = null;
    this.show(id);
  }

  pick(alert: Alert): string | undefined {
    this.alert = alert.id;
    const to = this.model?.nodeOf.get(alert.id);
    if (to !== undefined) {
      this.selected = to;
      this.show(to);
    }
    return to;
  }

  /** Makes sure that a node is drawn. */
  show(id: string | null): void {
    if (id !== null && this.model !== null && this.#opening !== null && !(this.scene?.shown.has(id) ?? false)) {
      this.#opening = reveal(this.model, this.#opening, id);
    }
  }

  more(id: string): void {
    if (this.#opening !== null) this.#opening = open(this.#opening, id);
  }

  less(id: string): void {
    if (this.model !== null && this.#opening !== null) this.#opening = close(this.model, this.#opening, id);
  }

  raise(): void {
    if (this.model !== null && this.#opening !== null) this.#opening = raise(this.model, this.#opening);
  }

  plant(): void {
    if (this.#opening !== null) this.#opening = plant(this.#opening);
  }

  all(): void {
    if (this.model !== null) this.#opening = everything(this.model);
  }

  /** Goes to the next hit, or back; answers its id. */
  step(by: 1 | -1): string | null {
    if (this.hits.length === 0) return null;
    this.hitIndex = (this.hitIndex + by + this.hits.length) % this.hits.length;
    this.show(this.hit);
    return this.hit;
  }

  find(query: string): void {
    this.search = query;
    this.hitIndex = 0;
    if (query.trim() === '') this.only = false;
  }

  filter(key: Key, text: string): void {
    this.find(term(key, text));
    this.only = true;
    this.show(this.hit);
  }

  /** Opens a fold or an aggregate node, or closes it again. */
  expand(id: string): void {
    const view = this.model?.views.get(id);
    // What a fold opens into are its siblings: there must be room for them.
    if (view?.node.kind === 'process' && view.parent !== null) this.more(view.parent.node.id);
    this.#expanded = this.#expanded.includes(id) ? this.#expanded.filter((e) => e !== id) : [...this.#expanded, id];
    this.#ask();
  }

  /** What the processor answered to the last `expand` was a refusal: it does not know how. */
  refused(error: ApiError): boolean {
    if (this.#expanded.length === 0 || ![400, 404, 422].includes(error.status)) return false;
    this.#expanded = [];
    this.can.expand = false;
    this.notice = 'This processor cannot open folds.';
    this.#ask();
    return true;
  }

  loadMore(): void {
    this.#nodes *= 2;
    this.#ask();
  }

  /** Whether asking for more nodes can bring any: the graph itself may hold no more. */
  get short(): boolean {
    const { model } = this;
    return model !== null && model.graph.truncated && model.views.size > this.#nodes * 0.6;
  }

  wholeTime(): void {
    this.#whole = true;
    this.#ask();
  }

  /** Picks out the way from the root, from the model alone. */
  pathToRoot(): void {
    const view = this.selected === null ? undefined : this.model?.views.get(this.selected);
    if (view === undefined) return;
    this.traced = { ids: path(view), text: `Path from the root to ${brief(title(view.node), 60)}` };
    if (this.#opening !== null && this.model !== null) this.#opening = reveal(this.model, this.#opening, view.node.id);
  }

  async trace(direction: Direction): Promise<void> {
    const view = this.selected === null ? undefined : this.model?.views.get(this.selected);
    if (view === undefined) return;
    const found = await this.#try(traceOf(this.id, view.node.id, direction, this.#abort.signal));
    if (found === null) {
      if (this.notice === null) this.can.trace = false;
      return;
    }
    const known = found.nodes.map((n) => n.id).filter((id) => this.model?.views.has(id));
    const verb = direction === 'back' ? 'What led to' : direction === 'forward' ? 'What came of' : 'Path from the root to';
    const outside = found.nodes.length - known.length;
    this.traced = { ids: new Set(known), text: `${verb} ${brief(title(view.node), 60)}: ${known.length} nodes${outside > 0 ? `, ${outside} more are not loaded` : ''}` };
    for (const id of known.slice(0, 200)) this.show(id);
  }

  async compare(other: string | null): Promise<void> {
    if (other === null) {
      this.against = null;
      this.#compared = null;
      return;
    }
    this.against = other;
    const found = await this.#try(diffOf(this.id, other, this.#abort.signal));
    if (found === null) {
      if (this.notice === null) this.can.diff = false;
      this.against = null;
      return;
    }
    this.#compared = { ...found, alerts: found.alerts.length > 0 ? found.alerts : (this.live.data?.alerts ?? []), id: found.id ?? this.id };
    if (this.model !== null) this.#opening = around(this.model, this.selected !== null && this.model.views.has(this.selected) ? this.selected : null);
  }

  /** Whether the processor compares graphs: asked when somebody is about to. */
  async canCompare(): Promise<boolean> {
    if (this.can.diff) this.can.diff = (await this.#try(diffOf(this.id, this.id, this.#abort.signal))) !== null;
    return this.can.diff;
  }

  async refreshTimeline(): Promise<void> {
    this.timeline = await this.#quietly(timelineOf(this.id, BINS, this.#abort.signal));
  }

  /** Address of what is seen now. */
  url(camera: Look['camera'] = null): string {
    const alert = this.alert === null ? undefined : this.model?.alerts.find((a) => a.id === this.alert);
    const opened = [...(this.#opening?.limits ?? [])].filter(([, n]) => n >= 40).map(([id]) => id);
    return graphUrl(this.id, alert === undefined ? this.#at : String(isoNs(alert.time)), this.selected, {
      view: this.view, search: this.search, against: this.against, camera,
      from: this.brush === null ? null : String(this.brush.from), to: this.brush === null ? null : String(this.brush.to),
      open: camera === null ? [] : opened,
    });
  }

  async #extras(): Promise<void> {
    const { signal } = this.#abort;
    const [traffic, links] = await Promise.all([this.#quietly(trafficOf(this.id, signal)), this.#quietly(linksOf(this.id, signal))]);
    this.traffic = traffic;
    this.links = links ?? [];
  }

  #query(): Parameters<typeof graphOf>[1] {
    return { around: this.around ? this.#at : null, maxNodes: this.#nodes, expand: this.#expanded };
  }

  #ask(): void {
    this.live.turn(graphOf(this.id, this.#query()));
  }

  /** The answer; `null` for a route that is missing, and with a notice for one that failed. */
  async #try<T>(answer: Promise<T | null>): Promise<T | null> {
    this.notice = null;
    try {
      return await answer;
    } catch (error) {
      if (!this.#abort.signal.aborted) this.notice = error instanceof ApiError ? `${error.message} ${error.detail}`.trim() : String(error);
      return null;
    }
  }

  /** What is nice to have: without it the page goes on. */
  async #quietly<T>(answer: Promise<T | null>): Promise<T | null> {
    try {
      return await answer;
    } catch {
      return null;
    }
  }
}
