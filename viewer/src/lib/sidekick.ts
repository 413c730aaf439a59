/** The way back to Falcosidekick-UI, whose pages list the events of one graph. */
export interface Sidekick {
  /** Address of its first page. */
  base: string;
  /** Version 2.2 has its pages at /events, later ones at /#/events. */
  old: boolean;
}

const KEPT = 'sysflow.falcosidekick-ui';
const HOUR_MS = 3_600_000;

/** Only http and https: an address is something that is opened. */
export function sidekick(base: string, old = false): Sidekick | null {
  let url: URL;
  try {
    url = new URL(base);
  } catch {
    return null;
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null;
  // Credentials in an address would stand in every link.
  const path = url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`;
  return { base: `${url.origin}${path}`, old };
}

/** Page with the events of a graph that began at `since` (ms). It searches by the id: paths would break its search. */
export function eventsUrl({ base, old }: Sidekick, graph: string, since: number, now: number): string {
  const hours = Math.max(24, Math.ceil((now - since) / HOUR_MS) + 1);
  return `${base}${old ? '' : '#/'}events?since=${hours}h&filter=${encodeURIComponent(graph)}`;
}

/** What this browser was told. */
export function configured(): Sidekick | null {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? 'null') as { base?: unknown; old?: unknown } | null;
    return typeof kept?.base === 'string' ? sidekick(kept.base, kept.old === true) : null;
  } catch {
    return null;
  }
}

export function remember(ui: Sidekick | null): void {
  try {
    if (ui === null) localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, JSON.stringify(ui));
  } catch {
    // A browser that keeps nothing asks again the next time.
  }
}
