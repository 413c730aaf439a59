import type { Loss } from '../api/types.ts';
import { clock, ns, plural } from './format.ts';
import { brief } from './text.ts';

/** Causes are cut by the collector far below this; a fix stands at their end, so they are shown whole. */
const MAX_CAUSE = 1200;

export interface LossTold {
  tone: 'warning' | 'notice';
  title: string;
  text: string;
}

/**
 * What a hole in the data means to a reader. One without any count is a notice: nothing that came was lost, but the
 * collector misses something for as long as it runs.
 */
export function told(loss: Loss): LossTold {
  const cause = brief(loss.cause, MAX_CAUSE);
  if (loss.records === 0 && loss.events === 0) {
    return { tone: 'notice', title: 'Not everything can be seen here.', text: `The collector on this host says: ${cause}.` };
  }
  const from = ns(loss.from);
  const when = from === 0n ? '' : `Between ${clock(from)} and ${clock(ns(loss.to))} UTC `;
  const counts = [
    loss.records === 0 ? '' : plural(loss.records, 'record'),
    loss.events === 0 ? '' : plural(loss.events, 'event'),
  ].filter((text) => text !== '');
  const verb = counts.length === 1 && loss.records + loss.events === 1 ? 'was' : 'were';
  const why = cause === '' ? '' : `: ${cause}`;
  return {
    tone: 'warning',
    title: 'Records are missing.',
    text: `${when}${counts.join(' and ')} ${verb} lost${why}. What is drawn may have holes.`,
  };
}
