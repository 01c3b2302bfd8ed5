import { describe, expect, it } from 'vitest';
import type { ServiceStatus, Snapshot } from '../src/api/types';
import { heard, lost } from '../src/state/connection';
import { type LogRow, MOST_ROWS, levelOf, matching, plain, withGap, withLines } from '../src/views/log';
import { isVerified, pointRow } from '../src/views/point';
import { runRow } from '../src/views/run';
import { serviceRow } from '../src/views/service';
import { verdictCard } from '../src/views/verdict';
import { NOW, fixtures } from './fixtures/snapshots';

const all = fixtures(NOW);
const service = (snapshot: Snapshot) => snapshot.services[0]!;

describe('the connection', () => {
  it('keeps no snapshot once the line is lost', () => {
    const live = heard(all.ok, NOW);
    const gone = lost(live, { kind: 'gone', reason: 'died' });
    expect(gone).toEqual({ kind: 'gone', reason: 'died', lastHeard: NOW });
    expect(lost(gone, { kind: 'gone', reason: 'still' })).toEqual({
      kind: 'gone',
      reason: 'still',
      lastHeard: NOW,
    });
    for (const state of [{ kind: 'connecting' }, { kind: 'signed-out' }] as const) {
      expect(lost(live, state)).toEqual(state);
    }
  });
});

describe('the verdict', () => {
  it.each([
    ['ok', 'pass', 'All is well', 'Synced 2 h ago, backed up 40 min ago'],
    ['failing', 'fail', 'Something is wrong', '2 things need a look.'],
    ['crashLoop', 'fail', 'Something is wrong', 'One thing needs a look.'],
    ['neverBackedUp', 'unknown', 'Not known yet', 'One thing needs a look.'],
    ['restoring', 'busy', 'Working on it', 'Restoring …'],
  ] as const)('of %s is %s: %s', (state, shape, heading, summary) => {
    expect(verdictCard(all[state].verdict)).toMatchObject({ shape, heading, summary });
  });

  it('is announced anew when the state or its reasons change, not when an age does', () => {
    const key = (snapshot: Snapshot) => verdictCard(snapshot.verdict).announcement.key;
    const later = structuredClone(all.failing);
    later.verdict.sentence = later.verdict.sentence.replace('12', '13');
    later.verdict.reasons[1]!.sentence = 'last sync was partial 3 h ago: 1 of 48 files failed';
    expect(key(later)).toBe(key(all.failing));
    later.verdict.reasons.pop();
    expect(key(later)).not.toBe(key(all.failing));
    expect(key(all.syncing)).not.toBe(key(all.ok));
  });
});

describe('a service', () => {
  const enabled = (state: ServiceStatus) =>
    serviceRow({ ...service(all.ok), state })
      .actions.filter((action) => action.enabled)
      .map((action) => action.command);

  it.each([
    ['ready', ['restart', 'stop']],
    ['starting', ['restart', 'stop']],
    ['degraded', ['restart', 'stop']],
    ['unknown', ['restart', 'stop']],
    ['stopped', ['restart', 'start']],
    ['stopping', []],
    ['backoff', ['restart', 'stop', 'start']],
    ['crash_loop', ['restart', 'stop', 'start']],
    ['foreign', ['restart', 'start']],
  ] as const)('that is %s offers %j', (state, commands) => {
    expect(enabled(state)).toEqual(commands);
  });

  it('never hides a button or moves one', () => {
    for (const snapshot of [all.ok, all.crashLoop, all.foreign]) {
      expect(serviceRow(service(snapshot)).actions.map((a) => a.label)).toEqual(['Restart', 'Stop', 'Start']);
    }
  });

  it('says its state once', () => {
    expect(serviceRow(service(all.ok)).word).toBeNull();
    expect(serviceRow(service(all.crashLoop)).word).toBe('Crash loop');
  });

  it('in a crash loop says how often and how it ended', () => {
    expect(serviceRow(service(all.crashLoop)).facts).toEqual([
      'port 8741',
      '7 restarts',
      'last ended with exit code 3',
    ]);
  });

  it('whose port is taken names the stranger, also one that the system hides', () => {
    expect(serviceRow(service(all.foreign)).foreign).toBe(
      'Port 8741 is held by pid 4711 (python3 -m http.server 8741). Steady did not start it and leaves it alone.',
    );
    const hidden = { ...service(all.foreign), foreign: { port: 80 } };
    expect(serviceRow(hidden).foreign).toContain('a process of another user');
  });
});

