import type { Snapshot } from '../api/types';
import type { LinkState } from '../transport/transport';

/**
 * What the panel may show. A snapshot exists only while the line is live: once it is lost, there is no value left
 * that a page could draw as green.
 */
export type Connection =
  | { kind: 'connecting' }
  | { kind: 'live'; snapshot: Snapshot; heard: Date }
  | { kind: 'gone'; reason: string; lastHeard: Date | null }
  | { kind: 'signed-out' };

export function heard(snapshot: Snapshot, now: Date): Connection {
  return { kind: 'live', snapshot, heard: now };
}

export function lost(was: Connection, state: LinkState): Connection {
  if (state.kind !== 'gone') return state;
  return { kind: 'gone', reason: state.reason, lastHeard: lastHeard(was) };
}

function lastHeard(was: Connection): Date | null {
  if (was.kind === 'live') return was.heard;
  return was.kind === 'gone' ? was.lastHeard : null;
}
