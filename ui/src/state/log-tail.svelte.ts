import type { LogNews, Transport } from '../transport/transport';
import { type LogRow, withGap, withLines } from '../views/log';

/** How much of the past is shown when a log is opened. */
const LINES = 2000;

/** One followed log. What comes between two frames is shown at once: a burst costs a frame, not a frame a line. */
export class LogTail {
  rows = $state.raw<readonly LogRow[]>([]);
  /** Nothing was heard yet. */
  waiting = $state(true);
  /** Why nothing comes now. */
  gone = $state<string | null>(null);
  #heard: LogNews[] = [];
  #frame = 0;

  /** Returns what ends it. */
  follow(transport: Transport, service: string): () => void {
    this.rows = [];
    this.waiting = true;
    this.gone = null;
    const leave = transport.follow(service, LINES, (news) => {
      this.#heard.push(news);
      if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#show());
    });
    return () => {
      leave();
      cancelAnimationFrame(this.#frame);
      this.#frame = 0;
      this.#heard = [];
    };
  }

  clear(): void {
    this.rows = [];
  }

  #show(): void {
    this.#frame = 0;
    const heard = this.#heard;
    this.#heard = [];
    let rows = this.rows;
    for (const news of heard) {
      this.gone = news.kind === 'gone' ? news.reason : null;
      if (news.kind === 'lines') rows = withLines(rows, news.lines);
      if (news.kind === 'gap') rows = withGap(rows, news.lines);
    }
    this.waiting = false;
    this.rows = rows;
  }
}