describe('a run', () => {
  it('that is partial is amber and says why', () => {
    const row = runRow(all.ok.jobs[0]!.runs[1]!);
    expect(row).toMatchObject({ status: 'warn', word: 'Partial', why: '1 of 48 files failed', took: '4 s' });
    expect(row.milestones).toEqual([{ event: 'reindex complete', fields: 'files 48, failed 1' }]);
  });

  it('is green only when it wholly succeeded', () => {
    const run = all.ok.jobs[0]!.runs[0]!;
    expect(runRow(run).status).toBe('pass');
    expect(runRow({ ...run, result: 'timed_out' }).status).toBe('fail');
    expect(runRow({ ...run, result: 'killed', exit: { how: 'signal', value: 9 } }).exit).toBe('signal 9');
  });
});

describe('a restore point', () => {
  const [good, , , unverified, incomplete] = all.ok.backup.points;

  it('is called verified only when it was, and everything in it could be read', () => {
    expect(isVerified(good!)).toBe(true);
    expect(isVerified(unverified!)).toBe(false);
    expect(isVerified({ ...incomplete!, verified: good!.taken })).toBe(false);
    expect(pointRow(incomplete!).incomplete).toBe('1 file could not be read');
  });

  it('says what is in it', () => {
    expect(pointRow(good!)).toMatchObject({
      size: '71.1 MB',
      added: '1.2 MB',
      files: '312 files',
      kind: 'by hand',
    });
    expect(pointRow(good!).stores[1]).toEqual({
      path: 'conversations.db',
      rows: '12,480 messages',
      bad: null,
    });
    const torn = { ...good!, stores: [{ ...good!.stores[0]!, integrity: 'row 3 missing from index' }] };
    expect(pointRow(torn).stores[0]!.bad).toBe('integrity check: row 3 missing from index');
  });
});

describe('a log line', () => {
  it('is shown without terminal control', () => {
    expect(plain('\u001b[32mINFO\u001b[0m\tok \u001b]8;;x\u0007link\r')).toBe('INFO\tok link');
  });
});

describe('a followed log', () => {
  const texts = (rows: readonly LogRow[]) =>
    rows.map((row) => (row.kind === 'gap' ? '…' : `${row.text}×${row.count}`));

  it('folds identical lines in a row, also across what came separately, and no others', () => {
    let rows = withLines([], ['a', 'a', 'b']);
    rows = withLines(rows, ['b', 'a', '\u001b[31mred\u001b[0m']);
    expect(texts(rows)).toEqual(['a×2', 'b×2', 'a×1', 'red×1']);
    expect(new Set(rows.map((row) => row.id)).size).toBe(rows.length);
  });

  it('says where lines are missing, and does not fold across the gap', () => {
    const rows = withLines(withGap(withLines([], ['a']), 40), ['a']);
    expect(texts(rows)).toEqual(['a×1', '…', 'a×1']);
  });

  it('keeps the newest of many and never gives an id twice', () => {
    const many = Array.from({ length: MOST_ROWS + 10 }, (_, n) => `line ${n}`);
    const rows = withLines(withLines([], many), ['last']);
    expect(rows).toHaveLength(MOST_ROWS);
    expect(rows.at(-1)).toMatchObject({ text: 'last', id: MOST_ROWS + 11 });
  });

  it('knows levels as loggers write them, and no words of sentences', () => {
    const lines: Record<string, string> = {
      '2026-02-14 06:02:00 [ERROR] secondbrain: no vault': 'error',
      '2026-02-14T06:02:00 [error    ] outbox_event_failed   id=3': 'error',
      '{"level":"error","event":"x"}': 'error',
      'level=fatal msg="x"': 'error',
      'Traceback (most recent call last):': 'error',
      'WARNING:  retrying': 'warning',
      '[warning  ] embedding_circuit_breaker_open': 'warning',
      'INFO: 127.0.0.1 "GET /errors" 200': 'other',
      'synced without an error, no warnings': 'other',
    };
    for (const [line, level] of Object.entries(lines)) expect([line, levelOf(line)]).toEqual([line, level]);
  });

  it('is searched without regard to capitals, and a gap is always shown', () => {
    const rows = withLines(withGap(withLines([], ['GET /health', 'ERROR no disk']), 3), ['WARN slow health']);
    expect(texts(matching(rows, { words: 'HEALTH ', level: 'all' }))).toEqual([
      'GET /health×1',
      '…',
      'WARN slow health×1',
    ]);
    expect(texts(matching(rows, { words: '', level: 'error' }))).toEqual(['ERROR no disk×1', '…']);
    expect(texts(matching(rows, { words: '', level: 'warning' }))).toEqual([
      'ERROR no disk×1',
      '…',
      'WARN slow health×1',
    ]);
    expect(matching(rows, { words: ' ', level: 'all' })).toBe(rows);
  });
});
