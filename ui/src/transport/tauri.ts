import { Channel, invoke } from '@tauri-apps/api/core';
import type { Snapshot } from '../api/types';
import { en } from '../words/en';
import { isProblem } from './http';
import { type LinkState, type LogNews, type Method, RequestError, type Transport } from './transport';

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

  follow(service: string, lines: number, onNews: (news: LogNews) => void): () => void {
    let open = true;
    const channel = new Channel<LogNews>((news) => {
      if (open) onNews(news);
    });
    invoke('follow_log', { service, lines, channel }).catch((error: unknown) => {
      if (open) onNews({ kind: 'gone', reason: asError(error).message });
    });
    return () => {
      open = false;
      // Only one log is followed at a time; another one takes its place.
      void invoke('leave_log', { channel: channel.id }).catch(() => undefined);
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
