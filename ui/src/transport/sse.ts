/** One dispatched server-sent event. */
export type ServerEvent = { event: string; data: string };

/** Splits a `text/event-stream` into events; keeps what is not complete yet. */
export class EventStreamParser {
  /** The id that the stream gave last: where a reconnect goes on. */
  lastId = '';
  #rest = '';
  #event = '';
  #data: string[] = [];

  /** A new connection: what the last one did not complete is lost. */
  begin(): void {
    this.#rest = '';
    this.#event = '';
    this.#data = [];
  }

  push(chunk: string): ServerEvent[] {
    const text = this.#rest + chunk;
    // A CR at the very end may be the first half of CRLF: it waits for what follows.
    const usable = text.endsWith('\r') ? text.slice(0, -1) : text;
    const lines = usable.split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? '') + text.slice(usable.length);
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): ServerEvent[] {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event = value;
    if (field === 'data') this.#data.push(value);
    if (field === 'id') this.lastId = value;
    return [];
  }

  #dispatch(): ServerEvent[] {
    const event = { event: this.#event || 'message', data: this.#data.join('\n') };
    const empty = this.#data.length === 0;
    this.#event = '';
    this.#data = [];
    return empty ? [] : [event];
  }
}
