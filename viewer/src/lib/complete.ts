/** Completion of a condition of the rules' language: field names, and operators after a field. */

export interface Suggestion {
  text: string;
  /** What it is, for the reader. */
  note: string;
  kind: 'field' | 'operator' | 'word';
}

export interface Completion {
  /** Characters that the suggestion replaces. */
  from: number;
  to: number;
  suggestions: Suggestion[];
}

interface Known {
  fields: readonly { name: string; type: string; description: string }[];
  operators: readonly string[];
}

const WORDS = ['and', 'or', 'not'];
const MOST = 8;

/** What may stand at the caret; without suggestions inside of quotes and where nothing fits. */
export function complete(text: string, caret: number, known: Known): Completion {
  const before = text.slice(0, caret);
  const none = { from: caret, to: caret, suggestions: [] };
  if (quoted(before)) return none;
  const word = /[A-Za-z0-9_.]*$/.exec(before)?.[0] ?? '';
  const symbol = /[=!<>]+$/.exec(before)?.[0] ?? '';
  const rest = /^[A-Za-z0-9_.]*/.exec(text.slice(caret))?.[0] ?? '';
  const start = caret - word.length;
  const last = previous(before.slice(0, start - (word === '' ? symbol.length : 0)));
  const isField = (name: string): boolean => known.fields.some((field) => field.name === name.replace(/\[.*$/, ''));
  if (last !== null && isField(last)) {
    const begun = word === '' ? symbol : word.toLowerCase();
    const fit = known.operators.filter((operator) => operator.startsWith(begun) && operator !== begun);
    return { from: caret - begun.length, to: caret + (word === '' ? 0 : rest.length), suggestions: fit.slice(0, MOST * 2).map((text) => ({ text, note: '', kind: 'operator' })) };
  }
  const operand = last !== null && (known.operators.includes(last.toLowerCase()) || /[=!<>(,]$/.test(last)) && !/[(]$/.test(last);
  if (operand && last !== 'not') return none;
  if (word === '' && before.trim() !== '' && !/(\b(and|or|not)\s+|\(\s*)$/i.test(before)) {
    return { ...none, suggestions: /\s$/.test(before) ? words('') : [] };
  }
  const fields = ranked(word, known.fields).map((field): Suggestion => ({ text: field.name, note: field.description || field.type, kind: 'field' }));
  const more = word === '' ? [] : words(word.toLowerCase());
  return { from: start, to: caret + rest.length, suggestions: [...more, ...fields].slice(0, MOST) };
}

/** The text with a suggestion in place, and where the caret then is. */
export function apply(text: string, completion: Completion, chosen: Suggestion): [text: string, caret: number] {
  const tail = text.slice(completion.to);
  const gap = tail.startsWith(' ') ? '' : ' ';
  const head = `${text.slice(0, completion.from)}${chosen.text}`;
  return [`${head}${gap}${tail}`, head.length + 1];
}

/** Character of a UTF-8 byte offset, as the service counts. */
export function charAt(text: string, byte: number): number {
  let bytes = 0;
  let chars = 0;
  for (const char of text) {
    if (bytes >= byte) break;
    const code = char.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    chars += char.length;
  }
  return chars;
}

// === impl complete ===

function words(begun: string): Suggestion[] {
  return WORDS.filter((word) => word.startsWith(begun) && word !== begun).map((text) => ({ text, note: '', kind: 'word' }));
}

function ranked<F extends { name: string }>(word: string, fields: readonly F[]): F[] {
  const wanted = word.toLowerCase();
  const place = (name: string): number => {
    if (name.startsWith(wanted)) return 0;
    // "exe" finds "sf.proc.exe" before a field that only has the letters somewhere.
    if (name.split('.').some((part) => part.startsWith(wanted))) return 1;
    return name.includes(wanted) ? 2 : 3;
  };
  const fit = fields.filter((field) => place(field.name) < 3 && field.name !== word);
  return fit.sort((a, b) => place(a.name) - place(b.name) || (a.name < b.name ? -1 : 1));
}

/** Whether the end of the text is inside of quotes. */
function quoted(text: string): boolean {
  let open: string | null = null;
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i] ?? '';
    if (open === null) open = char === '"' || char === "'" ? char : null;
    else if (char === '\\') i += 1;
    else if (char === open) open = null;
  }
  return open !== null;
}

/** Last word or symbol of a text. */
function previous(text: string): string | null {
  return /([A-Za-z0-9_.]+(?:\[[^\]]*\])?|[=!<>]+|[(,])\s*$/.exec(text)?.[1] ?? null;
}
