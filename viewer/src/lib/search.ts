import { techniqueName } from './attack.ts';
import type { Model, View } from './model.ts';

/**
 * What the search box understands: words that must all be found at one node, anywhere in its strings, or in one of
 * them: `user:node`, `file:/etc/shadow`, `tag:T1059`, `exe:"my tool"`. Capitals make no difference.
 */
export type Key = 'exe' | 'args' | 'user' | 'uid' | 'pid' | 'container' | 'file' | 'ip' | 'port' | 'tag' | 'rule' | 'node';

export interface Term {
  key: Key | null;
  text: string;
}

const KEYS: readonly string[] = ['exe', 'args', 'user', 'uid', 'pid', 'container', 'file', 'ip', 'port', 'tag', 'rule', 'node'];
/** Longest string that is looked at: 64 KiB arguments are not worth a slow page. */
const LOOKED_AT = 4096;

export function parseSearch(query: string): Term[] {
  const terms: Term[] = [];
  for (const match of query.matchAll(/(?:([a-z]+):)?(?:"([^"]*)"|(\S+))/gi)) {
    const [whole, key, quoted, bare] = match;
    const known = key !== undefined && KEYS.includes(key.toLowerCase());
    const text = (known ? (quoted ?? bare ?? '') : key === undefined ? (quoted ?? bare ?? '') : whole).toLowerCase();
    if (text !== '') terms.push({ key: known ? (key.toLowerCase() as Key) : null, text });
  }
  return terms;
}

/** A term as it is typed. */
export function term(key: Key, text: string): string {
  const plain = text.replaceAll('"', '');
  return `${key}:${/\s/.test(plain) || plain === '' ? `"${plain}"` : plain}`;
}

/** Ids of the nodes that have all terms, in the order in which a reader meets them: by tree, parents first. */
export function find(model: Model, query: string): string[] {
  const terms = parseSearch(query);
  if (terms.length === 0) return [];
  const found: string[] = [];
  const stack = model.roots.toReversed();
  for (let view = stack.pop(); view !== undefined; view = stack.pop()) {
    const strings = textOf(view);
    if (terms.every((t) => strings.some(([key, text]) => fits(t, key, text)))) found.push(view.node.id);
    for (const child of view.children.toReversed()) stack.push(child);
  }
  return found;
}

/** Whole numbers and tags with their sub-techniques; anything else by a part of it. */
function fits(wanted: Term, key: Key, text: string): boolean {
  if (wanted.key !== null && wanted.key !== key) return false;
  if (key === 'uid' || key === 'pid' || key === 'port') return text === wanted.text;
  return text.slice(0, LOOKED_AT).toLowerCase().includes(wanted.text);
}

/** A file node speaks of its files, not again of its process: a hit is where it is. */
function textOf(view: View): [Key, string][] {
  const { node } = view;
  const all: [Key, string][] = [];
  if (node.kind === 'process') {
    all.push(['exe', node.exe], ['exe', node.label], ['args', node.args], ['uid', String(node.uid)]);
    if (node.user !== null) all.push(['user', node.user]);
    if (node.container !== null) {
      all.push(['container', node.container.name ?? ''], ['container', node.container.id], ['container', node.container.image ?? '']);
    }
    for (const i of node.instances) all.push(['pid', String(i.pid)]);
    for (const alert of view.alerts) all.push(['rule', alert.rule]);
    for (const tag of new Set([...node.tags, ...view.alerts.flatMap((a) => a.tags)])) all.push(['tag', tag], ['tag', techniqueName(tag) ?? '']);
  }
  for (const s of node.samples) {
    if (s.path !== undefined) all.push(['file', s.path]);
    if (s.endpoint !== undefined) all.push(['ip', s.endpoint]);
    if (s.ip !== undefined) all.push(['ip', s.ip]);
    if (s.port !== undefined) all.push(['port', String(s.port)]);
  }
  if (node.kind === 'file' || node.kind === 'endpoint') all.push([node.kind === 'file' ? 'file' : 'ip', node.label]);
  return all;
}
