import type { Key } from './search.ts';

/** Search key that an alert's output field answers to; `null` for fields that nodes do not have. */
export function keyOf(field: string): Key | null {
  return KEYS[field] ?? null;
}

const KEYS: Record<string, Key> = {
  'sf.proc.exe': 'exe', 'sf.pproc.exe': 'exe', 'sf.proc.name': 'exe', 'proc.name': 'exe', 'proc.exepath': 'exe',
  'sf.proc.args': 'args', 'sf.proc.user': 'user', 'user.name': 'user', 'sf.proc.uid': 'uid', 'sf.proc.pid': 'pid', 'sf.pproc.pid': 'pid',
  'sf.container.id': 'container', 'container.id': 'container', 'sf.container.name': 'container', 'container.name': 'container',
  'sf.container.image': 'container', 'sf.file.path': 'file', 'sf.file.newpath': 'file', 'fd.name': 'file',
  'sf.net.dip': 'ip', 'sf.net.sip': 'ip', 'sf.net.dport': 'port', 'sf.net.sport': 'port',
};
