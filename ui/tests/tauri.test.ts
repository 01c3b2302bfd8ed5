import { clearMocks, mockIPC } from '@tauri-apps/api/mocks';
import { afterEach, describe, expect, it } from 'vitest';
import { chooseTransport } from '../src/transport/choose';
import { HttpTransport } from '../src/transport/http';
import { TauriTransport } from '../src/transport/tauri';
import type { LinkState } from '../src/transport/transport';
import { NOW, fixtures } from './fixtures/snapshots';

const { ok } = fixtures(NOW);

afterEach(() => {
  clearMocks();
});

describe('in a browser', () => {
  it('the agent is asked over HTTP and cannot be started', async () => {
    Reflect.deleteProperty(window, '__TAURI_INTERNALS__');
    const transport = await chooseTransport();
    expect(transport).toBeInstanceOf(HttpTransport);
    expect(transport.startAgent).toBeNull();
  });
});

describe("in the app's window", () => {
  it('requests and the start go through its commands', async () => {
    const calls: unknown[] = [];
    mockIPC((command, args) => {
      calls.push([command, args]);
      return { id: 'x' };
    });
    const transport = await chooseTransport();
    expect(transport).toBeInstanceOf(TauriTransport);
    expect(await transport.request('POST', '/api/v1/backups')).toEqual({ id: 'x' });
    await transport.startAgent?.();
    expect(calls).toEqual([
      ['request', { method: 'POST', path: '/api/v1/backups', body: null }],
      ['start_agent', {}],
    ]);
  });

  it("refusals keep the agent's words", async () => {
    mockIPC(() => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- what a command of the app rejects with
      throw { code: 'busy', detail: 'A restore runs.' };
    });
    const refused = new TauriTransport().request('POST', '/api/v1/backups');
    await expect(refused).rejects.toMatchObject({ code: 'busy', message: 'A restore runs.' });
  });

  it('snapshots and the loss of the line come over one channel, until it is left', () => {
    let send: (message: unknown) => void = () => undefined;
    mockIPC((command, args) => {
      expect(command).toBe('events');
      const { channel } = args as { channel: { id: number } };
      let index = 0;
      const { runCallback } = (
        window as unknown as { __TAURI_INTERNALS__: { runCallback: (id: number, data: unknown) => void } }
      ).__TAURI_INTERNALS__;
      send = (message) => {
        runCallback(channel.id, { index, message });
        index += 1;
      };
    });
    const seen: (number | LinkState)[] = [];
    const stop = new TauriTransport().events(
      (snapshot) => seen.push(snapshot.version),
      (state) => seen.push(state),
    );
    send({ kind: 'snapshot', snapshot: ok });
    send({ kind: 'gone', reason: 'the socket is closed' });
    stop();
    send({ kind: 'snapshot', snapshot: ok });
    expect(seen).toEqual([
      { kind: 'connecting' },
      ok.version,
      { kind: 'gone', reason: 'the socket is closed' },
    ]);
  });

  it('a window that may not listen says so', async () => {
    mockIPC(() => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- what Tauri rejects with
      throw 'events not allowed';
    });
    const reason = await new Promise<string>((resolve) => {
      new TauriTransport().events(
        () => undefined,
        (state) => {
          if (state.kind === 'gone') resolve(state.reason);
        },
      );
    });
    expect(reason).toBe('events not allowed');
  });
});
