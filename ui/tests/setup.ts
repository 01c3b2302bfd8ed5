import { afterEach } from 'vitest';

// The hash is the route: a test must not inherit the page of the one before it.
afterEach(() => {
  if (typeof window !== 'undefined') window.location.hash = '';
});
