import type { Status } from '../api/types';
import type { Ending } from '../state/restore';
import { en } from '../words/en';

export type ResultCard = { shape: Status; heading: string; detail: string };

/** How an ended restore is told. Only what the agent recorded as healthy is green. */
export function resultCard(ending: Ending, moment: string): ResultCard {
  const { wizard } = en;
  switch (ending) {
    case 'restored':
      return { shape: 'pass', heading: wizard.restored, detail: wizard.restoredText(moment) };
    case 'undone':
      return { shape: 'pass', heading: wizard.undone, detail: wizard.undoneText };
    case 'rolled_back':
      return { shape: 'warn', heading: wizard.rolledBack, detail: wizard.rolledBackText };
    case 'refused':
      return { shape: 'warn', heading: wizard.refused, detail: wizard.refusedText };
    case 'cancelled':
      return { shape: 'warn', heading: wizard.cancelled, detail: wizard.cancelledText };
    case 'failed':
      return { shape: 'fail', heading: wizard.failed, detail: wizard.failedText };
  }
}
