import { getContext, setContext } from 'svelte';
import type { Key } from './search.ts';

type Filter = (key: Key, text: string) => void;
const NAME = Symbol('filter');

/** Lets everything below filter the graph by a value. */
export function provideFilter(filter: Filter): void {
  setContext(NAME, filter);
}

/** `null` on pages that have no graph to filter. */
export function useFilter(): Filter | null {
  return getContext<Filter | undefined>(NAME) ?? null;
}
