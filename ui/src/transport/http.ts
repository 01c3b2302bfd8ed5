import type { LogLines, Problem, Snapshot } from '../api/types';
import { en } from '../words/en';
import { EventStreamParser, type ServerEvent } from './sse';
import { type LinkState, type LogNews, type Method, RequestError, type Transport } from './transport';

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
    onState({ kind: 'connecting' });
    return this.#keepReading(EVENTS, false, onState, (events) => {
      // Each event is the whole state: of several that came together, only the last matters.
      const last = events.findLast((event) => event.event === 'snapshot');
      if (last) onSnapshot(JSON.parse(last.data) as Snapshot);
    });
  }

  follow(service: string, lines: number, onNews: (news: LogNews) => void): () => void {
    const path = `/api/v1/services/${encodeURIComponent(service)}/logs/stream?lines=${lines}`;
    const onEnd = (end: LinkState) => {
      onNews({ kind: 'gone', reason: end.kind === 'gone' ? end.reason : en.errors.signedOut });
    };
    return this.#keepReading(path, true, onEnd, (events) => {
      for (const { event, data } of events) {
        if (event === 'lines') onNews({ kind: 'lines', lines: (JSON.parse(data) as LogLines).lines });
        if (event === 'gap') onNews({ kind: 'gap', lines: (JSON.parse(data) as { lines: number }).lines });
      }
    });
  }

  /**
   * Reads a stream until the returned function is called, and tells each end of a connection. The next one goes on
   * where the last one ended if it shall `resume`; a stream of whole states has nothing to resume.
   */
  #keepReading(
    path: string,
    resume: boolean,
    onEnd: (end: LinkState) => void,
    onEvents: (events: ServerEvent[]) => void,
  ): () => void {
    const closed = new AbortController();
    void this.#reconnect(path, resume, onEnd, onEvents, closed.signal);
    return () => {
      closed.abort();
    };
  }

  async #reconnect(
    path: string,
    resume: boolean,
    onEnd: (end: LinkState) => void,
    onEvents: (events: ServerEvent[]) => void,
    closed: AbortSignal,
  ): Promise<void> {
    const parser = new EventStreamParser();
    let failures = 0;
    while (!closed.aborted) {
      if (!resume) parser.lastId = '';
      const end = await this.#read(path, parser, closed, (events) => {
        if (events.length > 0) failures = 0;
        onEvents(events);
      });
      if (closed.aborted) return;
      onEnd(end);
      const wait = this.#retryMs[Math.min(failures, this.#retryMs.length - 1)] ?? 0;
      failures += 1;
      // Signed out: only a person can change that, so it is tried again when they come back to the page.
      await pause(end.kind === 'signed-out' ? null : wait, closed);
    }
  }

  /** Reads one connection to its end and says why it ended. */
  async #read(
    path: string,
    parser: EventStreamParser,
    closed: AbortSignal,
    onEvents: (events: ServerEvent[]) => void,
  ): Promise<LinkState> {
    parser.begin();
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
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (parser.lastId !== '') headers['last-event-id'] = parser.lastId;
      const response = await fetch(this.#origin + path, { headers, signal });
      if (response.status === 401) return { kind: 'signed-out' };
      if (!response.ok || response.body === null) {
        return { kind: 'gone', reason: refusal(response.status, await json(response)).message };
      }
      const decoder = new TextDecoder();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return { kind: 'gone', reason: en.errors.streamEnded };
        heard();
        onEvents(parser.push(decoder.decode(value, { stream: true })));
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
