import { Channel, invoke } from '@tauri-apps/api/core';
import type { Snapshot } from '../api/types';
import { en } from '../words/en';
import { isProblem } from './http';
import { type LinkState, type Method, RequestError, type Transport } from './transport';

type Message = { kind: 'snapshot'; snapshot: Snapshot } | { kind: 'gone'; reason: string };

/** The agent through the app's own process, from the panel's window. That process keeps the line and reconnects. */
export class TauriTransport implements Transport {
  readonly startAgent = async (): Promise<void> => {
    await commanded('start_agent');
  };

  request<T>(method: Method, path: string, body?: unknown): Promise<T> {
    return commanded<T>('request', { method, path, body: body ?? null });
  }

  events(onSnapshot: (snapshot: Snapshot) => void, onState: (state: LinkState) => void): () => void {
    let open = true;
    onState({ kind: 'connecting' });
    const channel = new Channel<Message>((message) => {
      if (!open) return;
      if (message.kind === 'snapshot') onSnapshot(message.snapshot);
      else onState(message);
    });
    invoke('events', { channel }).catch((error: unknown) => {
      if (open) onState({ kind: 'gone', reason: asError(error).message });
    });
    return () => {
      open = false;
    };
  }
}

async function commanded<T>(command: string, args?: Record<string, unknown>): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (error) {
    throw asError(error);
  }
}

function asError(error: unknown): RequestError {
  if (isProblem(error)) return new RequestError(error.code, error.detail);
  return new RequestError('unreachable', typeof error === 'string' ? error : en.errors.unreachable);
}
