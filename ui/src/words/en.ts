/** Every English word of the panel. What the agent says (sentences, evidence, phrases) is shown as it comes. */

import type { Exit, Operation, RestorePoint, RunRecord, ServiceStatus, Shape } from '../api/types';

const shape: Record<Shape, string> = {
  pass: 'OK',
  warn: 'Warning',
  fail: 'Failed',
  unknown: 'Unknown',
  busy: 'Working',
};

const verdict: Record<Shape, string> = {
  pass: 'All is well',
  warn: 'Needs attention',
  fail: 'Something is wrong',
  unknown: 'Not known yet',
  busy: 'Working on it',
};

const service: Record<ServiceStatus, string> = {
  stopped: 'Stopped',
  starting: 'Starting',
  ready: 'Ready',
  degraded: 'Degraded',
  stopping: 'Stopping',
  backoff: 'Waiting to retry',
  crash_loop: 'Crash loop',
  foreign: 'Port taken',
  unknown: 'Unknown',
};

const outcome: Record<RunRecord['result'], string> = {
  succeeded: 'Succeeded',
  partial: 'Partial',
  failed: 'Failed',
  timed_out: 'Timed out',
  killed: 'Killed',
  missed: 'Missed',
};

const point: Record<RestorePoint['kind'], string> = {
  manual: 'by hand',
  scheduled: 'scheduled',
  safety: 'before a restore',
};

const operation: Record<Operation['kind'], string> = {
  backup: 'Backing up',
  restore: 'Restoring',
  undo: 'Undoing the restore',
  restore_elsewhere: 'Restoring to another folder',
  verify: 'Verifying a restore point',
  drill: 'Running a drill',
  recover: 'Ending an interrupted restore',
  copy: 'Copying restore points',
  prune: 'Removing old restore points',
  import: 'Importing older copies',
};

