import type { RestorePoint } from '../api/types';
import { en } from '../words/en';
import { bytes, count } from '../words/time';

export type PointRow = {
  kind: string;
  size: string;
  added: string;
  files: string;
  /** Files that could not be read; such a point is never verified. */
  incomplete: string | null;
  /** What a person should know of the moment it was taken. */
  notes: string[];
  stores: { path: string; rows: string; bad: string | null }[];
};

export function pointRow(point: RestorePoint): PointRow {
  return {
    kind: point.imported ? en.backups.imported : en.backups.kind[point.kind],
    size: bytes(point.bytes),
    added: bytes(point.added),
    files: en.backups.files(count(point.files)),
    incomplete: point.missing.length === 0 ? null : en.backups.incomplete(point.missing.length),
    notes: point.notes ?? [],
    stores: point.stores.map((store) => ({
      path: store.path,
      rows: store.rows.map(({ table, rows }) => en.backups.rows(count(rows), table)).join(', '),
      bad: store.integrity === 'ok' ? null : en.backups.integrityBad(store.integrity),
    })),
  };
}

/** A point is only called checked when it was opened and everything in it could be read. */
export function isVerified(point: RestorePoint): boolean {
  return point.verified != null && point.missing.length === 0;
}
