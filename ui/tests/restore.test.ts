import { describe, expect, it } from 'vitest';
import type { BackupView } from '../src/api/types';
import { observe, progress, watch } from '../src/state/restore';
import { NOW, fixtures } from './fixtures/snapshots';

const all = fixtures(NOW);
const idle = all.ok.backup;
const running = all.restoring.backup;
const done = all.restored.backup;
const record = done.last_restore!;
const undoing: BackupView = { ...done, operation: { ...all.operation, kind: 'undo' } };

/** What is shown after these states were seen in this order. */
function after(kind: 'restore' | 'undo', before: BackupView, ...states: BackupView[]) {
  const last = states.at(-1) ?? before;
  return progress(states.reduce(observe, watch(kind, before)), last);
}

describe('a restore', () => {
  it('waits until its work or its record is seen', () => {
    expect(after('restore', idle).kind).toBe('waiting');
    expect(after('restore', idle, running)).toEqual({ kind: 'running', operation: all.operation });
  });

  it('is done only by a record that is newer than the request', () => {
    expect(after('restore', idle, running, done)).toMatchObject({
      kind: 'ended',
      ending: 'restored',
      canUndo: true,
    });
    expect(after('restore', done).kind).toBe('waiting');
    expect(after('restore', done, { ...done, operation: all.operation }, done).kind).toBe('silent');
  });

  it('that was too quick to be seen under way is still told', () => {
    expect(after('restore', idle, done)).toMatchObject({ kind: 'ended', ending: 'restored' });
  });

  it('that is over without a word is not called done', () => {
    expect(after('restore', idle, running, idle).kind).toBe('silent');
    expect(after('restore', idle, running, idle, done)).toMatchObject({ ending: 'restored' });
  });

  it.each(['rolled_back', 'refused'] as const)('that was %s says why', (result) => {
    const ended: BackupView = { ...idle, last_restore: { ...record, result, why: 'no space' } };
    expect(after('restore', idle, running, ended)).toMatchObject({ ending: result, why: 'no space' });
  });

  it('that left only an error failed; an old error is not its own', () => {
    const error: BackupView = { ...idle, last_error: 'the repository is locked' };
    expect(after('restore', idle, running, error)).toMatchObject({ ending: 'failed', why: error.last_error });
    expect(after('restore', idle, error)).toMatchObject({ ending: 'failed' });
    expect(after('restore', error, error).kind).toBe('waiting');
  });

  it('that was cancelled says that nothing was changed; an older cancel is not its own', () => {
    const last = { id: 'this', kind: 'restore', ended: record.ended, result: 'cancelled' } as const;
    const cancelled: BackupView = { ...idle, last_operation: last };
    expect(after('restore', idle, running, cancelled)).toMatchObject({ ending: 'cancelled', why: null });
    expect(after('restore', cancelled, cancelled).kind).toBe('waiting');
    const other: BackupView = { ...idle, last_operation: { ...last, kind: 'backup' } };
    expect(after('restore', idle, other).kind).toBe('waiting');
  });

  it("does not take another operation's progress for its own", () => {
    expect(after('restore', idle, all.backingUp.backup).kind).toBe('waiting');
  });
});

describe('an undo', () => {
  it('is done when there is nothing left to undo', () => {
    const without: BackupView = { ...done, last_restore: { ...record, can_undo: false } };
    expect(after('undo', done, undoing).kind).toBe('running');
    expect(after('undo', done, undoing, without)).toMatchObject({ kind: 'ended', ending: 'undone' });
    expect(after('undo', done, undoing, idle)).toMatchObject({ kind: 'ended', ending: 'undone' });
  });

  it('is done when its own record says restored', () => {
    const own: BackupView = { ...done, last_restore: { ...record, id: 'undo', can_undo: false } };
    expect(after('undo', done, undoing, own)).toMatchObject({ ending: 'undone' });
  });

  it('that failed is not called done', () => {
    const error: BackupView = { ...done, last_error: 'brain did not get healthy' };
    expect(after('undo', done, undoing, error)).toMatchObject({ ending: 'failed', why: error.last_error });
    expect(after('undo', done, undoing, done).kind).toBe('silent');
  });
});
