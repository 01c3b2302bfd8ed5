import type { Milestone, RunRecord, Status } from '../api/types';
import { en } from '../words/en';
import { span } from '../words/time';

export type RunRow = {
  status: Status;
  word: string;
  why: string | null;
  took: string;
  exit: string | null;
  milestones: { event: string; fields: string }[];
};

const STATUS: Record<RunRecord['result'], Status> = {
  succeeded: 'pass',
  partial: 'warn',
  failed: 'fail',
  timed_out: 'fail',
  killed: 'fail',
  missed: 'warn',
};

export function runRow(run: RunRecord): RunRow {
  return {
    status: STATUS[run.result],
    word: en.jobs.outcome[run.result],
    why: 'why' in run ? run.why : null,
    took: span(Date.parse(run.ended) - Date.parse(run.started)),
    exit: run.exit == null ? null : en.jobs.exit(run.exit),
    milestones: run.milestones.map(milestone),
  };
}

function milestone(m: Milestone): { event: string; fields: string } {
  const fields = Object.entries(m.fields).map(
    ([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return { event: m.event.replaceAll('_', ' '), fields: fields.join(', ') };
}
