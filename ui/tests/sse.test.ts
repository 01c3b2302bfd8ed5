import { describe, expect, it } from 'vitest';
import { EventStreamParser } from '../src/transport/sse';

const STREAM =
  ': keep-alive\r\n\r\nevent: snapshot\nid: 1\ndata: {"a":\ndata: 1}\n\nevent: other\rdata:x\r\rdata: last\n\n';
const EVENTS = [
  { event: 'snapshot', data: '{"a":\n1}' },
  { event: 'other', data: 'x' },
  { event: 'message', data: 'last' },
];

describe('the event stream parser', () => {
  it('gives the same events wherever the stream is cut', () => {
    for (let cut = 0; cut <= STREAM.length; cut += 1) {
      const parser = new EventStreamParser();
      expect([...parser.push(STREAM.slice(0, cut)), ...parser.push(STREAM.slice(cut))]).toEqual(EVENTS);
    }
  });

  it('gives the same events byte by byte', () => {
    const parser = new EventStreamParser();
    expect([...STREAM].flatMap((char) => parser.push(char))).toEqual(EVENTS);
  });

  it('says nothing of an event that has not ended or has no data', () => {
    const parser = new EventStreamParser();
    expect(parser.push('event: snapshot\n\ndata: half')).toEqual([]);
  });
});
