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

  readonly #resource: Resource<T>;
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

  /** Asks at once; used by "Try again". */
  retry(): void {
    clearTimeout(this.#timer);
    void this.#loop();
  }

  async #loop(): Promise<void> {
    // A hidden tab need not ask: it catches up with its next turn after it is shown.
    if (this.data === null || document.visibilityState === 'visible') await this.#ask();
    if (!this.#abort.signal.aborted) this.#timer = setTimeout(() => void this.#loop(), INTERVAL_MS);
  }

  async #ask(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      const fresh = await this.#resource.refresh(this.#abort.signal);
      if (fresh !== null) this.data = fresh;
      this.error = null;
      this.at = Date.now();
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.error = error instanceof ApiError ? error : new ApiError(0, 'The page failed.', String(error));
    } finally {
      this.busy = false;
    }
  }
}
