// Runs in the page of Falcosidekick-UI, put there by `sysflow ui-proxy`. Finds the values of the field sf.graphid, and
// opens the graph of the one that is clicked in a frame over the page.
//
// Rules that it keeps: it moves and adds nothing inside the application's own elements, for the application reuses them
// for other events; it reads the id at the moment of the click; it looks at no password; and when the page is not what it
// knows, it does nothing.
(function () {
  'use strict';

  var FIELD = 'sf.graphid';
  var ID = /^[A-Za-z0-9_-]{8,64}$/;
  var MARK = 'data-sf-graph';
  var script = document.currentScript;
  if (script === null || typeof MutationObserver === 'undefined' || !('adoptedStyleSheets' in document)) return;
  var home = new URL('.', script.src);

  // === the page ===

  function text(element) {
    return element === null || element === undefined ? '' : element.textContent.trim();
  }

  /** Id that a chip shows; `null` for any other chip. */
  function graphOf(chip) {
    var before = chip.previousElementSibling;
    var id = '';
    if (before !== null && before.classList.contains('v-chip') && text(before) === FIELD) id = text(chip);
    else {
      // Version 1: name and value in one chip.
      var content = chip.querySelector('.v-chip__content');
      var first = content === null ? null : content.firstChild;
      var both = first !== null && first.nodeType === Node.TEXT_NODE && first.data.trim() === FIELD && content.children.length === 1;
      if (both) id = text(content.children[0]);
    }
    return ID.test(id) ? id : null;
  }

  /** Time of the alert, from the field with the graph's address in the same row. Digits only: the address is not used. */
  function timeOf(chip) {
    var row = chip.closest('tr, .v-card__text, .v-card') || chip.parentElement;
    var chips = row === null ? [] : row.querySelectorAll('.v-chip');
    for (var i = 0; i < chips.length; i += 1) {
      var found = /^(?:sf\.graph_url)?\s*https?:\/\/[^\s?]*\?(?:[^\s#]*&)?at=(\d{1,20})(?:[&#]|$)/.exec(text(chips[i]));
      if (found !== null) return found[1];
    }
    return null;
  }

  function mark() {
    var marked = document.querySelectorAll('[' + MARK + ']');
    for (var i = 0; i < marked.length; i += 1) if (graphOf(marked[i]) === null) unmark(marked[i]);
    var chips = document.querySelectorAll('.v-chip');
    for (var j = 0; j < chips.length; j += 1) {
      if (chips[j].hasAttribute(MARK) || graphOf(chips[j]) === null) continue;
      chips[j].setAttribute(MARK, '');
      chips[j].title = 'Show the behaviour graph';
      if (chips[j].tabIndex < 0) chips[j].tabIndex = 0;
    }
  }

  function unmark(chip) {
    chip.removeAttribute(MARK);
    chip.removeAttribute('title');
  }

  var waiting = false;
  function soon() {
    if (waiting) return;
    waiting = true;
    setTimeout(function () {
      waiting = false;
      quietly(mark);
    }, 60);
  }

  /** Whatever the page has become, it goes on working. */
  function quietly(work) {
    try {
      return work();
    } catch (error) {
      return undefined;
    }
  }

  function onClick(event) {
    quietly(function () {
      var target = event.target instanceof Element ? event.target.closest('.v-chip') : null;
      var id = target === null ? null : graphOf(target);
      if (id === null) return;
      // Or the application takes it for a filter.
      event.stopPropagation();
      event.preventDefault();
      show(id, timeOf(target), target);
    });
  }

  function onKey(event) {
    if (event.key === 'Enter' || event.key === ' ') onClick(event);
  }

  // === the overlay ===

  var opened = null;

  function make(name, attributes, children) {
    var element = document.createElement(name);
    for (var key in attributes) element.setAttribute(key, attributes[key]);
    (children || []).forEach(function (child) {
      element.append(child);
    });
    return element;
  }

  function show(id, at, from) {
    if (opened !== null) close();
    var status = make('p', { class: 'sf-status', role: 'status' }, ['Opening the graph…']);
    var link = make('a', { class: 'sf-link', target: '_blank', rel: 'noopener noreferrer', hidden: '' }, ['Open in SysFlow']);
    var shut = make('button', { class: 'sf-close', type: 'button', 'aria-label': 'Close the graph' }, ['×']);
    var name = make('code', { class: 'sf-id' }, [id]);
    var title = make('h2', { class: 'sf-title', id: 'sf-graph-title' }, ['Behaviour graph ', name]);
    var dialog = make('dialog', { class: 'sf-graph', 'aria-labelledby': 'sf-graph-title' }, [
      make('header', { class: 'sf-bar' }, [title, link, shut]), make('div', { class: 'sf-body' }, [status]),
    ]);
    // Outside of the application's root; a modal dialog keeps the focus in itself, and Escape closes it.
    document.body.append(dialog);
    opened = { dialog: dialog, from: from };
    shut.addEventListener('click', close);
    dialog.addEventListener('close', close);
    dialog.addEventListener('click', function (event) {
      if (event.target === dialog) close();
    });
    dialog.addEventListener('keydown', function (event) {
      // The application listens to keys of the whole page.
      event.stopPropagation();
    });
    dialog.showModal();
    shut.focus();
    ask(id).then(function (grant) {
      if (opened === null || opened.dialog !== dialog) return;
      var address = new URL(grant.frame, home);
      if (address.origin !== location.origin) throw new Error('another origin');
      if (at !== null) address.searchParams.set('at', at);
      var frame = make('iframe', {
        class: 'sf-frame', title: 'Behaviour graph', sandbox: 'allow-scripts', allow: 'clipboard-write',
        referrerpolicy: 'no-referrer', src: address.href,
      });
      frame.addEventListener('load', function () {
        status.hidden = true;
        frame.focus();
      });
      dialog.querySelector('.sf-body').append(frame);
      if (typeof grant.page === 'string' && /^https?:\/\//.test(grant.page)) {
        link.href = at === null ? grant.page : grant.page + '?at=' + at;
        link.hidden = false;
      }
    }).catch(function (error) {
      status.textContent = error instanceof Refused ? error.text : 'The graph cannot be shown.';
      status.classList.add('sf-failed');
    });
  }

  function close() {
    if (opened === null) return;
    var last = opened;
    opened = null;
    last.dialog.remove();
    if (last.from.isConnected) last.from.focus();
  }

  /** Escape inside the frame: the keys there are its own, so it says so. */
  addEventListener('message', function (event) {
    if (opened === null || event.data !== 'sysflow:close') return;
    var frame = opened.dialog.querySelector('iframe');
    if (frame !== null && event.source === frame.contentWindow) close();
  });

  function Refused(text) {
    this.text = text;
  }

  /** Address of the frame, from the proxy. */
  function ask(id) {
    var options = { method: 'POST', credentials: 'same-origin', cache: 'no-store', redirect: 'error' };
    return fetch(new URL('open/' + encodeURIComponent(id), home), options).then(function (answer) {
      if (answer.ok) return answer.json();
      return answer.json().catch(function () {
        return {};
      }).then(function (problem) {
        var title = typeof problem.title === 'string' ? problem.title : 'status ' + answer.status;
        var detail = typeof problem.detail === 'string' ? problem.detail : '';
        throw new Refused('The graph cannot be shown: ' + title + (detail === '' ? '.' : ' – ' + detail + '.'));
      });
    });
  }

  // === start ===

  var style = [
    '[data-sf-graph] { cursor: pointer; text-decoration: underline; text-underline-offset: 3px; outline: 1px solid #1d57c9; outline-offset: -1px; }',
    '[data-sf-graph]::after { content: "\\2009\\2197"; }',
    '[data-sf-graph]:focus-visible { outline: 3px solid #1d57c9; outline-offset: 1px; }',
    '.sf-graph { box-sizing: border-box; display: flex; flex-direction: column; width: 94vw; height: 90vh; max-width: none; max-height: none; margin: auto;',
    '  padding: 0; border: 0; border-radius: 10px; overflow: hidden; background: #fff; color: #16202d; box-shadow: 0 18px 60px rgb(0 0 0 / 40%);',
    '  font: 14px/1.4 system-ui, sans-serif; }',
    '.sf-graph::backdrop { background: rgb(10 16 26 / 55%); }',
    '.sf-bar { display: flex; flex: none; align-items: center; gap: 16px; height: 48px; padding: 0 10px 0 18px; border-bottom: 1px solid #dce1e8; }',
    '.sf-title { flex: 1; min-width: 0; margin: 0; font: 650 15px/1.3 system-ui, sans-serif; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }',
    '.sf-graph .sf-id { padding: 0; background: none; color: #4d5a6a; font: 13px/1.3 ui-monospace, monospace; box-shadow: none; }',
    '.sf-graph .sf-link { color: #1d57c9; white-space: nowrap; }',
    '.sf-close { width: 34px; height: 34px; border: 0; border-radius: 6px; background: none; color: inherit; font: 24px/1 system-ui, sans-serif; cursor: pointer; }',
    '.sf-close:hover { background: #eef1f5; }',
    '.sf-graph :focus-visible { outline: 2px solid #1d57c9; outline-offset: 1px; }',
    '.sf-body { position: relative; flex: 1; min-height: 0; background: #f4f6f9; }',
    '.sf-frame { position: absolute; inset: 0; width: 100%; height: 100%; border: 0; }',
    '.sf-status { position: absolute; inset: 0; display: grid; place-items: center; margin: 0; padding: 24px; color: #4d5a6a; text-align: center; }',
    '.sf-status[hidden] { display: none; }',
    '.sf-failed { color: #ad1229; }',
    '@media (prefers-color-scheme: dark) { .sf-graph { background: #171d26; color: #e7ecf3; } .sf-bar { border-color: #2a3341; }',
    '  .sf-body { background: #0f141b; } .sf-graph .sf-id, .sf-status { color: #a3b0c2; } .sf-graph .sf-link { color: #86b0ff; }',
    '  .sf-close:hover { background: #2a3341; } .sf-failed { color: #ff8d9b; } .sf-graph :focus-visible { outline-color: #86b0ff; } }',
  ].join('\n');

  function start() {
    var sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    document.adoptedStyleSheets = document.adoptedStyleSheets.concat(sheet);
    document.addEventListener('click', onClick, true);
    document.addEventListener('keydown', onKey, true);
    new MutationObserver(soon).observe(document.documentElement, { childList: true, characterData: true, subtree: true });
    mark();
  }

  quietly(start);
})();
