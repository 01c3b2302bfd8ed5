import { createContext } from 'svelte';
import { Agent } from '../api/agent';
import type { Transport } from '../transport/transport';
import { Clock } from './clock.svelte';
import { type Connection, heard, lost } from './connection';
import { RestoreFlow } from './restore-flow.svelte';
import { Router } from './router.svelte';

/** All that the panel's components share. Owns the line to the agent; holds no truth of its own. */
export class Panel {
  connection = $state.raw<Connection>({ kind: 'connecting' });
  readonly transport: Transport;
  readonly agent: Agent;
  readonly clock = new Clock();
  readonly router = new Router();
  readonly restore: RestoreFlow;

  constructor(transport: Transport) {
    this.transport = transport;
    this.agent = new Agent(transport);
    this.restore = new RestoreFlow(this.agent);
  }

  /** Returns what stops it. */
  start(): () => void {
    const stops = [this.clock.start(), this.router.start(), this.#listen()];
    return () => {
      for (const stop of stops) stop();
    };
  }

  #listen(): () => void {
    return this.transport.events(
      (snapshot) => {
        this.clock.touch();
        this.connection = heard(snapshot, this.clock.now);
        this.restore.note(snapshot.backup);
      },
      (state) => {
        this.clock.touch();
        this.connection = lost(this.connection, state);
      },
    );
  }
}

export const [getPanel, setPanel] = createContext<Panel>();
