// The page of a volunteer at the doors: which view is shown, and when the list is asked for anew.

import { button, element, fill, minutes } from './html.js';
import * as forms from './forms.js';
import * as more from './more.js';
import * as outbox from './outbox.js';
import * as store from './store.js';
import { door } from './door.js';
import { facts, refresh } from './list.js';
import { home } from './home.js';
import { walkMap } from './map.js';

/** Milliseconds between two questions for the list. */
const REFRESH = 30000;
/** A second tap on the same place so soon after a result is a slip. */
const SLIP = 400;

const token = location.pathname.split('/')[2];
const find = (id) => document.getElementById(id);
const app = {
  token, go, back, record, render, notify, locate, keep, leave, settle,
  end: (what) => more.end(app, what),
  map: walkMap((stop) => go(`#stop-${stop}`)),
  /** What is kept of the list, what it says together with what was recorded, and how it ended. */
  kept: {}, facts: null, over: null,
  get list() { return app.kept.list; },
  last: Number(sessionStorage.getItem(`${token} last`)),
  heard: 0, locating: false, open: {},
};
let view = {};
let shown = '';
let notice = null;
let asked = 0;
let missing = false;
let arrived = Date.now();
let settled = 0;
let watch = null;
let position = null;

function pick() {
  if (app.over) return more.goodbye(app);
  if (!app.list) return loading();
  if (!app.kept.canvasser && !app.list.turf.canvasser) return more.claim(app);
  if (location.hash === '#more') return more.more(app);
  const [, number, rest] = /^#stop-(\d+)\/?(.*)$/.exec(location.hash) ?? [];
  const stop = app.facts.stops.find((one) => one.stop === Number(number));
  if (!stop) return home(app);
  if (rest === 'new') return forms.newcomer(app, stop);
  if (rest === 'address') return forms.address(app, stop);
  const key = decodeURIComponent(rest).replace(/\/other$/, '');
  const person = stop.people.find((one) => one.key === key);
  return person ? forms.person(app, stop, person, key !== rest) : door(app, stop);
}

const loading = () => ({
  title: 'Your list',
  main: [element('p', { class: 'lead' }, missing ? 'The list could not be loaded. It needs signal once; after that it works without.' : 'Loading the list…')],
  foot: [missing && button('Try again', update, { class: 'main', id: 'again' })],
});

/** Draws the page. `moved` says that the volunteer came from another view. */
function render(moved) {
  const focus = document.activeElement.id;
  view = pick();
  // A notice goes with its view, unless it came with a change of view.
  if (moved) notice = notice?.leads ? { ...notice, leads: false } : null;
  document.title = `${view.title} – Doors`;
  const title = element('h1', { tabindex: -1, id: 'title' }, view.title);
  const draw = (selector, ...children) => {
    const place = document.querySelector(selector);
    place.replaceChildren();
    fill(place, {}, children);
  };
  const [to, words] = view.back ?? [];
  const onclick = (event) => (event.preventDefault(), back(to));
  draw('#place', words && element('a', { href: to || location.pathname, id: 'back', onclick }, `‹ ${words}`));
  draw('main', view.over && element('p', { class: 'over' }, view.over), title, view.main);
  if (view.map) find('place').append(title);
  draw('footer', view.foot || []);
  tell();
  if (moved) scrollTo(0, 0);
  find(moved ? 'title' : focus)?.focus({ preventScroll: true });
}

/** The lines above the view: progress, sending, and what was just done. */
function tell() {
  const working = app.facts && !view.form;
  find('progress').hidden = !working;
  if (working) {
    const { doors, left } = app.facts;
    Object.assign(find('done'), { max: doors, value: doors - left });
    find('figures').textContent = `${doors - left} of ${doors} doors · ${minutes(app.facts.minutes)} left`;
  }
  const summary = outbox.summary();
  const sync = find('sync');
  if (sync.textContent !== summary) sync.textContent = find('said').textContent = summary;
  sync.className = summary === 'All sent' ? '' : 'waiting';
  const bar = find('notice');
  bar.hidden = !notice;
  if (!notice || bar.notice === notice) return;
  bar.notice = notice;
  bar.replaceChildren(element('span', {}, notice.text), notice.ids ? button('Undo', undo, { id: 'undo' }) : '');
  find('said').textContent = notice.text;
}

/** Something changed beneath the page. A form that is being filled in is not touched. */
function refreshed() {
  if (app.list) app.facts = facts(app.list, outbox.entries());
  if (view.form) return refreshedForm();
  // A button that is made anew under a finger loses the tap, so the page is drawn only where it says something else.
  const before = shown;
  shown = JSON.stringify([app.facts, missing, (app.over || location.hash === '#more') && outbox.summary()]);
  if (shown === before) tell();
  else render();
}

function refreshedForm() {
  if (!view.key || app.facts.stops.some(({ people }) => people.some(({ key }) => key === view.key))) return tell();
  const text = 'This person was taken off the list just now.';
  if (view.form.begun()) return notify(`${text} Save if you have talked already.`);
  notice = { text, leads: true };
  back(view.back[0]);
}

