import type { Problem, Snapshot } from '../api/types';
import { en } from '../words/en';
import { EventStreamParser } from './sse';
import { type LinkState, type Method, RequestError, type Transport } from './transport';

const EVENTS = '/api/v1/events';
/** The agent sends a comment every 15 s when nothing changes: twice that and a bit is a dead line. */
const SILENCE_MS = 40_000;
const RETRY_MS = [250, 500, 1000, 2000, 5000];

type Options = { silenceMs?: number; retryMs?: readonly number[] };

/**
 * The agent over HTTP, from a browser.
 *
 * Events are read with `fetch` instead of `EventSource`, which hides a 401 and the keep-alive comments: without
 * them a line that died in silence (a phone that slept) would leave the last green standing.
 */
export class HttpTransport implements Transport {
  readonly startAgent = null;
  readonly #origin: string;
  readonly #silenceMs: number;
  readonly #retryMs: readonly number[];

  constructor(origin: string, options: Options = {}) {
    this.#origin = origin;
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
    this.#retryMs = options.retryMs ?? RETRY_MS;
  }

  async request<T>(method: Method, path: string, body?: unknown): Promise<T> {
    const init: RequestInit = { method, headers: { accept: 'application/json' } };
    if (body !== undefined) {
      init.headers = { ...init.headers, 'content-type': 'application/json' };
      init.body = JSON.stringify(body);
    }
    let response: Response;
    try {
      response = await fetch(this.#origin + path, init);
    } catch {
      throw new RequestError('unreachable', en.errors.unreachable);
    }
    const answer = await json(response);
    if (!response.ok) throw refusal(response.status, answer);
    return answer as T;
  }

  events(onSnapshot: (snapshot: Snapshot) => void, onState: (state: LinkState) => void): () => void {
    const closed = new AbortController();
    void this.#follow(onSnapshot, onState, closed.signal);
    return () => {
      closed.abort();
    };
  }

  async #follow(
    onSnapshot: (snapshot: Snapshot) => void,
    onState: (state: LinkState) => void,
    closed: AbortSignal,
  ): Promise<void> {
    onState({ kind: 'connecting' });
    let failures = 0;
    while (!closed.aborted) {
      const end = await this.#read(closed, (snapshot) => {
        failures = 0;
        onSnapshot(snapshot);
      });
      if (closed.aborted) return;
      onState(end);
      const wait = this.#retryMs[Math.min(failures, this.#retryMs.length - 1)] ?? 0;
      failures += 1;
      // Signed out: only a person can change that, so it is tried again when they come back to the page.
      await pause(end.kind === 'signed-out' ? null : wait, closed);
    }
  }

  /** Reads one connection to its end and says why it ended. */
  async #read(closed: AbortSignal, onSnapshot: (snapshot: Snapshot) => void): Promise<LinkState> {
    const silent = new AbortController();
    let deadline: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(deadline);
      deadline = setTimeout(() => {
        silent.abort();
      }, this.#silenceMs);
    };
    try {
      heard();
      const signal = AbortSignal.any([closed, silent.signal]);
      const response = await fetch(this.#origin + EVENTS, {
        headers: { accept: 'text/event-stream' },
        signal,
      });
      if (response.status === 401) return { kind: 'signed-out' };
      if (!response.ok || response.body === null) {
        return { kind: 'gone', reason: refusal(response.status, await json(response)).message };
      }
      const parser = new EventStreamParser();
      const decoder = new TextDecoder();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return { kind: 'gone', reason: en.errors.streamEnded };
        heard();
        const events = parser.push(decoder.decode(value, { stream: true }));
        // Each event is the whole state: of several that came together, only the last matters.
        const last = events.findLast((event) => event.event === 'snapshot');
        if (last) onSnapshot(JSON.parse(last.data) as Snapshot);
      }
    } catch (error) {
      if (error instanceof SyntaxError) return { kind: 'gone', reason: en.errors.unreadable };
      return { kind: 'gone', reason: silent.signal.aborted ? en.errors.silent : en.errors.unreachable };
    } finally {
      clearTimeout(deadline);
      silent.abort();
    }
  }
}

async function json(response: Response): Promise<unknown> {
  const text = await response.text().catch(() => '');
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function refusal(status: number, answer: unknown): RequestError {
  if (isProblem(answer)) return new RequestError(answer.code, answer.detail);
  if (status === 401) return new RequestError('unauthorized', en.errors.signedOut);
  return new RequestError('internal', en.errors.status(status));
}

export function isProblem(value: unknown): value is Problem {
  if (typeof value !== 'object' || value === null) return false;
  const { code, detail } = value as Record<string, unknown>;
  return typeof code === 'string' && typeof detail === 'string';
}

/** Waits, but not longer than until the person looks again or the network is back. `null` waits only for those. */
function pause(ms: number | null, closed: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const page = typeof window === 'undefined' ? new EventTarget() : window;
    const visibility = typeof document === 'undefined' ? new EventTarget() : document;
    const timer = ms === null ? undefined : setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      page.removeEventListener('focus', done);
      page.removeEventListener('online', done);
      visibility.removeEventListener('visibilitychange', done);
      closed.removeEventListener('abort', done);
      resolve();
    }
    page.addEventListener('focus', done);
    page.addEventListener('online', done);
    visibility.addEventListener('visibilitychange', done);
    closed.addEventListener('abort', done);
  });
}
