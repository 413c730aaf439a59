import { parse, type Route } from './route.ts';

class Router {
  route = $state.raw<Route>(parse(location.pathname, location.search));

  /** Set in a frame: views change, the address does not. */
  fixed = false;

  constructor() {
    addEventListener('popstate', () => this.#read());
  }

  #read(): void {
    this.route = parse(location.pathname, location.search);
  }

  go(url: string): void {
    if (this.fixed) return;
    history.pushState(null, '', url);
    this.#read();
    scrollTo(0, 0);
  }

  /** Notes the view in the address bar, for sharing, without a new entry or a new load. */
  note(url: string): void {
    if (!this.fixed) history.replaceState(null, '', url);
  }
}

export const router = new Router();

/** Click handler of links within the site: a plain click stays in the page. */
export function follow(event: MouseEvent): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.currentTarget as HTMLAnchorElement;
  event.preventDefault();
  router.go(link.getAttribute('href') ?? '/');
}