export const en = {
  app: 'Steady',
  skip: 'Skip to the content',
  navigation: 'Pages',
  pages: { overview: 'Overview', logs: 'Logs', backups: 'Backups' },
  title: (page: string) => `${page} · Steady`,
  never: 'never',
  none: 'none',
  plural: (n: number, one: string, many: string) => `${n} ${n === 1 ? one : many}`,

  shape,
  verdict: {
    heading: verdict,
    label: 'State',
    reasons: 'Why',
    counted: (n: number) => (n === 1 ? 'One thing needs a look.' : `${n} things need a look.`),
    since: 'since',
  },

  services: {
    heading: 'Services',
    empty: 'No service is configured. Name one in the configuration file, and Steady keeps it running.',
    state: service,
    pid: (pid: number) => `pid ${pid}`,
    port: (port: number) => `port ${port}`,
    restarts: (n: number) => (n === 1 ? '1 restart' : `${n} restarts`),
    lastExit: (exit: string) => `last ended with ${exit}`,
    foreign: (port: number, who: string) =>
      `Port ${port} is held by ${who}. Steady did not start it and leaves it alone.`,
    foreignProcess: (pid: number, command: string | null) =>
      command === null ? `pid ${pid}` : `pid ${pid} (${command})`,
    foreignHidden: 'a process of another user',
    foreignSince: 'It has run since',
    start: 'Start',
    stop: 'Stop',
    restart: 'Restart',
    on: (action: string, name: string) => `${action} ${name}`,
  },

  log: {
    show: 'Log',
    of: (name: string) => `Log of ${name}`,
    refresh: 'Refresh',
    follow: 'Follow',
    loading: 'Reading the log …',
    empty: 'Nothing was logged yet.',
    last: (n: number) => `The last ${n} lines`,
  },

  logs: {
    heading: 'Logs',
    service: 'Service',
    level: 'Show',
    levels: { all: 'All lines', warning: 'Warnings and errors', error: 'Errors' },
    search: 'Search',
    follow: 'Follow',
    clear: 'Clear',
    marks: { error: '✕ error', warning: '▲ warning' },
    repeated: (n: number) => `↑ ${n.toLocaleString('en')} times`,
    gap: (n: number) => `… ${n.toLocaleString('en')} lines came too fast and were left out here …`,
    count: (shown: number, all: number) =>
      shown === all
        ? `${all.toLocaleString('en')} ${all === 1 ? 'line' : 'lines'}`
        : `${shown.toLocaleString('en')} of ${all.toLocaleString('en')} lines`,
    gone: (why: string) => `Nothing new comes: ${why}`,
    none: 'No service is configured, so there is no log.',
    noneHint: (config: string) => `Services are described in ${config}.`,
    nothing: 'No line matches.',
    nothingHint: 'Search for something else, or show all lines.',
  },

  checks: {
    heading: 'Checks',
    empty: 'No check is configured. Without one, only the processes themselves are watched.',
    seen: 'seen',
    neverSeen: 'not looked at yet',
    took: (span: string) => `took ${span}`,
    since: 'so since',
    optional: 'warning only',
  },

  jobs: {
    heading: 'Sync',
    empty: 'No sync job is configured.',
    run: 'Sync now',
    running: 'Running',
    started: 'started',
    next: 'Next run',
    lastSuccess: 'Last success',
    followed: 'Runs elsewhere; Steady follows its markers.',
    runs: 'Last runs',
    noRuns: 'No run is on record yet.',
    outcome,
    took: 'took',
    milestones: 'Milestones',
    output: 'Its last output',
    noDetail: 'It left neither milestones nor output.',
    exit: (exit: Exit) => {
      switch (exit.how) {
        case 'code':
          return `exit code ${exit.value}`;
        case 'signal':
          return `signal ${exit.value}`;
        case 'unobserved':
          return 'its exit was not seen';
      }
    },
  },

  backups: {
    heading: 'Backups',
    summary: 'Backup',
    now: 'Back up now',
    restore: 'Restore …',
    restoreOf: (moment: string) => `Restore the state of ${moment} …`,
    all: 'Restore points',
    unconfigured: 'No data directory is configured, so there is nothing to back up yet.',
    unconfiguredHint: (config: string) => `Name it in ${config}, and restore points appear here.`,
    empty: 'There is no restore point yet.',
    emptyHint: 'Back up now to make the first one. It takes the data as it is, without stopping anything.',
    newest: 'Newest restore point',
    next: 'Next backup',
    verified: 'verified',
    notVerified: 'not verified',
    incomplete: (n: number) => (n === 1 ? '1 file could not be read' : `${n} files could not be read`),
    kind: point,
    imported: 'imported',
    columns: {
      taken: 'Taken',
      verified: 'Checked',
      size: 'Size',
      added: 'Added',
      stores: 'Contents',
      action: 'Action',
    },
    files: (n: string) => `${n} files`,
    rows: (rows: string, table: string) => `${rows} ${table}`,
    integrityBad: (found: string) => `integrity check: ${found}`,
    contents: 'Contents',
    operation,
    operationStarted: 'started',
    cancel: 'Cancel',
    cancelOf: (work: string) => `Cancel: ${work}`,
    cancelTooLate: 'It is ending, or past the step where it could be cancelled.',
    busy: 'Another operation runs; wait until it is done.',
    unfinishedFirst: 'An interrupted restore must be ended first.',
    progress: {
      of: (done: string, total: string) => `${done} of ${total}`,
      files: (n: string) => `${n} files`,
      rate: (bytes: string) => `${bytes}/s`,
      left: (span: string) => `${span} left`,
    },
    failed: 'The last backup or restore did not succeed',
  },

  unfinished: {
    heading: 'An interrupted restore could not be ended',
    text: 'What uses the data waits, and nothing else is begun, until it is ended. Mend what is named here, then try again.',
    retry: 'Try again',
  },

  drill: {
    heading: 'Drill: a restore rehearsed',
    now: 'Run a drill now',
    next: 'Next drill',
    never:
      'A drill restores the newest verified point to a scratch folder, opens it, and starts the backend on it. The data in use is not touched.',
    steps: 'What it did',
    of: 'With the restore point of',
    failed: 'failed',
    work: {
      restored: 'Restored',
      opened: 'Opened',
      loaded: 'Dumps loaded',
      started: 'Backend started',
      healthy: 'Health asked',
      canary: 'Canary question asked',
      stopped: 'Stopped',
    },
  },

  prune: {
    heading: 'Old restore points',
    look: 'What would go?',
    never: 'None was removed so far.',
    last: (n: number, freed: string) =>
      n === 0 ? 'The last time, nothing had to go.' : `The last time ${n} went and freed ${freed}.`,
    nothing: 'Nothing would go: the rules keep all of them.',
    would: (n: number, frees: string) =>
      n === 1 ? `One would go and free ${frees}:` : `${n} would go and free ${frees}:`,
    now: (n: number) => (n === 1 ? 'Remove it now' : `Remove these ${n} now`),
  },

  copies: {
    heading: 'Copies',
    now: 'Copy now',
    nowOf: (name: string) => `Copy now: ${name}`,
    running: 'It is being copied.',
    notReady: (name: string) =>
      `Attach its disk and run \`steady backup copy ${name} --init\` in a terminal once.`,
    points: (n: number) => (n === 1 ? '1 point copied' : `${n} points copied`),
    next: 'tried again',
  },

  lastRestore: {
    heading: 'Last restore',
    restored: (moment: string) => `The state of ${moment} was restored.`,
    rolledBack: (moment: string) => `The restore of ${moment} was rolled back; the data is as it was before.`,
    refused: (moment: string) => `The restore of ${moment} was refused; nothing was changed.`,
    undo: 'Undo the restore …',
  },

  wizard: {
    title: 'Restore',
    undoTitle: 'Undo the restore',
    close: 'Close',
    cancel: 'Cancel',
    back: 'Back',
    planning: 'Looking at what would change …',
    planFailed: 'The plan could not be made',
    retry: 'Try again',
    summary: (moment: string) => `Bring back the state of ${moment}`,
    replaces: 'Replaces',
    takenAt: 'State of',
    checked: 'Checked',
    restoredSize: 'Size after',
    currentSize: 'Size now',
    free: 'Free space',
    freeOf: (free: string, needed: string) => `${free}, of which ${needed} are needed meanwhile`,
    stops: 'Stops meanwhile',
    stopsNothing: 'nothing',
    cautions: 'Know before you go on',
    obstacles: 'It cannot be done now',
    promise:
      'First a safety point of the present state is taken, so that you can undo this. If the backend does not get healthy afterwards, the present state comes back by itself.',
    confirm: (moment: string) => `Restore ${moment}`,
    starting: 'Asking the agent to begin …',
    mayClose: 'You can close this; the work goes on.',
    agentAway:
      'The agent does not answer just now. Each step is on record: it ends in the old state or in the new one, never between.',
    notStarted: 'It was not begun',
    waiting: 'Waiting for the agent to begin …',
    silent: 'It ended, but the agent does not say how. Look at its log before you go on.',
    restored: 'Restored',
    restoredText: (moment: string) => `The state of ${moment} is back, and the backend is healthy.`,
    rolledBack: 'Rolled back',
    rolledBackText: 'The data is as it was before. The restore ran into this:',
    refused: 'Refused',
    refusedText: 'Nothing was changed, because:',
    cancelled: 'Cancelled',
    cancelledText: 'The data is as it was; nothing was stopped.',
    failed: 'Not done',
    failedText: 'The agent says:',
    undone: 'Undone',
    undoneText: 'The state from before the restore is back, and the backend is healthy.',
    undo: 'Undo …',
    undoQuestion: (moment: string) =>
      `This brings back the state from before the restore of ${moment}. What was written since the restore is replaced.`,
    undoConfirm: 'Undo the restore',
  },

  connection: {
    connecting: 'Asking the agent …',
    gone: 'The agent does not answer',
    goneText: 'So nothing can be said about the backend: it may well run on, but nobody watches it.',
    lastHeard: 'Last heard',
    neverHeard: 'It has not answered since this page was opened.',
    startHint: 'Start it in a terminal with',
    startCommand: 'steady up',
    comesBack: 'This page comes back by itself.',
    start: 'Start the agent',
    signedOut: 'This browser is not signed in',
    signedOutText: 'For a sign-in link, run this in a terminal on the machine where Steady runs:',
    signedOutCommand: 'steady panel',
    signedOutRetry: 'Try again',
  },

  footer: {
    agent: (version: string, pid: number) => `Agent ${version}, pid ${pid}`,
    running: 'started',
    config: 'Configuration',
  },

  errors: {
    unreachable: 'The agent cannot be reached.',
    streamEnded: 'The agent ended the connection.',
    silent: 'Nothing was heard from the agent for too long.',
    unreadable: 'The agent sent what this page cannot read; reload it, in case it is from another version.',
    signedOut: 'This browser is not signed in.',
    status: (status: number) => `The agent answered ${status} without saying why.`,
    unexpected: 'Something unexpected went wrong in this page.',
  },
} as const;
