import type { Shape, Verdict } from '../api/types';
import { en } from '../words/en';

/** The verdict as the panel draws it. `summary` is its sentence when it says more than the reasons below it. */
export type VerdictCard = { shape: Shape; heading: string; summary: string; announcement: Announcement };

/** What a screen reader is told. Equal keys are the same news, whatever their ages say by now. */
export type Announcement = { key: string; text: string };

/** The tray needs to say who speaks; the panel does not. */
const PREFIX = 'Steady — ';

export function verdictCard(verdict: Verdict): VerdictCard {
  const busy = verdict.busy ?? null;
  const shape: Shape = busy === null ? verdict.status : 'busy';
  const sentence = unprefixed(verdict.sentence);
  const counted = busy === null && verdict.reasons.length > 0;
  const heading = en.verdict.heading[shape];
  const subjects = verdict.reasons.map(({ status, subject }) => [status, subject]);
  return {
    shape,
    heading,
    summary: counted ? en.verdict.counted(verdict.reasons.length) : capitalised(sentence),
    announcement: { key: JSON.stringify([shape, busy, subjects]), text: `${heading}. ${sentence}` },
  };
}

function unprefixed(sentence: string): string {
  return sentence.startsWith(PREFIX) ? sentence.slice(PREFIX.length) : sentence;
}

function capitalised(sentence: string): string {
  return sentence.slice(0, 1).toUpperCase() + sentence.slice(1);
}
