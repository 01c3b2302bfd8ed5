import type { ServiceCommand } from '../api/agent';
import type { ServiceStatus, ServiceView } from '../api/types';
import { en } from '../words/en';

export type ServiceRow = {
  /** The state in a word; `null` where the agent's detail opens with it. */
  word: string | null;
  /** Small facts in one line: pid, port, restarts, last exit. */
  facts: string[];
  /** Who holds its port, when that is why it does not run. */
  foreign: string | null;
  /** Always the same three in the same places, so that no button moves under a pointer. */
  actions: { command: ServiceCommand; label: string; name: string; enabled: boolean }[];
};

const STARTABLE: ReadonlySet<ServiceStatus> = new Set(['stopped', 'backoff', 'crash_loop', 'foreign']);
const UNSTOPPABLE: ReadonlySet<ServiceStatus> = new Set(['stopped', 'stopping', 'foreign']);

export function serviceRow(service: ServiceView): ServiceRow {
  const enabled: Record<ServiceCommand, boolean> = {
    restart: service.state !== 'stopping',
    stop: !UNSTOPPABLE.has(service.state),
    start: STARTABLE.has(service.state),
  };
  return {
    word: word(service),
    facts: facts(service),
    foreign: foreign(service),
    actions: (['restart', 'stop', 'start'] as const).map((command) => ({
      command,
      label: en.services[command],
      name: en.services.on(en.services[command], service.name),
      enabled: enabled[command],
    })),
  };
}

function word(service: ServiceView): string | null {
  const state = en.services.state[service.state];
  return service.detail.toLowerCase().startsWith(state.toLowerCase()) ? null : state;
}

function facts(service: ServiceView): string[] {
  const { pid, port, restarts, last_exit: exit } = service;
  return [
    pid == null ? null : en.services.pid(pid),
    port == null ? null : en.services.port(port),
    en.services.restarts(restarts),
    exit == null ? null : en.services.lastExit(exit),
  ].filter((fact) => fact !== null);
}

function foreign(service: ServiceView): string | null {
  const owner = service.foreign ?? null;
  if (owner === null) return null;
  const who =
    owner.pid == null
      ? en.services.foreignHidden
      : en.services.foreignProcess(owner.pid, owner.command ?? null);
  return en.services.foreign(owner.port, who);
}
