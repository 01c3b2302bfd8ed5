// Pictures of every page in every state, to look at: `npm run build && npm run shots`, then open shots/.
// Fails on a console error (a breach of the content security policy is one), on what axe-core finds wrong, and on
// a page that scrolls sideways.
import { mkdirSync } from 'node:fs';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { startPreview } from './preview.mjs';

const OUT = new URL('../shots', import.meta.url).pathname;
const STATES = [
  'ok',
  'failing',
  'crashLoop',
  'foreign',
  'neverBackedUp',
  'restoring',
  'syncing',
  'bare',
  'gone',
  'signedOut',
  'connecting',
];
const BACKUPS = [
  'ok',
  'neverBackedUp',
  'backingUp',
  'restoring',
  'restored',
  'caredFor',
  'unfinished',
  'bare',
];

const LOGS = ['ok', 'neverBackedUp', 'bare', 'gone'];

mkdirSync(OUT, { recursive: true });
const preview = await startPreview(0);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
const errors = [];

async function open(width, colorScheme, state, hash) {
  const context = await browser.newContext({
    viewport: { width, height: 800 },
    colorScheme,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  page.on('console', (message) => {
    // The states without an agent are meant to fail to load.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      errors.push(`${state}: ${message.text()}`);
  });
  page.on('pageerror', (error) => errors.push(`${state}: ${error.message}`));
  await page.goto(`${preview.url}?state=${state}${hash}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  return { page, context };
}

async function shot(page, name) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  if (wide) errors.push(`${name}: scrolls sideways`);
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  for (const { id, nodes } of violations)
    errors.push(`${name}: ${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`);
  await page.screenshot({ path: `${OUT}/${name}.png`, fullPage: true });
}

for (const [width, scheme] of [
  [1100, 'light'],
  [1100, 'dark'],
  [320, 'light'],
  [320, 'dark'],
  [1440, 'light'],
]) {
  for (const [name, hash, states] of [
    ['overview', '#/', STATES],
    ['backups', '#/backups', BACKUPS],
    ['logs', '#/logs', LOGS],
  ]) {
    for (const state of states) {
      const { page, context } = await open(width, scheme, state, hash);
      if (state === 'ok' && name === 'overview') {
        await page.getByTestId('log-brain').locator('summary').click();
        await page.locator('[data-testid^=run-] summary').first().click();
        await page.getByText('The last').waitFor();
      }
      if (name === 'logs' && state !== 'gone') await page.locator('main p').first().waitFor();
      await shot(page, `${name}-${state}-${width}-${scheme}`);
      await context.close();
    }
  }
  const { page, context } = await open(width, scheme, 'ok', '#/backups');
  const [newest, , , unverified] = preview.fixtures.ok.backup.points;
  await page.getByTestId(`restore-${unverified.id}`).click();
  await page.getByTestId('restore-confirm').waitFor();
  await shot(page, `wizard-caution-${width}-${scheme}`);
  await page.keyboard.press('Escape');
  await page.getByTestId(`restore-${newest.id}`).click();
  await page.getByTestId('restore-confirm').click();
  preview.push(preview.fixtures.restoring);
  await page.getByTestId('restore-progress').waitFor();
  await shot(page, `wizard-progress-${width}-${scheme}`);
  preview.push(preview.fixtures.restored);
  await page.getByTestId('restore-result').waitFor();
  await shot(page, `wizard-restored-${width}-${scheme}`);
  await page.getByTestId('undo-restore').click();
  await page.getByTestId('undo-confirm').waitFor();
  await shot(page, `wizard-undo-${width}-${scheme}`);
  preview.push(null);
  await context.close();
}

await browser.close();
await preview.stop();
for (const error of errors) console.error(`shots: ${error}`);
process.exit(errors.length > 0 ? 1 : 0);
