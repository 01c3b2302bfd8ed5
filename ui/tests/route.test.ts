import { describe, expect, it } from 'vitest';
import { hrefOf, parseRoute } from '../src/state/route';

describe('routes', () => {
  it('of every subject lead back to it, whatever its name has in it', () => {
    for (const name of ['vault', 'a/b', 'two words', '100%', 'ünï#?']) {
      for (const kind of ['service', 'check', 'job'] as const) {
        expect(parseRoute(hrefOf({ kind, name }))).toEqual({ page: 'overview', focus: { kind, name } });
      }
    }
    expect(parseRoute('#/logs')).toEqual({ page: 'logs', service: null });
    expect(parseRoute('#/logs/a%2Fb')).toEqual({ page: 'logs', service: 'a/b' });
    expect(parseRoute(hrefOf({ kind: 'backup' }))).toEqual({ page: 'backups' });
  });

  it('that are not known show the overview', () => {
    for (const hash of ['', '#', '#/', '#/nowhere', '#/checks', '#/checks/', '#main']) {
      expect(parseRoute(hash)).toEqual({ page: 'overview', focus: null });
    }
    expect(parseRoute('#/checks/%E0%A4%A')).toEqual({
      page: 'overview',
      focus: { kind: 'check', name: '%E0%A4%A' },
    });
  });
});
