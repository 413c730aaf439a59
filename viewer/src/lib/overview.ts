import type { Priority } from '../api/types.ts';
import { isTechnique } from './attack.ts';
import { PRIORITIES } from './severity.ts';

export type View = 'graphs' | 'attack' | 'traffic' | 'flows';

/** What the overview shows; it stands in the address, so that it can be shared. */
export interface Shown {
  view: View;
  q: string;
  filter: string;
  severity: Priority | '';
  technique: string | null;
}

const VIEWS: readonly View[] = ['graphs', 'attack', 'traffic', 'flows'];

export function read(search: string): Shown {
  const query = new URLSearchParams(search);
  const technique = query.get('technique');
  return {
    view: VIEWS.find((view) => view === query.get('view')) ?? 'graphs',
    q: (query.get('q') ?? '').slice(0, 200),
    filter: (query.get('filter') ?? '').slice(0, 16_384),
    severity: PRIORITIES.find((priority) => priority === query.get('severity')) ?? '',
    technique: technique !== null && isTechnique(technique) ? technique : null,
  };
}

/** The other way round: empty when everything is as at first. */
export function write(shown: Shown): string {
  const query = new URLSearchParams();
  if (shown.view !== 'graphs') query.set('view', shown.view);
  for (const name of ['q', 'filter', 'severity', 'technique'] as const) {
    const value = shown[name];
    if (value !== null && value !== '') query.set(name, value);
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
