import { untrack } from 'svelte';
import { ApiError, type Resource } from '../api/client.ts';

/** How often a page asks for news. */
const INTERVAL_MS = 3000;

/**
 * A resource kept fresh. After the first answer a failure keeps the old data and sets `error`
 * beside it: a page that has something to show goes on showing it.
 */
export class Live<T> {
  data = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  /** Milliseconds since 1970 of the last good answer. */
  at = $state(0);
  busy = $state(false);
  /** The reader holds the page as it is. */
  paused = $state(false);
  /** How often to ask when nobody says that there is news. */
  interval = INTERVAL_MS;

  #resource: Resource<T>;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(resource: Resource<T>) {
    this.#resource = resource;
  }

  /** Begins to ask; the answer ends it. Made for an effect, which must not run again for what this reads. */
  start(): () => void {
    this.#abort = new AbortController();
    untrack(() => void this.#loop());
    return () => {
      this.#abort.abort();
      clearTimeout(this.#timer);
    };
  }

  /** Asks for something else from now on; what is shown stays until that has come. */
  turn(resource: Resource<T>): void {
    this.#resource = resource;
    this.#abort.abort();
    this.#abort = new AbortController();
    this.busy = false;
    this.retry();
  }

  /** Asks at once; used by "Try again". */
  retry(): void {
    clearTimeout(this.#timer);
    void this.#loop();
  }

  async #loop(): Promise<void> {
    // A hidden tab need not ask: it catches up with its next turn after it is shown.
    const { signal } = this.#abort;
    if (this.data === null || (document.visibilityState === 'visible' && !this.paused)) await this.#ask(signal);
    if (!signal.aborted) this.#timer = setTimeout(() => void this.#loop(), this.interval);
  }

  async #ask(signal: AbortSignal): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      const fresh = await this.#resource.refresh(signal);
      if (signal.aborted) return;
      if (fresh !== null) this.data = fresh;
      this.error = null;
      this.at = Date.now();
    } catch (error) {
      if (signal.aborted) return;
      this.error = error instanceof ApiError ? error : new ApiError(0, 'The page failed.', String(error));
    } finally {
      if (!signal.aborted) this.busy = false;
    }
  }
}
