import type { Transport } from '../transport/transport';
import type { Accepted, LogTail, PrunePlan, RestorePlan } from './types';

export type ServiceCommand = 'start' | 'stop' | 'restart';

/** The agent's commands and questions by name, so that paths stand in one place. */
export class Agent {
  constructor(readonly transport: Transport) {}

  command(service: string, command: ServiceCommand): Promise<Accepted> {
    return this.#post(`services/${encodeURIComponent(service)}/${command}`);
  }

  logs(service: string, lines: number): Promise<LogTail> {
    return this.#get(`services/${encodeURIComponent(service)}/logs?lines=${lines}`);
  }

  runJob(job: string): Promise<Accepted> {
    return this.#post(`jobs/${encodeURIComponent(job)}/run`);
  }

  backUp(): Promise<Accepted> {
    return this.#post('backups');
  }

  planRestore(point: string): Promise<RestorePlan> {
    return this.#get(`backups/${encodeURIComponent(point)}/plan`);
  }

  restore(point: string): Promise<Accepted> {
    return this.#post(`backups/${encodeURIComponent(point)}/restore`);
  }

  drill(): Promise<Accepted> {
    return this.#post('drills');
  }

  /** What a removal of old restore points would do. */
  planPrune(): Promise<PrunePlan> {
    return this.#get('backups/prune');
  }

  prune(): Promise<Accepted> {
    return this.#post('backups/prune');
  }

  copy(name: string): Promise<Accepted> {
    return this.#post(`copies/${encodeURIComponent(name)}`);
  }

  /** Tries once more to end a restore that was interrupted. */
  recover(): Promise<Accepted> {
    return this.#post('restores/recover');
  }

  /** Ends an operation, or an attempt to copy, early. */
  cancel(operation: string): Promise<Accepted> {
    return this.transport.request('DELETE', `/api/v1/operations/${encodeURIComponent(operation)}`);
  }

  undoRestore(): Promise<Accepted> {
    return this.#post('restores/undo');
  }

  #get<T>(path: string): Promise<T> {
    return this.transport.request<T>('GET', `/api/v1/${path}`);
  }

  #post<T>(path: string): Promise<T> {
    return this.transport.request<T>('POST', `/api/v1/${path}`);
  }
}
