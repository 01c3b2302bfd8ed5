import { type Route, parseRoute } from './route';

/** Follows the location hash. `visits` grows with every navigation, also to where one already is. */
export class Router {
  route = $state.raw<Route>(parseRoute(window.location.hash));
  visits = $state(0);

  /** Returns what stops it. */
  start(): () => void {
    const follow = () => {
      this.route = parseRoute(window.location.hash);
      this.visits += 1;
    };
    const again = (event: MouseEvent) => {
      const link = event.target instanceof Element ? event.target.closest('a') : null;
      // The browser fires no `hashchange` for a link to the present hash.
      if (link?.hash.startsWith('#/') && link.hash === window.location.hash) this.visits += 1;
    };
    window.addEventListener('hashchange', follow);
    document.addEventListener('click', again);
    return () => {
      window.removeEventListener('hashchange', follow);
      document.removeEventListener('click', again);
    };
  }
}
