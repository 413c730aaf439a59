import { bytes, count, ns, plural } from './format.ts';
import { childProcesses, listed, type Box, type Layout } from './layout.ts';
import { command, refused, type Model } from './model.ts';
import { tone, worst, type Tone } from './severity.ts';
import { bars } from './spark.ts';
import { brief, head, printable } from './text.ts';

/** The picture as a file of its own: the cards that are drawn, in light colours, without fonts or links from outside. */
export function svg(model: Model, layout: Layout, quiet: ReadonlySet<string> | null = null): string {
  const parts: string[] = [];
  const margin = 24;
  const [w, h] = [Math.ceil(layout.width) + 2 * margin, Math.ceil(layout.height) + 2 * margin];
  parts.push(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="${-margin} ${-margin} ${w} ${h}" font-family="Inter, system-ui, sans-serif" font-size="12">`,
    `<title>${xml(model.graph.id === null ? 'Graph' : `Graph ${model.graph.id}`)}</title>`,
    `<rect x="${-margin}" y="${-margin}" width="${w}" height="${h}" fill="#f4f6f9"/>`,
  );
  for (const { link, path, labels, labelX: x, labelY: y } of layout.lines) {
    const faint = quiet !== null && (quiet.has(link.from) || quiet.has(link.to));
    const color = faint ? '#c3ccd8' : '#8b97a6';
    parts.push(
      `<path d="${path}" fill="none" stroke="${color}" stroke-width="1.6"${link.flow ? ' stroke-dasharray="5 4"' : ''}/>`,
      `<path d="M${x + 5},${y - 4.5}l8,4.5l-8,4.5z" fill="${color}"/>`,
    );
    for (const [i, label] of labels.entries()) if (label !== '') parts.push(words(label, x, y + (i === 0 ? -6 : 15), 11, { fill: '#4d5a6a', weight: 600, anchor: 'end' }));
  }
  for (const box of layout.boxes) card(parts, box, quiet?.has(box.view.node.id) ?? false);
  parts.push('</svg>');
  return parts.join('\n');
}

/** The drawn nodes in the language of Graphviz. */
export function dot(layout: Layout): string {
  const lines = ['digraph sysflow {', '  rankdir=LR;', '  node [shape=box, fontname="Helvetica"];'];
  for (const { view } of layout.boxes) {
    const { node } = view;
    const who = node.kind === 'process' ? [brief(command(node), 200), `${node.user ?? `uid ${node.uid}`}${node.container === null ? '' : ` · ${node.container.name ?? node.container.id}`}`] : [what({ view })];
    const samples = node.kind === 'process' ? [] : view.targets.slice(0, listed(view)).map((t) => t.sample.path ?? t.sample.endpoint ?? '');
    const style = node.kind === 'process' ? 'rounded' : 'dashed';
    const color = view.severity === null ? '' : `, color="${LINE[tone(view.severity)]}", penwidth=2`;
    lines.push(`  ${quoted(node.id)} [label=${quoted([...who, ...samples].map((s) => brief(s, 200)).join('\n'))}, style=${style}${color}];`);
  }
  for (const { link, labels } of layout.lines) {
    const label = labels.filter((l) => l !== '').join(' ');
    lines.push(`  ${quoted(link.from)} -> ${quoted(link.to)} [label=${quoted(label)}${link.flow ? ', style=dashed' : ''}];`);
  }
  lines.push('}', '');
  return lines.join('\n');
}

/** Draws an SVG into a PNG; large pictures are made smaller, for no browser draws any size. */
export async function png(picture: string): Promise<Blob> {
  const size = /width="(\d+)" height="(\d+)"/.exec(picture);
  const [w, h] = [Number(size?.[1] ?? 1), Number(size?.[2] ?? 1)];
  const scale = Math.min(2, 16_000 / Math.max(w, h), Math.sqrt(60_000_000 / (w * h)));
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.floor(w * scale));
  canvas.height = Math.max(1, Math.floor(h * scale));
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('this browser gives no canvas to draw on');
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob === null ? reject(new Error('the picture is too large')) : resolve(blob)), 'image/png');
  });
}

/** Hands a file to the browser. */
export function save(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The download has begun by the next turn, but not always at once.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Text for XML: markup escaped, what XML cannot hold replaced. */
export function xml(text: string): string {
  return printable(text)
    .replace(/[\ud800-\udfff]|[\ufffe\uffff]/gu, '\ufffd')
    .replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** A string of Graphviz; line ends within stay line ends of the label. */
export function quoted(text: string): string {
  const plain = text.split('\n').map((line) => printable(line).replaceAll('\\', '\\\\').replaceAll('"', '\\"'));
  return `"${plain.join('\\n')}"`;
}

const LINE: Record<Tone, string> = { critical: '#c9213a', error: '#c9510f', warning: '#b57b05', notice: '#3a97b3', info: '#8b97a6' };
const KIND = { process: '#4d5a6a', files: '#0b6e66', file: '#0b6e66', net: '#6b3fb5', endpoint: '#6b3fb5' } as const;

function what({ view: { node } }: Pick<Box, 'view'>): string {
  if (node.kind === 'files') return plural(node.targets, 'file');
  return node.kind === 'net' ? plural(node.targets, 'endpoint') : node.label;
}

interface Look {
  fill: string;
  weight?: number;
  anchor?: 'start' | 'end';
  mono?: boolean;
}

function words(text: string, x: number, y: number, size: number, { fill, weight = 400, anchor = 'start', mono = false }: Look): string {
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${fill}" font-weight="${weight}" text-anchor="${anchor}"${mono ? ' font-family="JetBrains Mono, ui-monospace, monospace"' : ''}>${xml(text)}</text>`;
}

/** What fits in a width: nothing measures text here, so the letters are counted. */
function fit(text: string, width: number, size: number): string {
  return head(brief(text, 200), Math.max(4, Math.floor(width / (size * 0.6))));
}

function card(parts: string[], { view, x, y, w, h }: Box, faint: boolean): void {
  const { node } = view;
  const stroke = view.severity === null ? (faint ? '#dce1e8' : '#b9c2ce') : LINE[tone(view.severity)];
  const dash = node.kind === 'process' ? '' : ' stroke-dasharray="4 3"';
  parts.push(`<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="9" fill="${faint ? '#f4f6f9' : '#ffffff'}" stroke="${stroke}" stroke-width="${view.severity === null ? 1 : 2.5}"${view.severity === null ? dash : ''}/>`);
  const alerts = view.alerts.length === 0 ? '' : `${view.severity ?? ''} ×${count(view.alerts.length)}`;
  const name = node.kind === 'process' ? node.label : what({ view });
  parts.push(
    `<circle cx="${x + 22}" cy="${y + 21}" r="5" fill="${KIND[node.kind]}"/>`,
    words(fit(name, w - 60 - alerts.length * 6.5, 15), x + 36, y + 26, 15, { fill: '#16202d', weight: 650 }),
  );
  if (alerts !== '') parts.push(words(alerts, x + w - 12, y + 25, 11, { fill: stroke, weight: 650, anchor: 'end' }));
  if (node.kind === 'process') {
    const user = node.user ?? `uid ${node.uid}`;
    const facts = [user, node.container === null ? '' : (node.container.name ?? node.container.id.slice(0, 12)), `pid ${node.instances[0]?.pid ?? ''}`];
    const counts = [view.files === null ? '' : plural(view.files.node.targets, 'file'), view.net === null ? '' : `${count(view.net.node.targets)} net`, childProcesses(view) === 0 ? '' : plural(childProcesses(view), 'child', 'children')];
    parts.push(
      words(fit(node.args, w - 26, 11.5), x + 15, y + 47, 11.5, { fill: '#4d5a6a', mono: true }),
      words(fit(facts.filter((f) => f !== '').join(' · '), w - 26, 12), x + 15, y + 65, 12, { fill: '#4d5a6a' }),
      words(counts.filter((c) => c !== '').join('   '), x + 15, y + 91, 11.5, { fill: '#16202d', weight: 550 }),
    );
    if (node.tags.length > 0 && h >= 130) parts.push(words(fit(node.tags.join('  '), w - 26, 11), x + 15, y + 119, 11, { fill: '#16202d', weight: 600 }));
    return;
  }
  parts.push(words(`in ${bytes(node.rbytes)}   out ${bytes(node.wbytes)}`, x + 15, y + 46, 12, { fill: '#4d5a6a' }));
  let at = y + 52;
  if (node.series.length > 0) {
    for (const b of bars(node.series, ns(node.first), ns(node.last), w - 26, 22)) parts.push(`<rect x="${x + 15 + b.x}" y="${at + 22 - b.h}" width="${b.w}" height="${b.h}" fill="${KIND[node.kind]}"/>`);
    at += 28;
  }
  const shown = node.kind === 'files' || node.kind === 'net' ? view.targets.slice(0, listed(view)) : [];
  for (const [i, target] of shown.entries()) {
    const { sample } = target;
    const bad = worst(target.alerts);
    const amount = refused(sample) ? 'refused' : sample.rbytes + sample.wbytes > 0 ? bytes(sample.rbytes + sample.wbytes) : '';
    parts.push(
      words(fit(sample.path ?? sample.endpoint ?? '', w - 110, 11.5), x + 33, at + 14 + i * 22, 11.5, { fill: bad === null ? '#16202d' : LINE[tone(bad)], mono: true, weight: bad === null ? 400 : 650 }),
      words(amount, x + w - 12, at + 14 + i * 22, 11.5, { fill: '#4d5a6a', anchor: 'end' }),
    );
  }
  if (node.targets > shown.length && shown.length > 0) parts.push(words(`${count(node.targets - shown.length)} more`, x + 33, at + 14 + shown.length * 22, 11.5, { fill: '#4d5a6a' }));
}
