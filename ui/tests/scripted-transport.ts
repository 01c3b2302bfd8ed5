import type { Snapshot } from '../src/api/types';
import {
  type LinkState,
  type LogNews,
  type Method,
  RequestError,
  type Transport,
} from '../src/transport/transport';

type Answer = unknown;

/** A transport whose line and answers the test drives. Requests without an answer are refused aloud. */
export class ScriptedTransport implements Transport {
  startAgent: (() => Promise<void>) | null = null;
  readonly asked: string[] = [];
  readonly answers = new Map<string, Answer>();
  #onSnapshot: (snapshot: Snapshot) => void = () => undefined;
  #onState: (state: LinkState) => void = () => undefined;

  request<T>(method: Method, path: string): Promise<T> {
    const request = `${method} ${path}`;
    this.asked.push(request);
    const answer = this.answers.get(request);
    if (answer === undefined)
      return Promise.reject(new RequestError('not_found', `No answer for ${request}.`));
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer as T);
  }

  events(onSnapshot: (snapshot: Snapshot) => void, onState: (state: LinkState) => void): () => void {
    this.#onSnapshot = onSnapshot;
    this.#onState = onState;
    onState({ kind: 'connecting' });
    return () => undefined;
  }

  /** The logs that are followed now. */
  readonly followed = new Map<string, (news: LogNews) => void>();

  follow(service: string, _lines: number, onNews: (news: LogNews) => void): () => void {
    this.followed.set(service, onNews);
    return () => this.followed.delete(service);
  }

  push(snapshot: Snapshot): void {
    this.#onSnapshot(structuredClone(snapshot));
  }

  lose(state: LinkState): void {
    this.#onState(state);
  }
}
