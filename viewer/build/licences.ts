import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

interface Manifest {
  name: string;
  version: string;
  license?: string;
  dependencies?: Record<string, string>;
}

function manifest(dir: string): Manifest {
  return JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Manifest;
}

/** Every package that ends up in the page: the dependencies, theirs, and Svelte's runtime. */
function shipped(root: string): string[] {
  const seen = new Set<string>();
  const queue = [...Object.keys(manifest(root).dependencies ?? {}), 'svelte'];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const dir = join(root, 'node_modules', name);
    if (seen.has(name) || !existsSync(dir)) continue;
    seen.add(name);
    // Svelte's own dependencies are those of its compiler; only its runtime is shipped.
    if (name !== 'svelte') queue.push(...Object.keys(manifest(dir).dependencies ?? {}));
  }
  return [...seen].sort();
}

function notice(root: string, name: string): string {
  const dir = join(root, 'node_modules', name);
  const { version, license } = manifest(dir);
  const file = readdirSync(dir).find((f) => /^licen[cs]e/i.test(f));
  if (file === undefined) throw new Error(`package ${name} has no licence file`);
  const rule = '-'.repeat(72);
  return `${rule}\n${name} ${version} (${license ?? 'see below'})\n${rule}\n${readFileSync(join(dir, file), 'utf8').trim()}\n`;
}

/** Ships the licences of everything that is in the page, as those licences ask. */
export function licences(): Plugin {
  let root = '.';
  return {
    name: 'licences',
    apply: 'build',
    configResolved(config) {
      root = config.root;
    },
    generateBundle() {
      const source = shipped(root).map((name) => notice(root, name)).join('\n');
      this.emitFile({ type: 'asset', fileName: 'assets/licences.txt', source });
    },
  };
}
