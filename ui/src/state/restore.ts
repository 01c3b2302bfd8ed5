import type { BackupView, Operation, RestoreRecord } from '../api/types';

/** A restore or an undo that this panel asked for. `before` is how things stood when it did. */
export type Watch = {
  kind: 'restore' | 'undo';
  before: { record: RestoreRecord | null; error: string | null; operation: string | null };
  /** Whether its operation was seen under way. */
  seen: boolean;
};

export type Ending = 'restored' | 'rolled_back' | 'refused' | 'undone' | 'failed' | 'cancelled';

export type Progress =
  | { kind: 'waiting' }
  | { kind: 'running'; operation: Operation }
  | { kind: 'ended'; ending: Ending; why: string | null; canUndo: boolean }
  /** It was under way, is no more, and nothing tells how it ended. The next snapshot may. */
  | { kind: 'silent' };

export function watch(kind: Watch['kind'], backup: BackupView): Watch {
  return {
    kind,
    before: {
      record: backup.last_restore ?? null,
      error: backup.last_error ?? null,
      operation: backup.last_operation?.id ?? null,
    },
    seen: false,
  };
}

export function observe(watch: Watch, backup: BackupView): Watch {
  return watch.seen || under(watch, backup) === null ? watch : { ...watch, seen: true };
}

/** Success is only what the agent recorded after the restore was asked for, never the absence of an error. */
export function progress(watch: Watch, backup: BackupView): Progress {
  const operation = under(watch, backup);
  if (operation !== null) return { kind: 'running', operation };
  const last = backup.last_operation ?? null;
  if (last?.kind === watch.kind && last.id !== watch.before.operation && last.result === 'cancelled') {
    return { kind: 'ended', ending: 'cancelled', why: null, canUndo: false };
  }
  const record = backup.last_restore ?? null;
  if (record !== null && isNew(record, watch.before.record)) return recorded(watch, record);
  const error = backup.last_error ?? null;
  if (error !== null && (watch.seen || error !== watch.before.error)) {
    return { kind: 'ended', ending: 'failed', why: error, canUndo: false };
  }
  const undone = watch.kind === 'undo' && watch.before.record?.can_undo === true && record?.can_undo !== true;
  if (undone) return { kind: 'ended', ending: 'undone', why: null, canUndo: false };
  return { kind: watch.seen ? 'silent' : 'waiting' };
}

function recorded(watch: Watch, record: RestoreRecord): Progress {
  if (record.result !== 'restored') {
    return { kind: 'ended', ending: record.result, why: record.why, canUndo: record.can_undo };
  }
  const ending = watch.kind === 'undo' ? 'undone' : 'restored';
  return { kind: 'ended', ending, why: null, canUndo: record.can_undo };
}

function under(watch: Watch, backup: BackupView): Operation | null {
  const operation = backup.operation ?? null;
  return operation?.kind === watch.kind ? operation : null;
}

function isNew(record: RestoreRecord, before: RestoreRecord | null): boolean {
  return record.id !== before?.id || record.ended !== before.ended;
}
