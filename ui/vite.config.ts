import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte(), svelteTesting()],
  // Relative, so that one build works at the agent's `/` and under the app's own scheme.
  base: './',
  build: {
    target: 'safari16',
    // Nothing inline: the pages are served with `default-src 'self'`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: {
    environment: 'happy-dom',
    include: ['tests/**/*.test.ts'],
    setupFiles: ['tests/setup.ts'],
    // The tests of words and times must not depend on where they run.
    env: { TZ: 'Europe/Berlin' },
    testTimeout: 10_000,
  },
});
