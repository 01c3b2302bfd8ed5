import type { Subject } from '../api/types';

/** What a link may point at on the Overview. */
export type Focus = { kind: 'service' | 'check' | 'job'; name: string };

export type Route =
  { page: 'overview'; focus: Focus | null } | { page: 'logs'; service: string | null } | { page: 'backups' };

const FOLDERS: Record<string, Focus['kind']> = { services: 'service', checks: 'check', jobs: 'job' };

/** Reads a location hash; what it does not know is the Overview. */
export function parseRoute(hash: string): Route {
  const [folder = '', ...rest] = hash.replace(/^#?\/?/, '').split('/');
  if (folder === 'backups') return { page: 'backups' };
  const kind = FOLDERS[folder];
  const name = decode(rest.join('/'));
  if (folder === 'logs') return { page: 'logs', service: name === '' ? null : name };
  return { page: 'overview', focus: kind !== undefined && name !== '' ? { kind, name } : null };
}

/** Where a reason's subject is shown. */
export function hrefOf(subject: Subject): string {
  if (subject.kind === 'backup') return '#/backups';
  return `#/${subject.kind}s/${encodeURIComponent(subject.name)}`;
}

/** The element id of a row that can be linked to. */
export function rowId(focus: Focus): string {
  return `${focus.kind}-${focus.name}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
