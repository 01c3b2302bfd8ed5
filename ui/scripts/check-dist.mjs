// Refuses a build that the strict content security policy would break, or that has grown too heavy.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const DIST = new URL('../dist', import.meta.url).pathname;
const LIMIT_KB = 60;

const faults = [];
const html = readFileSync(join(DIST, 'index.html'), 'utf8');
if (/<script(?![^>]*\ssrc=)[^>]*>/i.test(html)) faults.push('index.html has an inline script');
if (/<style|\sstyle=/i.test(html)) faults.push('index.html has an inline style');
if (/\son[a-z]+=/i.test(html)) faults.push('index.html has an inline handler');
if (/(?:src|href)="(?:\/|https?:)/i.test(html)) faults.push('index.html has an absolute address');

let total = 0;
for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const content = readFileSync(join(entry.parentPath, entry.name));
  total += gzipSync(content).length;
  const text = content.toString('utf8');
  if (entry.name.endsWith('.js') && /\beval\(|new Function\(/.test(text))
    faults.push(`${entry.name} evaluates text`);
  if (/\.(js|css)$/.test(entry.name) && text.includes('url(data:'))
    faults.push(`${entry.name} has a data: address`);
}
const kb = total / 1000;
console.log(`panel: ${kb.toFixed(1)} kB gzipped`);
if (kb > LIMIT_KB) faults.push(`the bundle has ${kb.toFixed(1)} kB gzipped, at most ${LIMIT_KB}`);
for (const fault of faults) console.error(`check-dist: ${fault}`);
process.exit(faults.length > 0 ? 1 : 0);
