/**
 * Words for times and sizes. Pure: `now` and the zone are arguments. The words of spans and sizes are those of
 * `steady_model::words`, so that the panel and the tray say the same.
 */

/** 24-hour clock and day before month, as on every other surface. */
const LOCALE = 'en-GB';
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Below this an age is `just now`: the panel's clock ticks too rarely to count seconds. */
const JUST_NOW = MINUTE;

/** A length of time in its largest fitting unit: `840 ms`, `3 s`, `12 min`, `2 h`, `5 d`. */
export function span(ms: number): string {
  if (ms <= 0) return '0 s';
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / DAY)} d`;
}

/** How long ago: `just now`, `12 min ago`. What lies slightly ahead (two clocks) is `just now`. */
export function ago(then: Date, now: Date): string {
  const age = now.getTime() - then.getTime();
  if (Number.isNaN(age)) return 'at an unknown time';
  if (age < -JUST_NOW) return until(then, now);
  return age < JUST_NOW ? 'just now' : `${span(age)} ago`;
}

/** How long until: `now`, `in 12 min`. */
export function until(then: Date, now: Date): string {
  const left = then.getTime() - now.getTime();
  return left < JUST_NOW ? 'now' : `in ${span(left)}`;
}

/** The full date, time and zone, for a tooltip: `Mon, 23 Nov 2026, 06:10:00 CET`. */
export function absolute(at: Date, zone?: string): string {
  return format(at, zone, {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  });
}

/** The moment as a person would name it: `today 06:10`, `yesterday 23:50`, `Mon 06:10`, `3 Nov 2026, 06:10`. */
export function moment(at: Date, now: Date, zone?: string): string {
  const time = format(at, zone, { hour: '2-digit', minute: '2-digit' });
  const days = calendarDay(now, zone) - calendarDay(at, zone);
  if (days === 0) return `today ${time}`;
  if (days === 1) return `yesterday ${time}`;
  if (days === -1) return `tomorrow ${time}`;
  if (days > 1 && days < 7) return `${format(at, zone, { weekday: 'short' })} ${time}`;
  return `${format(at, zone, { day: 'numeric', month: 'short', year: 'numeric' })}, ${time}`;
}

/** Bytes in decimal units with one decimal: `71.1 GB`. */
export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = n / 1000;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

/** Counts with a thin group separator: `12,480`. */
export function count(n: number): string {
  return new Intl.NumberFormat(LOCALE).format(n);
}

/** The number of the calendar day in a zone. Days are counted, not hours: a day has 23 or 25 of them twice a year. */
function calendarDay(at: Date, zone: string | undefined): number {
  const parts = formatter(zone, { year: 'numeric', month: 'numeric', day: 'numeric' }).formatToParts(at);
  const part = (type: Intl.DateTimeFormatPartTypes) => Number(parts.find((p) => p.type === type)?.value);
  return Date.UTC(part('year'), part('month') - 1, part('day')) / DAY;
}

function format(at: Date, zone: string | undefined, options: Intl.DateTimeFormatOptions): string {
  if (Number.isNaN(at.getTime())) return 'an unknown time';
  return formatter(zone, options).format(at);
}

function formatter(zone: string | undefined, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat(LOCALE, { ...options, ...(zone === undefined ? {} : { timeZone: zone }) });
}
