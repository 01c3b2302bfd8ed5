// @vitest-environment node
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { HttpTransport } from '../src/transport/http';
import type { LinkState } from '../src/transport/transport';
import { NOW, fixtures } from './fixtures/snapshots';

const { ok } = fixtures(NOW);
const event = (version: number) =>
  `event: snapshot\nid: ${version}\ndata: ${JSON.stringify({ ...ok, version })}\n\n`;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listen(handler: Handler, port = 0): Promise<{ origin: string; port: number; server: Server }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port: bound } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${bound}`, port: bound, server };
}

function follow(origin: string, options: { silenceMs?: number } = {}) {
  const transport = new HttpTransport(origin, { retryMs: [10], ...options });
  const seen: (number | LinkState['kind'])[] = [];
  const reasons: string[] = [];
  const stop = transport.events(
    (snapshot) => seen.push(snapshot.version),
    (state) => {
      seen.push(state.kind);
      if (state.kind === 'gone') reasons.push(state.reason);
    },
  );
  closers.push(stop);
  return { seen, reasons, stop };
}

describe('requests', () => {
  it('send a body as JSON and give the answer', async () => {
    const { origin } = await listen((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        response
          .writeHead(202)
          .end(JSON.stringify({ got: JSON.parse(body) as unknown, method: request.method }));
      });
    });
    const answer = await new HttpTransport(origin).request('POST', '/api/v1/agent/shutdown', {
      stop_services: true,
    });
    expect(answer).toEqual({ got: { stop_services: true }, method: 'POST' });
  });

  it("reject with the agent's own words", async () => {
    const { origin } = await listen((_, response) => {
      response.writeHead(409).end(JSON.stringify({ code: 'busy', detail: 'A restore runs.' }));
    });
    const refused = new HttpTransport(origin).request('POST', '/api/v1/backups');
    await expect(refused).rejects.toMatchObject({ code: 'busy', message: 'A restore runs.' });
  });

  it('say the status when an error has no words', async () => {
    const { origin } = await listen((_, response) => response.writeHead(502).end('<html>'));
    await expect(new HttpTransport(origin).request('GET', '/x')).rejects.toThrow('502');
  });

  it('say that the agent cannot be reached', async () => {
    const { origin, server } = await listen(() => undefined);
    await new Promise((resolve) => server.close(resolve));
    await expect(new HttpTransport(origin).request('GET', '/x')).rejects.toMatchObject({
      code: 'unreachable',
    });
  });
});

describe('events', () => {
  it('give the newest of the snapshots that came together', async () => {
    const { origin } = await listen((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(event(1) + event(2));
    });
    const { seen } = follow(origin);
    await vi.waitFor(() => {
      expect(seen).toEqual(['connecting', 2]);
    });
  });

  it('say gone when the agent ends, and come back with it', async () => {
    let connections = 0;
    const { origin } = await listen((_, response) => {
      connections += 1;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (connections === 1) response.end(event(7));
      else response.write(event(1));
    });
    const { seen } = follow(origin);
    await vi.waitFor(() => {
      expect(seen).toEqual(['connecting', 7, 'gone', 1]);
    });
  });

  it('survive an agent that dies and is started again on its port', async () => {
    const stream: Handler = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(event(1));
    };
    const first = await listen(stream);
    const { seen } = follow(first.origin);
    await vi.waitFor(() => {
      expect(seen).toContain(1);
    });
    first.server.closeAllConnections();
    await new Promise((resolve) => first.server.close(resolve));
    await vi.waitFor(() => {
      expect(seen.filter((s) => s === 'gone').length).toBeGreaterThan(1);
    });
    await listen(stream, first.port);
    await vi.waitFor(() => {
      expect(seen.at(-1)).toBe(1);
    });
  });

  it('say signed out on a 401, and do not hammer the agent', async () => {
    let asked = 0;
    const { origin } = await listen((_, response) => {
      asked += 1;
      response.writeHead(401).end(JSON.stringify({ code: 'unauthorized', detail: 'No session.' }));
    });
    const { seen } = follow(origin);
    await vi.waitFor(() => {
      expect(seen).toEqual(['connecting', 'signed-out']);
    });
    // Ten retries would fit into this: an answer to another connection proves that time went by.
    for (let i = 0; i < 10; i += 1) await fetch(origin);
    expect(asked).toBe(11);
  });

  it('do not trust a line that has gone silent', async () => {
    const { origin } = await listen((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(event(1));
    });
    const { seen, reasons } = follow(origin, { silenceMs: 60 });
    await vi.waitFor(() => {
      expect(seen.slice(0, 3)).toEqual(['connecting', 1, 'gone']);
    });
    expect(reasons[0]).toBe('Nothing was heard from the agent for too long.');
  });

  it('count keep-alive comments as signs of life', async () => {
    const { origin } = await listen((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(event(1));
      let left = 12;
      const beat = setInterval(() => {
        response.write(left > 0 ? ': keep-alive\n\n' : event(2));
        if (left === 0) clearInterval(beat);
        left -= 1;
      }, 50);
      response.on('close', () => {
        clearInterval(beat);
      });
    });
    const { seen } = follow(origin, { silenceMs: 400 });
    await vi.waitFor(
      () => {
        expect(seen).toEqual(['connecting', 1, 2]);
      },
      { timeout: 5000 },
    );
  });

  it('say what cannot be read instead of showing it', async () => {
    const { origin } = await listen((_, response) => {
      response.writeHead(200).write('event: snapshot\ndata: {"broken\n\n');
    });
    const { reasons } = follow(origin);
    await vi.waitFor(() => {
      expect(reasons[0]).toContain('cannot read');
    });
  });

  it('close the connection when nobody listens any more', async () => {
    const closed = vi.fn();
    const { origin } = await listen((_, response) => {
      response.writeHead(200).write(event(1));
      response.on('close', closed);
    });
    const { seen, stop } = follow(origin);
    await vi.waitFor(() => {
      expect(seen).toContain(1);
    });
    stop();
    await vi.waitFor(() => {
      expect(closed).toHaveBeenCalledOnce();
    });
    expect(seen).toEqual(['connecting', 1]);
  });
});

describe('a followed log', () => {
  it('goes on where it was after the line broke, and tells what is missing', async () => {
    const asked: (string | undefined)[] = [];
    const { origin } = await listen((request, response) => {
      expect(request.url).toBe('/api/v1/services/a%20b/logs/stream?lines=2');
      asked.push(request.headers['last-event-id'] as string | undefined);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (asked.length === 1) {
        // Cut off in the middle of an event: it is sent again.
        response.write(
          'event: lines\nid: p1\ndata: {"lines":["one","two"]}\n\nevent: lines\ndata: {"lines":["thr',
        );
        setTimeout(() => response.destroy(), 20);
      } else {
        response.write(
          'event: gap\ndata: {"lines":7}\n\nevent: lines\nid: p2\ndata: {"lines":["three"]}\n\n',
        );
      }
    });
    const seen: unknown[] = [];
    closers.push(new HttpTransport(origin, { retryMs: [10] }).follow('a b', 2, (news) => seen.push(news)));
    await vi.waitFor(() => {
      expect(seen).toHaveLength(4);
    });
    expect(asked).toEqual([undefined, 'p1']);
    expect(seen).toEqual([
      { kind: 'lines', lines: ['one', 'two'] },
      { kind: 'gone', reason: expect.any(String) as string },
      { kind: 'gap', lines: 7 },
      { kind: 'lines', lines: ['three'] },
    ]);
  });
});
