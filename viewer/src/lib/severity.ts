import type { Alert, Priority } from '../api/types.ts';

/** Falco's priorities, most severe first. */
export const PRIORITIES: readonly Priority[] = [
  'Emergency',
  'Alert',
  'Critical',
  'Error',
  'Warning',
  'Notice',
  'Informational',
  'Debug',
];

/** Which colour and sign a priority has; each tone has a sign of its own, for those who see no colour. */
export type Tone = 'critical' | 'error' | 'warning' | 'notice' | 'info';

/** 0 for the most severe; unknown words rank last. */
export function rank(priority: string | null): number {
  const index = PRIORITIES.findIndex((p) => p.toLowerCase() === priority?.toLowerCase());
  return index === -1 ? PRIORITIES.length : index;
}

export function tone(priority: string | null): Tone {
  const r = rank(priority);
  if (r <= 2) return 'critical';
  if (r === 3) return 'error';
  if (r === 4) return 'warning';
  if (r === 5) return 'notice';
  return 'info';
}

export function worst(alerts: readonly Alert[]): Priority | null {
  let found: Priority | null = null;
  for (const { priority } of alerts) if (rank(priority) < rank(found)) found = priority;
  return found;
}
