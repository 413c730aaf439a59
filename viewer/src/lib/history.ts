/** Queries that were run in this browser, newest first. */

export interface Entry {
  kind: 'condition' | 'sql';
  text: string;
  since: string;
  /** Milliseconds since 1970. */
  at: number;
}

const KEY = 'sysflow.hunt.history';
const MOST = 50;
const LONGEST = 16_384;

/** What is kept; nothing when the browser keeps nothing, or keeps what is not ours. */
export function load(storage: Pick<Storage, 'getItem'> | null): Entry[] {
  try {
    const kept: unknown = JSON.parse(storage?.getItem(KEY) ?? '[]');
    return Array.isArray(kept) ? kept.filter(isEntry).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

/** The list with one more, which moves to the top when it is there already. */
export function add(entries: readonly Entry[], entry: Entry): Entry[] {
  if (entry.text.trim() === '' || entry.text.length > LONGEST) return [...entries];
  const others = entries.filter((e) => e.kind !== entry.kind || e.text !== entry.text);
  return [entry, ...others].slice(0, MOST);
}

export function save(storage: Pick<Storage, 'setItem'> | null, entries: readonly Entry[]): void {
  try {
    storage?.setItem(KEY, JSON.stringify(entries));
  } catch {
    // Full or forbidden: the list lives as long as the page.
  }
}

/** The browser's store, or none where pages have no right to one. */
export function browser(): Storage | null {
  try {
    return globalThis.localStorage;
  } catch {
    return null;
  }
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, text, since, at } = value as Record<string, unknown>;
  return (kind === 'condition' || kind === 'sql') && typeof text === 'string' && text.length <= LONGEST && typeof since === 'string' && typeof at === 'number';
}
