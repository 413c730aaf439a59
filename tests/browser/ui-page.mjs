// A small page with the element structure of Falcosidekick-UI 2.2 and 2.3, where it matters to what is put into it: a
// table whose rows are used again for other events, chips for names and values of fields that set filters, a dialog with
// the same chips, a form to sign in, and data that asks for a name and a password. Version 2.2 has its views at paths, 2.3
// behind the #.

import { createServer } from 'node:http';

const LOGIN = `Basic ${Buffer.from('admin:admin').toString('base64')}`;

const PAGE = `<!DOCTYPE html><html><head><meta charset="utf-8"><title>Falcosidekick UI</title>
<style>.v-chip { display: inline-flex; padding: 0 8px; height: 24px; align-items: center; background: #e0e0e0; font: 12px sans-serif } td { padding: 6px; vertical-align: top }</style>
</head><body><div id="app" data-app="true"></div><script src="app.js"></script></body></html>`;

/** What runs in the page: by hand what Vue does there. */
function app() {
  const root = document.getElementById('app');
  const session = JSON.parse(sessionStorage.getItem('vuex') ?? '{}');
  const el = (name, props = {}, ...children) => {
    const made = Object.assign(document.createElement(name), props);
    made.append(...children);
    return made;
  };
  const chip = (text, click, small = ' v-size--small') => {
    const content = el('span', { className: 'v-chip__content' }, document.createTextNode(text));
    const made = el('span', { className: `rounded-0 mb-1 v-chip v-chip--clickable v-chip--label theme--light${small}`, tabIndex: 0 }, content);
    made.addEventListener('click', () => click(content.textContent.trim()));
    return made;
  };
  const search = el('input', { type: 'text', id: 'search', ariaLabel: 'Search' });
  const body = el('tbody');
  const dialog = el('div', { className: 'v-dialog', hidden: true });
  let page = 0;
  let events = [];

  const filter = (text) => {
    search.value = text;
    load();
  };

  function fields(event, size) {
    return Object.entries(event.output_fields).map(([key, value]) => el('span', {}, chip(` ${key} `, filter, size), ' ', chip(` ${value} `, filter, size)));
  }

  // As Vue does with rows whose keys are indexes: elements stay, their texts change.
  function draw() {
    const rows = events.slice(page * 3, page * 3 + 3);
    rows.forEach((event, i) => {
      const fresh = el('tr', {}, el('td', {}, event.rule), el('td', {}, el('div', {}, event.output), el('div', {}, ...fields(event))), el('td', {}, el('button', { textContent: '{}', ariaLabel: 'Details', onclick: (click) => details(click.target.closest('tr').event) })));
      fresh.event = event;
      const old = body.children[i];
      if (old === undefined) body.append(fresh);
      else patch(old, fresh);
    });
    while (body.children.length > rows.length) body.lastChild.remove();
  }

  function patch(old, fresh) {
    const texts = (of) => {
      const all = [];
      const walk = document.createTreeWalker(of, NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) all.push(walk.currentNode);
      return all;
    };
    const [a, b] = [texts(old), texts(fresh)];
    if (a.length !== b.length) old.replaceWith(fresh);
    else {
      a.forEach((text, i) => (text.data = b[i].data));
      old.event = fresh.event;
    }
  }

  function details(event) {
    dialog.replaceChildren(el('div', { className: 'v-card__text' }, ...fields(event, '')));
    dialog.hidden = false;
  }

  async function load() {
    const query = new URLSearchParams({ filter: search.value, since: '24h' });
    const base = location.pathname.replace(/events$/, '');
    const answer = await fetch(`${base}api/v1/events/search?${query}`, { headers: { Authorization: `Basic ${btoa(`${session.username}:${session.password}`)}` } });
    if (!answer.ok) return login();
    events = (await answer.json()).results;
    page = 0;
    root.replaceChildren(search, el('button', { textContent: 'Next page', onclick: () => { page = (page + 1) % Math.ceil(events.length / 3); draw(); } }), el('table', {}, body), dialog);
    draw();
  }

  function login() {
    const [user, word] = [el('input', { ariaLabel: 'User' }), el('input', { ariaLabel: 'Password', type: 'password' })];
    root.replaceChildren(user, word, el('button', { textContent: 'Sign in', onclick: () => {
      Object.assign(session, { username: user.value, password: word.value });
      sessionStorage.setItem('vuex', JSON.stringify(session));
      load();
    } }));
  }

  const asked = new URLSearchParams(location.hash.split('?')[1] ?? location.search);
  search.value = asked.get('filter') ?? '';
  search.addEventListener('change', load);
  if (session.username === undefined) login();
  else load();
}

/** Starts it with these events. `state.page` may be changed: the page as another version might have it. */
export async function serve(events) {
  const state = { page: PAGE, headers: {}, events };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    if (pathname === '/' || pathname === '/events') return response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', ...state.headers }).end(state.page);
    if (pathname === '/app.js') return response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(`(${app})()`);
    if (pathname === '/api/v1/events/search') {
      if (request.headers.authorization !== LOGIN) return response.writeHead(401, { 'WWW-Authenticate': 'xbasic' }).end();
      const wanted = searchParams.get('filter') ?? '';
      const results = state.events.filter((event) => JSON.stringify(event).includes(wanted));
      return response.writeHead(200, { 'Content-Type': 'application/json; charset=UTF-8' }).end(JSON.stringify({ statistics: { all: results.length }, results }));
    }
    return response.writeHead(pathname === '/favicon.ico' ? 204 : 404).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, state, close };
}
