import { describe, expect, it } from 'vitest';
import { absolute, ago, bytes, moment, span, until } from '../src/words/time';

const BERLIN = 'Europe/Berlin';
const date = (text: string) => new Date(text);

describe('spans and ages', () => {
  it.each([
    [0, '0 s'],
    [-5, '0 s'],
    [840, '840 ms'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [3_599_999, '59 min'],
    [3_600_000, '1 h'],
    [172_799_000, '47 h'],
    [172_800_000, '2 d'],
  ])('%d ms is %s', (ms, words) => {
    expect(span(ms)).toBe(words);
  });

  it('an age never runs ahead of the clock', () => {
    const now = date('2026-11-23T11:00:00Z');
    expect(ago(date('2026-11-23T10:59:30Z'), now)).toBe('just now');
    expect(ago(date('2026-11-23T11:00:20Z'), now)).toBe('just now');
    expect(ago(date('2026-11-23T10:48:00Z'), now)).toBe('12 min ago');
    expect(ago(date('2026-11-23T12:00:00Z'), now)).toBe('in 1 h');
    expect(ago(date('nonsense'), now)).toBe('at an unknown time');
    expect(until(date('2026-11-23T10:00:00Z'), now)).toBe('now');
  });

  it('an age is elapsed time, also when the clocks change', () => {
    // In Berlin 02:30 happens twice on 25 October 2026; these are two hours of one night.
    expect(ago(date('2026-10-25T00:30:00Z'), date('2026-10-25T02:30:00Z'))).toBe('2 h ago');
  });
});

describe('moments', () => {
  it('change from today to yesterday at midnight, however few minutes ago', () => {
    const late = date('2026-11-22T22:50:00Z');
    expect(moment(late, date('2026-11-22T22:59:00Z'), BERLIN)).toBe('today 23:50');
    expect(moment(late, date('2026-11-22T23:01:00Z'), BERLIN)).toBe('yesterday 23:50');
    expect(moment(late, date('2026-11-22T23:01:00Z'), 'UTC')).toBe('today 22:50');
  });

  it('call it yesterday on the day of 25 hours', () => {
    // 24 h before 23:30 of the long day is still the long day, 00:30.
    expect(moment(date('2026-10-24T22:30:00Z'), date('2026-10-25T22:30:00Z'), BERLIN)).toBe('today 00:30');
    expect(moment(date('2026-10-24T21:30:00Z'), date('2026-10-25T22:30:00Z'), BERLIN)).toBe(
      'yesterday 23:30',
    );
  });

  it('call it yesterday on the day of 23 hours', () => {
    // 29 March 2026 has 23 hours in Berlin: 23 h before 00:30 of the 30th is 00:30 of the 29th.
    expect(moment(date('2026-03-28T23:30:00Z'), date('2026-03-29T22:30:00Z'), BERLIN)).toBe(
      'yesterday 00:30',
    );
    expect(moment(date('2026-03-28T22:30:00Z'), date('2026-03-29T22:30:00Z'), BERLIN)).toBe('Sat 23:30');
  });

  it('show the hour that the wall showed', () => {
    expect(moment(date('2026-03-29T00:59:00Z'), date('2026-03-29T01:30:00Z'), BERLIN)).toBe('today 01:59');
    expect(moment(date('2026-03-29T01:00:00Z'), date('2026-03-29T01:30:00Z'), BERLIN)).toBe('today 03:00');
  });

  it('name the weekday within a week, the date beyond, and tomorrow', () => {
    const now = date('2026-11-23T11:00:00Z');
    expect(moment(date('2026-11-17T05:10:00Z'), now, BERLIN)).toBe('Tue 06:10');
    expect(moment(date('2026-11-16T05:10:00Z'), now, BERLIN)).toBe('16 Nov 2026, 06:10');
    expect(moment(date('2026-11-24T05:10:00Z'), now, BERLIN)).toBe('tomorrow 06:10');
    expect(moment(date('2026-12-24T05:10:00Z'), now, BERLIN)).toBe('24 Dec 2026, 06:10');
  });

  it('tell the two 02:30 of the long night apart by their zone', () => {
    const first = absolute(date('2026-10-25T00:30:00Z'), BERLIN);
    const second = absolute(date('2026-10-25T01:30:00Z'), BERLIN);
    expect(first).toContain('02:30:00');
    expect(second).toContain('02:30:00');
    expect(first).not.toBe(second);
  });
});

describe('sizes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [999_949, '999.9 kB'],
    [999_950, '1.0 MB'],
    [71_100_000_000, '71.1 GB'],
    [5e15, '5000.0 TB'],
  ])('%d is %s', (n, words) => {
    expect(bytes(n)).toBe(words);
  });
});
