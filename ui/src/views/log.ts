/* eslint-disable no-control-regex -- terminal colours are control sequences */
const CONTROL =
  /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** A log line as text: without terminal colours and other control characters. */
export function plain(line: string): string {
  return line.replace(CONTROL, '');
}

export type Level = 'error' | 'warning' | 'other';

/** `count` identical lines in a row, or so many that were left out. `id` never changes and never comes again. */
export type LogRow =
  | { id: number; kind: 'line'; text: string; level: Level; count: number }
  | { id: number; kind: 'gap'; count: number };

/** What is kept of a log that is watched for hours. */
export const MOST_ROWS = 50_000;

/** Level words as loggers write them: in capitals, in brackets, or as a value; never as a word of a sentence. */
const ERROR =
  /\b(?:ERROR|CRITICAL|FATAL|PANIC|SEVERE)\b|\[(?:error|critical|fatal)\s*\]|"?level"?[=:]\s*"?(?:error|fatal)\b|^Traceback \(/;
const WARNING = /\bWARN(?:ING)?\b|\[warn(?:ing)?\s*\]|"?level"?[=:]\s*"?warn(?:ing)?\b/;

export function levelOf(line: string): Level {
  if (ERROR.test(line)) return 'error';
  return WARNING.test(line) ? 'warning' : 'other';
}

/** The rows with more lines at their end, folded into the last row where they are the same. */
export function withLines(rows: readonly LogRow[], lines: readonly string[]): LogRow[] {
  const next = rows.slice();
  let id = (next.at(-1)?.id ?? 0) + 1;
  for (const line of lines) {
    const text = plain(line);
    const last = next.at(-1);
    if (last?.kind === 'line' && last.text === text) {
      next[next.length - 1] = { ...last, count: last.count + 1 };
    } else {
      next.push({ id: id++, kind: 'line', text, level: levelOf(text), count: 1 });
    }
  }
  return bounded(next);
}

export function withGap(rows: readonly LogRow[], count: number): LogRow[] {
  return bounded([...rows, { id: (rows.at(-1)?.id ?? 0) + 1, kind: 'gap', count }]);
}

function bounded(rows: LogRow[]): LogRow[] {
  return rows.length > MOST_ROWS ? rows.slice(rows.length - MOST_ROWS) : rows;
}

export type Wanted = { words: string; level: 'all' | 'warning' | 'error' };

/** The rows that are asked for. Gaps always are: nobody may take what is left for the whole. */
export function matching(rows: readonly LogRow[], { words, level }: Wanted): readonly LogRow[] {
  const sought = words.trim().toLowerCase();
  if (sought === '' && level === 'all') return rows;
  return rows.filter((row) => {
    if (row.kind === 'gap') return true;
    if (level === 'error' && row.level !== 'error') return false;
    if (level === 'warning' && row.level === 'other') return false;
    return sought === '' || row.text.toLowerCase().includes(sought);
  });
}
