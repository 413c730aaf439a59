import type { Ns } from '../api/types.ts';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes in decimal units with three significant digits: "926 B", "3.13 kB", "937 kB". */
export function bytes(n: number): string {
  if (!Number.isFinite(n) || n < 0) return '–';
  let unit = 0;
  let value = n;
  // 999.5 would print as "1000": it belongs to the next unit.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  if (unit === 0) return `${Math.round(value)} B`;
  const digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** "1,025,353" */
export function count(n: number): string {
  return Number.isFinite(n) ? Math.round(n).toLocaleString('en-US') : '–';
}

/** "1 file", "2 files" */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** Nanoseconds of a decimal string; 0 when it is none. */
export function ns(text: Ns): bigint {
  return /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
}

/** Nanoseconds of an RFC 3339 time in UTC, exactly (`Date` keeps milliseconds only). */
export function isoNs(iso: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(iso);
  if (match === null) return 0n;
  const seconds = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(seconds)) return 0n;
  return BigInt(seconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function two(n: number): string {
  return String(n).padStart(2, '0');
}

function at(time: bigint): Date {
  return new Date(Number(time / 1_000_000n));
}

/** "02:59:32.532" (UTC) */
export function clock(time: bigint): string {
  const millis = String((time / 1_000_000n) % 1000n).padStart(3, '0');
  return `${seconds(time)}.${millis}`;
}

/** "02:59:32" (UTC) */
export function seconds(time: bigint): string {
  const d = at(time);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
}

/** "24 Nov 2026" (UTC) */
export function date(time: bigint): string {
  const d = at(time);
  return `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()] ?? ''} ${d.getUTCFullYear()}`;
}

/** "24 Nov 2026, 02:59:32.532306532 UTC" */
export function full(time: bigint): string {
  return `${date(time)}, ${seconds(time)}.${String(time % 1_000_000_000n).padStart(9, '0')} UTC`;
}

/** "24 Nov 2026, 02:59:15 – 03:00:29 UTC"; the date is repeated only when it differs. */
export function range(from: bigint, to: bigint): string {
  const end = date(from) === date(to) ? seconds(to) : `${date(to)}, ${seconds(to)}`;
  return `${date(from)}, ${seconds(from)} – ${end} UTC`;
}

/** Length of time in the two units that matter: "1 m 14 s", "3.2 ms". */
export function duration(length: bigint): string {
  if (length < 0n) return '–';
  const s = Number(length) / 1e9;
  if (s < 0.001) return `${Math.round(s * 1e6)} µs`;
  if (s < 0.01) return `${(s * 1e3).toFixed(1)} ms`;
  if (s < 0.9995) return `${Math.round(s * 1e3)} ms`;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
  const hours = Math.round(s / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
