import type { Rows } from '../api/more.ts';
import { value } from './text.ts';

/** How far back to look. */
export const SINCE: readonly [string, string][] = [
  ['15m', 'last 15 minutes'], ['1h', 'last hour'], ['24h', 'last 24 hours'], ['7d', 'last 7 days'], ['30d', 'last 30 days'], ['all', 'all that is kept'],
];

const SECONDS: Record<string, number> = { m: 60, h: 3600, d: 86_400 };

/** The time that a choice means, as RFC 3339; `null` for all. */
export function since(choice: string, now: number): string | null {
  const match = /^(\d+)([mhd])$/.exec(choice);
  if (match?.[1] === undefined || match[2] === undefined) return null;
  return new Date(now - Number(match[1]) * (SECONDS[match[2]] ?? 0) * 1000).toISOString();
}

/**
 * The result as CSV (RFC 4180). A text that a spreadsheet would take for a formula is told apart with an apostrophe: it came
 * from a monitored host.
 */
export function csv({ columns, rows }: Pick<Rows, 'columns' | 'rows'>): string {
  const line = (cells: readonly unknown[]): string => cells.map(cell).join(',');
  return `${[line(columns.map((column) => column.name)), ...rows.map(line)].join('\r\n')}\r\n`;
}

function cell(of: unknown): string {
  if (of === null || of === undefined) return '';
  const text = value(of);
  const safe = typeof of === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