/** Opens a view. One that is replaced is not gone back to. */
function go(hash, replace) {
  const stop = Number(/^#stop-(\d+)/.exec(hash)?.[1] ?? app.last);
  history[replace ? 'replaceState' : 'pushState']({ from: replace ? history.state?.from : location.hash }, '', hash || location.pathname);
  if (stop !== app.last) {
    arrived = Date.now();
    sessionStorage.setItem(`${token} last`, (app.last = stop));
  }
  render(true);
}

/** Goes back to where the view was opened from, so that the phone's own button has nothing to go through twice. */
function back(hash) {
  if (history.state?.from === hash) history.back();
  else go(hash, true);
}

function notify(text) {
  notice = { text };
  tell();
}

/** Records entries at a stop, and says so only when they are on disk. Answers whether they are; `leads` to another view. */
async function record({ stop }, parts, text, leads) {
  if (Date.now() < settled) return false;
  settled = Infinity;
  const seconds = Math.min(3600, Math.round((Date.now() - arrived) / 1000));
  const fresh = position && Date.now() - position.time < 60000 && { longitude: position.longitude, latitude: position.latitude };
  try {
    const ids = await outbox.record(parts.map((part) => ({ stop, ...(part.result && { seconds, ...fresh }), ...part })));
    notice = { text: `Recorded. ${text}`, ids, stop, leads };
    tell();
    return true;
  } catch {
    notify('NOT recorded: this phone cannot keep it. Free some space, or write it down.');
    return false;
  } finally {
    settled = Date.now() + SLIP;
  }
}

async function undo() {
  const { ids, stop } = notice;
  const text = (await outbox.undo(ids)) ? 'Undone.' : 'It was sent already. Tap Change to replace it.';
  notice = { text, leads: true };
  go(`#stop-${stop}`, true);
}

/** Asks for the list, and tells what waited for signal. */
async function update() {
  if (app.over) return;
  asked = Date.now();
  const { outcome, ...news } = await refresh(token, app.kept);
  if (outcome === 'gone') return leave('gone');
  missing = outcome === 'failed';
  Object.assign(app.kept, news);
  if (!missing) {
    if (Date.now() - app.heard > 2 * REFRESH) outbox.hasten();
    app.heard = Date.now();
    if (app.list.turf.state === 'finished') return leave('finish');
    if (app.kept.claim) await more.confirm(app);
  }
  refreshed();
}

async function keep(fields) {
  await store.keep(token, fields);
  Object.assign(app.kept, fields);
}

/** The list is no longer this phone's: its people are deleted at once, its entries when they are sent. */
async function leave(how) {
  if (app.over) return;
  Object.assign(app, { over: how, kept: {}, facts: null });
  notice = null;
  if (app.locating) locate();
  await store.forget(token, false);
  history.replaceState(null, '', location.pathname);
  render(true);
  await outbox.flush();
  await settle();
}

/** Deletes the last traces where nothing waits and nothing is unread. */
async function settle() {
  if (app.over && !outbox.waiting().length && !outbox.refused().length) {
    await store.forget(token, true);
    sessionStorage.clear();
  }
  render();
}

/** The phone's position, which is asked for when the volunteer wants it and not before. */
function locate() {
  if (app.locating) {
    navigator.geolocation.clearWatch(watch);
    position = null;
    app.map.position(null);
  } else {
    watch = navigator.geolocation.watchPosition(({ coords: { longitude, latitude, accuracy }, timestamp: time }) => {
      position = { longitude, latitude, accuracy, time };
      app.map.position(position);
    }, () => {
      if (app.locating) locate();
      notify('The phone does not tell its position.');
    }, { enableHighAccuracy: true });
  }
  app.locating = !app.locating;
  if (!view.form) render();
}

async function start() {
  document.head.append(element('link', { rel: 'manifest', href: `/walk/${token}/manifest.webmanifest` }));
  addEventListener('popstate', () => render(true));
  document.addEventListener('click', (event) => {
    const to = event.target.closest('a')?.getAttribute('href');
    if (!to?.startsWith('#')) return;
    event.preventDefault();
    go(to);
  });
  document.addEventListener('visibilitychange', () => !document.hidden && Date.now() - asked > 5000 && update());
  addEventListener('online', update);
  setInterval(() => !document.hidden && navigator.onLine && update(), REFRESH);
  try {
    app.kept = (await store.kept(token)) ?? {};
    await outbox.start(token, refreshed, () => leave('gone'));
  } catch {
    notify('This phone does not let the page keep anything, so nothing can be recorded. Another browser may.');
  }
  await update();
  // Only now, so that the list comes first where the signal is bad.
  await navigator.serviceWorker?.register('/walk/worker.js', { scope: '/walk/' }).catch(() => null);
  (await navigator.serviceWorker?.ready)?.active.postMessage('refresh');
}

start();
