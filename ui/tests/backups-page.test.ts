import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import App from '../src/App.svelte';
import type { PrunePlan, Snapshot } from '../src/api/types';
import { RequestError } from '../src/transport/transport';
import { NOW, fixtures } from './fixtures/snapshots';
import { ScriptedTransport } from './scripted-transport';

const all = fixtures(NOW);
const PLAN = 'GET /api/v1/backups/prune';
const PRUNE = 'POST /api/v1/backups/prune';
const DRILL = 'POST /api/v1/drills';
const RECOVER = 'POST /api/v1/restores/recover';

const [newest, , scheduled] = all.ok.backup.points;
const fate = (keep: boolean, text: string, point = newest!): PrunePlan['points'][number] => ({
  id: point.id,
  taken: point.taken,
  kind: point.kind,
  bytes: point.bytes,
  verified: point.verified ?? null,
  keep,
  reasons: [{ rule: 'last', text }],
});
const plan: PrunePlan = {
  points: [fate(true, 'the newest'), fate(false, 'no rule keeps it', scheduled)],
  frees: 96_000_000,
};

let transport: ScriptedTransport;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW, toFake: ['Date'] });
  transport = new ScriptedTransport();
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

describe('the drill', () => {
  it('tells each step of the last one, what it failed of, and when the next is', async () => {
    await open(all.caredFor);
    const drill = screen.getByTestId('drill');
    expect(drill.dataset['status']).toBe('warn');
    for (const words of ['HTTP 503', '312 files', 'all rows there', 'Health asked: failed', 'Next drill']) {
      expect(drill.textContent).toContain(words);
    }
  });

  it('tells of each dump that was loaded', async () => {
    const dump = (said: string) => ({ what: 'loaded' as const, took_ms: 900, said });
    const { last } = all.caredFor.backup.drill!;
    const steps = [...last!.steps, dump('pkg: 2 tables'), dump('vectors: 1 table')];
    const drill = { ...all.caredFor.backup.drill!, last: { ...last!, steps } };
    await open({ ...all.caredFor, backup: { ...all.caredFor.backup, drill } });
    const shown = screen.getByTestId('drill').textContent;
    expect(shown).toContain('Dumps loaded: pkg: 2 tables');
    expect(shown).toContain('Dumps loaded: vectors: 1 table');
  });

  it('is run by its button, and not while something else runs', async () => {
    transport.answers.set(DRILL, { id: 'drill' });
    await open(all.caredFor);
    await click('drill-now');
    expect(transport.asked).toEqual([DRILL]);
    await push({ ...all.caredFor, backup: { ...all.caredFor.backup, operation: all.operation } });
    await click('drill-now');
    expect(transport.asked).toEqual([DRILL]);
  });
});

describe('old restore points', () => {
  beforeEach(() => {
    transport.answers.set(PLAN, plan);
    transport.answers.set(PRUNE, { id: 'prune' });
  });

  it('are shown with the reasons before they can be removed', async () => {
    await open(all.caredFor);
    expect(screen.getByTestId('prune').textContent).toContain('3 went and freed 96.0 MB');
    expect(screen.queryByTestId('prune-now')).toBeNull();
    await click('prune-plan');
    const going = await screen.findByTestId('prune-going');
    expect(within(going).getAllByRole('listitem')).toHaveLength(1);
    expect(going.textContent).toContain('no rule keeps it');
    expect(transport.asked).toEqual([PLAN]);
    await click('prune-now');
    expect(transport.asked).toEqual([PLAN, PRUNE]);
  });

  it('are looked for anew when the points are others than those that were looked at', async () => {
    await open(all.caredFor);
    await click('prune-plan');
    await screen.findByTestId('prune-now');
    const points = all.caredFor.backup.points.slice(1);
    await push({ ...all.caredFor, backup: { ...all.caredFor.backup, points } });
    expect(screen.queryByTestId('prune-now')).toBeNull();
  });

  it('that all stay are said to, and a look that is refused says why', async () => {
    transport.answers.set(PLAN, { points: [fate(true, 'the newest')], frees: 0 });
    await open(all.caredFor);
    await click('prune-plan');
    await waitFor(() => {
      expect(screen.getByTestId('prune').textContent).toContain('the rules keep all');
    });
    transport.answers.set(PLAN, new RequestError('busy', 'A copy is being made.'));
    await click('prune-plan');
    expect((await screen.findByRole('alert')).textContent).toBe('A copy is being made.');
  });
});

describe('copies', () => {
  it('are told with their state, progress, and what to do about one that was never set up', async () => {
    transport.answers.set('DELETE /api/v1/operations/01JD3333333333333333333333', { id: null });
    await open(all.caredFor);
    const usb = screen.getByTestId('copy-usb');
    for (const words of [
      '/media/ada/usb/steady',
      '4 points copied',
      'copying the data',
      '41.0 MB of 71.1 MB',
    ]) {
      expect(usb.textContent).toContain(words);
    }
    await fireEvent.click(within(usb).getByRole('button', { name: 'Cancel: Copying restore points' }));
    expect(transport.asked).toEqual(['DELETE /api/v1/operations/01JD3333333333333333333333']);
    const nas = screen.getByTestId('copy-now-nas');
    expect(nas.getAttribute('aria-disabled')).toBe('true');
    expect(nas.title).toContain('steady backup copy nas --init');
  });

  it('are made by their button', async () => {
    transport.answers.set('POST /api/v1/copies/usb', { id: 'copy' });
    const [usb] = all.caredFor.backup.copies ?? [];
    const idle = { ...usb!, running: false, work: null };
    await open({ ...all.ok, backup: { ...all.ok.backup, copies: [idle] } });
    await click('copy-now-usb');
    expect(transport.asked).toEqual(['POST /api/v1/copies/usb']);
  });
});

describe('an interrupted restore', () => {
  it('is told with its reason, tried again by its button, and nothing else is begun', async () => {
    transport.answers.set(RECOVER, new RequestError('refused', 'no restore is interrupted'));
    await open(all.unfinished);
    expect(screen.getByTestId('unfinished-restore').textContent).toContain('/mnt/data/brain is not there');
    await click('backup-now');
    expect(transport.asked).toEqual([]);
    await click('recover-restore');
    expect(transport.asked).toEqual([RECOVER]);
    expect((await screen.findByRole('alert')).textContent).toContain('no restore is interrupted');
  });
});

describe('the keyboard', () => {
  it('reaches every command of the page, with a name that tells it from the others', async () => {
    await open(all.caredFor);
    const buttons = screen.getAllByRole('button');
    const names = buttons.map((button) => button.getAttribute('aria-label') ?? button.textContent.trim());
    expect(new Set(names).size).toBe(names.length);
    for (const button of buttons) {
      button.focus();
      expect(document.activeElement === button || (button as HTMLButtonElement).disabled).toBe(true);
    }
  });
});
