import type { Live } from './live.svelte.ts';

/** Asking is for safety only while the server tells of news by itself. */
const SELDOM_MS = 30_000;

/**
 * Has a resource refreshed whenever the server's stream says so. A processor without the route is asked every few
 * seconds as before. A hidden tab lets go of its connection: browsers allow six to one host.
 */
export function follow(url: string, live: Pick<Live<unknown>, 'retry' | 'interval' | 'paused'>): () => void {
  const often = live.interval;
  let source: EventSource | null = null;
  const close = (): void => {
    source?.close();
    source = null;
    live.interval = often;
  };
  const listen = (): void => {
    if (document.visibilityState !== 'visible') return close();
    if (source !== null) return;
    const opened = new EventSource(url);
    let lost = false;
    source = opened;
    opened.addEventListener('open', () => {
      live.interval = SELDOM_MS;
      // What was told while the connection was down was told to nobody.
      if (lost) live.retry();
      lost = false;
    });
    opened.addEventListener('graph', () => {
      if (!live.paused) live.retry();
    });
    // The browser connects again by itself, unless the answer was no stream at all.
    opened.addEventListener('error', () => {
      if (live.interval === SELDOM_MS) {
        live.interval = often;
        lost = true;
        live.retry();
      }
      if (opened.readyState === EventSource.CLOSED) document.removeEventListener('visibilitychange', listen);
    });
  };
  document.addEventListener('visibilitychange', listen);
  listen();
  return () => {
    document.removeEventListener('visibilitychange', listen);
    close();
  };
}
