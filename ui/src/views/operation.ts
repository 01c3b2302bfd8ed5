import type { Operation } from '../api/types';
import { en } from '../words/en';
import { bytes, count, span } from '../words/time';

/** What is known of how far work is, in the order of a sentence; nothing of what is not known. */
export function measures(work: Operation): string[] {
  const { of, files, rate, left } = en.backups.progress;
  const known: string[] = [];
  if (work.done_bytes > 0 || work.total_bytes > 0) {
    const done = bytes(work.done_bytes);
    known.push(work.total_bytes > 0 ? of(done, bytes(work.total_bytes)) : done);
  }
  const [done, total] = [work.done_files ?? 0, work.total_files ?? 0];
  if (done > 0 || total > 0) known.push(files(total > 0 ? of(count(done), count(total)) : count(done)));
  if (work.rate != null) known.push(rate(bytes(work.rate)));
  if (work.remaining_s != null) known.push(left(span(work.remaining_s * 1000)));
  return known;
}
