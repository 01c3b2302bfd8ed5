import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import App from '../src/App.svelte';
import type { Operation, Snapshot } from '../src/api/types';
import { RequestError } from '../src/transport/transport';
import { NOW, fixtures } from './fixtures/snapshots';
import { ScriptedTransport } from './scripted-transport';

const all = fixtures(NOW);
const CANCEL = `DELETE /api/v1/operations/${all.operation.id}`;

let transport: ScriptedTransport;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW, toFake: ['Date'] });
  transport = new ScriptedTransport();
  transport.answers.set(CANCEL, { id: all.operation.id });
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

async function open(snapshot: Snapshot, hash = '#/backups') {
  window.location.hash = hash;
  render(App, { transport });
  await push(snapshot);
}

async function push(snapshot: Snapshot) {
  transport.push(snapshot);
  await tick();
}

function running(operation: Partial<Operation>): Snapshot {
  return { ...all.ok, backup: { ...all.ok.backup, operation: { ...all.operation, ...operation } } };
}

describe('an operation that runs', () => {
  it('says how far it is, how fast and how long, and nothing of what is not known', async () => {
    await open(all.restoring);
    const measures = screen.getByTestId('operation-measures');
    expect(measures.textContent).toBe('41.0 MB of 71.1 MB · 120 of 312 files · 12.3 MB/s · 3 s left');
    await push(running({ rate: null, remaining_s: null, done_files: 0, total_files: 0 }));
    expect(measures.textContent).toBe('41.0 MB of 71.1 MB');
    await push(running({ rate: null, remaining_s: null, done_files: 0, total_files: 0, total_bytes: 0 }));
    expect(measures.textContent).toBe('41.0 MB');
  });

  it.each(['#/', '#/backups'])('is cancelled by its id, on %s', async (hash) => {
    await open(all.restoring, hash);
    const cancel = screen.getByRole('button', { name: 'Cancel: Restoring' });
    await fireEvent.click(cancel);
    expect(transport.asked).toEqual([CANCEL]);
  });

  it('cannot be cancelled when it is too late, and the focus stays where it was', async () => {
    await open(running({}));
    const cancel = screen.getByTestId('cancel-operation');
    cancel.focus();
    await push(running({ can_cancel: false, phase: 'stopping what writes to the data' }));
    expect(cancel.getAttribute('aria-disabled')).toBe('true');
    expect(cancel.title).toContain('past the step');
    expect(document.activeElement).toBe(cancel);
    await fireEvent.click(cancel);
    expect(transport.asked).toEqual([]);
  });

  it('says why it was not cancelled', async () => {
    transport.answers.set(CANCEL, new RequestError('too_late', 'it is too late to cancel'));
    await open(running({}));
    await fireEvent.click(screen.getByTestId('cancel-operation'));
    expect((await screen.findByRole('alert')).textContent).toContain('too late');
  });
});
