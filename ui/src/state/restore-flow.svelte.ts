import type { Agent } from '../api/agent';
import type { BackupView, RestorePlan, RestoreRecord } from '../api/types';
import { en } from '../words/en';
import { type Watch, observe, watch } from './restore';

/** Where the restore dialog stands. `taken` is the time of the restore point it is about. */
export type Step =
  | { kind: 'closed' }
  | { kind: 'planning'; point: string; taken: string }
  | { kind: 'plan-failed'; point: string; taken: string; why: string }
  | { kind: 'plan'; plan: RestorePlan }
  | { kind: 'undo'; record: RestoreRecord }
  | { kind: 'starting'; work: Watch['kind']; taken: string }
  | { kind: 'not-started'; work: Watch['kind']; taken: string; why: string }
  | { kind: 'watching'; watch: Watch; taken: string };

/** Leads through plan, one confirmation, progress and result; the same for its undo. */
export class RestoreFlow {
  step = $state.raw<Step>({ kind: 'closed' });
  #agent: Agent;
  #backup: BackupView | null = null;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  /** Every snapshot passes here. */
  note(backup: BackupView): void {
    this.#backup = backup;
    if (this.step.kind !== 'watching') return;
    const seen = observe(this.step.watch, backup);
    if (seen !== this.step.watch) this.step = { ...this.step, watch: seen };
  }

  async plan(point: string, taken: string): Promise<void> {
    const asking: Step = { kind: 'planning', point, taken };
    this.step = asking;
    let next: Step;
    try {
      next = { kind: 'plan', plan: await this.#agent.planRestore(point) };
    } catch (error) {
      next = { kind: 'plan-failed', point, taken, why: why(error) };
    }
    if (this.step === asking) this.step = next;
  }

  askUndo(record: RestoreRecord): void {
    this.step = { kind: 'undo', record };
  }

  confirmRestore(plan: RestorePlan): Promise<void> {
    return this.#begin('restore', plan.point.taken, () => this.#agent.restore(plan.point.id));
  }

  confirmUndo(record: RestoreRecord): Promise<void> {
    return this.#begin('undo', record.point_taken, () => this.#agent.undoRestore());
  }

  /** Closes the dialog only; work that has begun goes on. */
  close(): void {
    this.step = { kind: 'closed' };
  }

  async #begin(work: Watch['kind'], taken: string, ask: () => Promise<unknown>): Promise<void> {
    const backup = this.#backup;
    if (backup === null || this.step.kind === 'starting') return;
    // Taken before asking: the answer may come after the snapshot that shows the work.
    let watched = watch(work, backup);
    const starting: Step = { kind: 'starting', work, taken };
    this.step = starting;
    let next: Step;
    try {
      await ask();
      if (this.#backup !== null) watched = observe(watched, this.#backup);
      next = { kind: 'watching', watch: watched, taken };
    } catch (error) {
      next = { kind: 'not-started', work, taken, why: why(error) };
    }
    if (this.step === starting) this.step = next;
  }
}

function why(error: unknown): string {
  return error instanceof Error ? error.message : en.errors.unexpected;
}
