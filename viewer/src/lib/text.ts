/**
 * Every string of a monitored host is hostile. Markup is no danger (the page inserts text nodes
 * only); what is left is text that lies: control characters, and format characters that reorder
 * or hide what stands around them. `printable` makes them visible.
 */

/** Longest text that is put into the page without being asked for. */
export const SHOWN = 2000;

// C0 and C1 controls, soft hyphen, zero-width and bidirectional marks, line and paragraph
// separators, variation selectors, byte-order mark, interlinear and tag characters.
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;

const NAMES: Record<number, string> = { 0: '⟨NUL⟩', 9: '⟨TAB⟩', 10: '↵', 13: '⟨CR⟩', 27: '⟨ESC⟩', 127: '⟨DEL⟩' };

function mark(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  return NAMES[code] ?? `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}

/** The text with each invisible or reordering character replaced by a visible sign. */
export function printable(text: string): string {
  return text.replace(UNSEEN, mark);
}

/** First `limit` characters, whole code points, "…" when something was cut. */
export function head(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 2);
  const cut = last >= 0xd800 && last <= 0xdbff ? limit - 2 : limit - 1;
  return `${text.slice(0, cut)}…`;
}

/** Directory (with its slash) and name of a path. */
export function split(path: string): [dir: string, name: string] {
  // The slash at the end of a directory's name is no separator.
  const slash = path.length < 2 ? -1 : path.lastIndexOf('/', path.length - 2);
  return [path.slice(0, slash + 1), path.slice(slash + 1)];
}

/** What a list or a card shows of a string: printable, one line, at most `limit` characters. */
export function brief(text: string, limit = 200): string {
  return head(printable(text.slice(0, limit * 2)), limit);
}

/** Value of an alert's output field as text. */
export function value(field: unknown): string {
  if (typeof field === 'string') return field;
  if (typeof field === 'number' || typeof field === 'boolean') return String(field);
  return JSON.stringify(field) ?? '';
}
