import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import App from '../src/App.svelte';
import type { RestorePlan, Snapshot } from '../src/api/types';
import { RequestError } from '../src/transport/transport';
import { NOW, fixtures } from './fixtures/snapshots';
import { ScriptedTransport } from './scripted-transport';

const all = fixtures(NOW);
const point = all.ok.backup.points[2]!;
const plan: RestorePlan = {
  point,
  target: '/home/ada/SecondBrain/data',
  stops: ['brain'],
  current_bytes: 71_400_000,
  free_bytes: 71_100_000_000,
  needed_bytes: 142_500_000,
  obstacles: [],
  cautions: [],
};
const PLAN = `GET /api/v1/backups/${point.id}/plan`;
const RESTORE = `POST /api/v1/backups/${point.id}/restore`;
const UNDO = 'POST /api/v1/restores/undo';

let transport: ScriptedTransport;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW, toFake: ['Date'] });
  transport = new ScriptedTransport();
  transport.answers.set(PLAN, plan);
  transport.answers.set(RESTORE, { id: all.operation.id });
  transport.answers.set(UNDO, { id: 'undo' });
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

async function open(snapshot: Snapshot) {
  window.location.hash = '#/backups';
  render(App, { transport });
  await push(snapshot);
}

async function push(snapshot: Snapshot) {
  transport.push(snapshot);
  await tick();
}

const click = async (testid: string) => fireEvent.click(await screen.findByTestId(testid));
const dialog = () => screen.getByTestId<HTMLDialogElement>('restore-dialog');

describe('the restore dialog', () => {
  it('leads from the plan over one confirmation to the result and its undo', async () => {
    await open(all.ok);
    await click(`restore-${point.id}`);
    const shown = (await screen.findByTestId('restore-plan')).textContent;
    for (const fact of [plan.target, 'brain', '71.4 MB', '71.1 GB', '142.5 MB', '27 h ago', 'verified']) {
      expect(shown).toContain(fact);
    }
    expect(transport.asked).toEqual([PLAN]);

    await click('restore-confirm');
    expect(transport.asked).toEqual([PLAN, RESTORE]);
    await push(all.restoring);
    const bar = (await screen.findByTestId('restore-progress')).querySelector('progress')!;
    expect([bar.value, bar.max]).toEqual([41_000_000, 71_100_000]);
    expect(screen.queryByTestId('restore-result')).toBeNull();

    await push(all.restored);
    expect((await screen.findByTestId('restore-result')).dataset['result']).toBe('restored');

    await click('undo-restore');
    expect(transport.asked).not.toContain(UNDO);
    await click('undo-confirm');
    expect(transport.asked).toContain(UNDO);
    await push({
      ...all.restored,
      backup: { ...all.restored.backup, operation: { ...all.operation, kind: 'undo' } },
    });
    await push(all.ok);
    expect((await screen.findByTestId('restore-result')).dataset['result']).toBe('undone');
  });

  it('offers the undo on the page after a reload, once and only once', async () => {
    await open(all.restored);
    expect(screen.getAllByTestId('undo-restore')).toHaveLength(1);
    await click('undo-restore');
    await screen.findByTestId('undo-confirm');
    expect(screen.queryByTestId('undo-restore')).toBeNull();
    expect(transport.asked).toEqual([]);
  });

  it('cannot be confirmed against an obstacle', async () => {
    transport.answers.set(PLAN, { ...plan, obstacles: ['Not enough space.'] });
    await open(all.ok);
    await click(`restore-${point.id}`);
    expect((await screen.findByTestId('restore-obstacles')).textContent).toContain('Not enough space.');
    await click('restore-confirm');
    expect(transport.asked).toEqual([PLAN]);
  });

  it('puts the focus on its heading, never on the destructive button', async () => {
    await open(all.ok);
    await click(`restore-${point.id}`);
    const confirm = await screen.findByTestId('restore-confirm');
    await waitFor(() => {
      expect(document.activeElement?.tagName).toBe('H2');
    });
    expect(confirm.getAttribute('type')).toBe('button');
    expect(confirm.closest('form')).toBeNull();
  });

  it('is left without a trace when it is closed before the confirmation', async () => {
    await open(all.ok);
    await click(`restore-${point.id}`);
    await screen.findByTestId('restore-confirm');
    dialog().close();
    await tick();
    expect(dialog().dataset['step']).toBe('closed');
    expect(transport.asked).toEqual([PLAN]);
  });

  it('does not open again for a plan that comes late', async () => {
    let answer: (plan: RestorePlan) => void = () => undefined;
    transport.request = () => new Promise((resolve) => (answer = resolve as typeof answer));
    await open(all.ok);
    await click(`restore-${point.id}`);
    await click('restore-close');
    answer(plan);
    // The next turn of the event loop: every promise that hangs on the answer has run by then.
    await new Promise((resolve) => setTimeout(resolve));
    expect(dialog().open).toBe(false);
  });

  it('tells a roll-back with its reason', async () => {
    await open(all.ok);
    await click(`restore-${point.id}`);
    await click('restore-confirm');
    const record = all.restored.backup.last_restore!;
    await push({
      ...all.ok,
      backup: {
        ...all.ok.backup,
        last_restore: {
          ...record,
          result: 'rolled_back',
          why: 'brain was not healthy after 30 s',
          can_undo: false,
        },
      },
    });
    const result = await screen.findByTestId('restore-result');
    expect(result.dataset['result']).toBe('rolled_back');
    expect(result.textContent).toContain('brain was not healthy after 30 s');
    expect(screen.queryByTestId('undo-restore')).toBeNull();
  });

  it('says why the agent would not begin', async () => {
    transport.answers.set(RESTORE, new RequestError('busy', 'A backup runs.'));
    await open(all.ok);
    await click(`restore-${point.id}`);
    await click('restore-confirm');
    const result = await screen.findByTestId('restore-result');
    expect(result.textContent).toContain('A backup runs.');
    expect(result.dataset['result']).toBe('not_started');
  });

  it('stays honest when the agent goes away meanwhile, and goes on when it is back', async () => {
    await open(all.ok);
    await click(`restore-${point.id}`);
    await click('restore-confirm');
    await push(all.restoring);
    transport.lose({ kind: 'gone', reason: 'x' });
    expect((await screen.findByTestId('restore-away')).textContent).toContain('never between');
    await push(all.restored);
    expect((await screen.findByTestId('restore-result')).dataset['result']).toBe('restored');
  });

  it('cannot be opened while another operation runs', async () => {
    await open(all.backingUp);
    expect(screen.getByTestId<HTMLButtonElement>(`restore-${point.id}`).disabled).toBe(true);
    await click('backup-now');
    expect(transport.asked).toEqual([]);
    expect(screen.getByTestId('operation').textContent).toContain('copying conversations.db');
  });
});
