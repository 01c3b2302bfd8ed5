// For looking at the panel without an agent: serves dist/ under the strict policy with a scripted API.
// usage: npm run preview [-- PORT]; then open http://127.0.0.1:PORT/?state=failing (any name of tests/fixtures).
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { createServer as createVite } from 'vite';

const DIST = new URL('../dist', import.meta.url).pathname;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const vite = await createVite({ server: { middlewareMode: true }, appType: 'custom', logLevel: 'error' });
const { fixtures } = await vite.ssrLoadModule('/tests/fixtures/snapshots.ts');

/** Which state the page asked for; its API calls carry it in the Referer. */
function stateOf(request) {
  const referer = request.headers.referer;
  return (referer && new URL(referer).searchParams.get('state')) ?? 'ok';
}

export async function startPreview(port) {
  const streams = new Set();
  const open = { override: null };
  const snapshot = (state) => open.override ?? fixtures(new Date())[state] ?? fixtures(new Date()).ok;

  function api(request, response, url) {
    const answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    const state = stateOf(request);
    if (state === 'signedOut') return answer(401, { code: 'unauthorized', detail: 'No session.' });
    if (url.pathname === '/api/v1/events') {
      if (state === 'gone') return request.socket.destroy();
      if (state === 'connecting') return undefined;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const send = () =>
        response.write(`event: snapshot\nid: 1\ndata: ${JSON.stringify(snapshot(state))}\n\n`);
      streams.add(send);
      response.on('close', () => streams.delete(send));
      return send();
    }
    if (url.pathname.endsWith('/logs')) {
      const lines = Array.from(
        { length: 60 },
        (_, i) =>
          `2026-11-23T11:00:${String(i).padStart(2, '0')}Z \u001b[32mINFO\u001b[0m GET /health 200 in ${i % 7} ms`,
      );
      return answer(200, { service: 'brain', lines });
    }
    if (url.pathname.endsWith('/logs/stream')) {
      const lines = Array.from({ length: 400 }, (_, i) => {
        if (i % 40 === 7)
          return `2026-11-23 11:00:00 [ERROR] brain: no room left on the device, capture ${i} waits`;
        if (i % 40 === 9) return '2026-11-23 11:00:01 [WARNING] brain: the embedding service does not answer';
        if (i % 40 > 30) return '2026-11-23 11:00:02 [INFO] brain: waiting for the vault';
        return `2026-11-23 11:00:03 [INFO] brain: GET /api/v1/search?q=note-${i} 200 in ${i % 7} ms`;
      });
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(
        `event: lines\nid: 1\ndata: ${JSON.stringify({ lines: state === 'neverBackedUp' ? [] : lines })}\n\n`,
      );
      if (state === 'ok') response.write('event: gap\ndata: {"lines":4012}\n\n');
      return undefined;
    }
    if (url.pathname.endsWith('/plan')) {
      const id = url.pathname.split('/').at(-2);
      const point = fixtures(new Date()).ok.backup.points.find((p) => p.id === id);
      return answer(200, {
        point,
        target: '/home/ada/SecondBrain/data',
        stops: ['brain'],
        current_bytes: 71_400_000,
        free_bytes: 71_100_000_000,
        needed_bytes: 142_500_000,
        obstacles:
          point.missing.length > 0
            ? ['The point is incomplete: attachments/scan.pdf could not be read.']
            : [],
        cautions: point.verified ? [] : ['This restore point was never verified.'],
      });
    }
    return request.method === 'POST'
      ? answer(202, { id: '01JD1111111111111111111111' })
      : answer(404, { code: 'not_found', detail: 'Not here.' });
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost');
    if (url.pathname.startsWith('/api/')) return api(request, response, url);
    const file = join(DIST, normalize(url.pathname === '/' ? '/index.html' : url.pathname));
    if (!existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'content-security-policy': POLICY,
    });
    return createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    fixtures: fixtures(new Date()),
    /** Sends this snapshot to every open page. */
    push(next) {
      open.override = next;
      for (const send of streams) send();
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await vite.close();
    },
  };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const preview = await startPreview(Number(process.argv[2] ?? 8799));
  console.log(preview.url);
}
