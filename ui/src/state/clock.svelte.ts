const TICK_MS = 30_000;

/** The panel's one clock, for ages. It ticks only while somebody can see the page. */
export class Clock {
  now = $state.raw(new Date());
  #timer: ReturnType<typeof setInterval> | undefined;

  touch = (): void => {
    this.now = new Date();
  };

  /** Returns what stops it. */
  start(): () => void {
    const follow = () => {
      clearInterval(this.#timer);
      this.#timer = undefined;
      if (document.visibilityState === 'hidden') return;
      this.touch();
      this.#timer = setInterval(this.touch, TICK_MS);
    };
    document.addEventListener('visibilitychange', follow);
    follow();
    return () => {
      document.removeEventListener('visibilitychange', follow);
      clearInterval(this.#timer);
    };
  }
}
