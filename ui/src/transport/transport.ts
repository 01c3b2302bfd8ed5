import type { Snapshot } from '../api/types';

export type Method = 'GET' | 'POST' | 'DELETE';

/** What is known of the line to the agent while no snapshot can be believed. */
export type LinkState = { kind: 'connecting' } | { kind: 'gone'; reason: string } | { kind: 'signed-out' };

/** What a followed log tells. `gap` counts lines that were left out because this client was too slow. */
export type LogNews =
  { kind: 'lines'; lines: string[] } | { kind: 'gap'; lines: number } | { kind: 'gone'; reason: string };

/**
 * The panel's only way to the agent.
 *
 * `events` calls `onSnapshot` with the whole state at once and on every change, and `onState` as soon as the
 * last snapshot may no longer hold. It reconnects by itself until the returned function is called.
 */
export interface Transport {
  /** Rejects with a {@link RequestError}. */
  request<T>(method: Method, path: string, body?: unknown): Promise<T>;
  events(onSnapshot: (snapshot: Snapshot) => void, onState: (state: LinkState) => void): () => void;
  /**
   * A service's log from its newest `lines` on, and what is written from then on. Goes on where it was after an outage,
   * which `gone` tells; only a refusal ends it. Until the returned function is called.
   */
  follow(service: string, lines: number, onNews: (news: LogNews) => void): () => void;
  /** Starts the agent, where the panel may do that; `null` in a browser. */
  startAgent: (() => Promise<void>) | null;
}

/** `code` is the agent's stable word, or `unreachable` when no answer came. The message is for people. */
export class RequestError extends Error {
  override readonly name = 'RequestError';

  constructor(
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}
