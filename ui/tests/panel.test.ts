import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import App from '../src/App.svelte';
import type { Snapshot } from '../src/api/types';
import { RequestError } from '../src/transport/transport';
import { NOW, fixtures } from './fixtures/snapshots';
import { ScriptedTransport } from './scripted-transport';

const all = fixtures(NOW);
let transport: ScriptedTransport;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW, toFake: ['Date'] });
  transport = new ScriptedTransport();
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

async function show(snapshot: Snapshot, hash = '#/') {
  window.location.hash = hash;
  render(App, { transport });
  transport.push(snapshot);
  await tick();
}

async function push(snapshot: Snapshot) {
  transport.push(snapshot);
  await tick();
}

describe('the overview', () => {
  it('shows the verdict, services, checks, runs and the backup', async () => {
    await show(all.ok);
    const verdict = screen.getByTestId('verdict');
    expect(verdict.dataset['status']).toBe('pass');
    expect(verdict.textContent).toContain('Synced 2 h ago, backed up 40 min ago');
    expect(screen.getByTestId('service-brain').textContent).toContain('pid 4242');
    expect(screen.getByTestId('check-disk').textContent).toContain('71.1 GB of 494.4 GB free');
    expect(screen.getByTestId('job-daily-sync').textContent).toContain('reindex complete');
    expect(screen.getByTestId('backup-summary').textContent).toContain('verified');
  });

  it('shows each reason with its age and an action that leads to its row', async () => {
    await show(all.failing);
    const reason = screen.getAllByTestId('reason')[0]!;
    expect(reason.textContent).toContain('Operation not permitted');
    expect(reason.textContent).toContain('12 min ago');
    const link = within(reason).getByRole('link', { name: 'Open the check for its evidence' });
    expect(link.getAttribute('href')).toBe('#/checks/vault');
  });

  it('moves to the row that a link names', async () => {
    await show(all.failing, '#/checks/vault');
    await waitFor(() => {
      expect(document.activeElement).toBe(screen.getByTestId('check-vault'));
    });
  });

  it('follows a service from ready to a crash loop and back, in place', async () => {
    await show(all.ok);
    const row = screen.getByTestId('service-brain');
    await push(all.crashLoop);
    expect(screen.getByTestId('verdict').dataset['status']).toBe('fail');
    expect(row.dataset['state']).toBe('crash_loop');
    await push(all.ok);
    expect(row.dataset['state']).toBe('ready');
    expect(screen.queryAllByTestId('reason')).toEqual([]);
  });

  it('names who holds a taken port', async () => {
    await show(all.foreign);
    expect(screen.getByTestId('service-brain').textContent).toContain('pid 4711');
  });

  it('says why each section is empty', async () => {
    await show(all.bare);
    for (const words of ['No service is', 'No check is', 'No sync job is', 'No data directory is']) {
      expect(document.body.textContent).toContain(words);
    }
    expect(screen.queryByTestId('backup-now')).toBeNull();
  });

  it('sends commands, and says beside the button why one was refused', async () => {
    await show(all.ok);
    transport.answers.set('POST /api/v1/services/brain/restart', { id: null });
    await fireEvent.click(screen.getByTestId('restart-service-brain'));
    transport.answers.set('POST /api/v1/jobs/daily-sync/run', new RequestError('busy', 'It already runs.'));
    await fireEvent.click(screen.getByTestId('sync-now-daily-sync'));
    expect(transport.asked).toEqual([
      'POST /api/v1/services/brain/restart',
      'POST /api/v1/jobs/daily-sync/run',
    ]);
    expect((await screen.findByRole('alert')).textContent).toBe('It already runs.');
  });

  it('sends nothing from a button that does not apply', async () => {
    await show(all.syncing);
    await fireEvent.click(screen.getByTestId('sync-now-daily-sync'));
    await fireEvent.click(screen.getByTestId('start-service-brain'));
    expect(transport.asked).toEqual([]);
  });

  it('reads a log when it is opened', async () => {
    await show(all.ok);
    transport.answers.set('GET /api/v1/services/brain/logs?lines=200', {
      service: 'brain',
      lines: ['one', '\u001b[31mtwo'],
    });
    const log = screen.getByTestId<HTMLDetailsElement>('log-brain');
    log.open = true;
    await fireEvent(log, new Event('toggle'));
    expect((await screen.findByRole('region', { name: 'Log of brain' })).textContent).toBe('one\ntwo');
  });
});

describe('without the agent', () => {
  const greens = () => document.querySelectorAll('svg.pass, [data-status="pass"]').length;

  it('no green is left, on any page', async () => {
    for (const hash of ['#/', '#/backups']) {
      await show(all.ok, hash);
      expect(greens()).toBeGreaterThan(0);
      transport.lose({ kind: 'gone', reason: 'The agent ended the connection.' });
      await tick();
      expect(greens()).toBe(0);
      const notice = screen.getByTestId('agent-gone');
      expect(notice.textContent).toContain('The agent does not answer');
      expect(notice.textContent).toContain('steady up');
      cleanup();
    }
  });

  it('the page comes back with it', async () => {
    await show(all.ok);
    transport.lose({ kind: 'gone', reason: 'x' });
    await push(all.failing);
    expect(screen.queryByTestId('agent-gone')).toBeNull();
    expect(screen.getByTestId('verdict').dataset['status']).toBe('fail');
  });

  it('the window offers to start it, and says why that failed', async () => {
    transport.startAgent = () => Promise.reject(new RequestError('internal', 'The sidecar is missing.'));
    await show(all.ok);
    transport.lose({ kind: 'gone', reason: 'x' });
    await tick();
    await fireEvent.click(screen.getByTestId('start-agent'));
    expect((await screen.findByRole('alert')).textContent).toBe('The sidecar is missing.');
  });

  it('a browser that is not signed in is told how to', async () => {
    await show(all.ok);
    transport.lose({ kind: 'signed-out' });
    await tick();
    expect(screen.getByTestId('signed-out').textContent).toContain('steady panel');
    expect(greens()).toBe(0);
  });
});
