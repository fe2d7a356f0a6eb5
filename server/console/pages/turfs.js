// The organizer's page: how far the turfs of one cut are, and what can be done with each.

import { ask, button, clock, count, detail, element, json, minutes } from './html.js';
import { turfMap } from './turfmap.js';

/** Milliseconds between two questions while the page is looked at. */
const POLL = 2000;
const STATES = ['cut', 'released', 'claimed', 'started', 'finished', 'returned'];
/** What can be done with a turf in a state. */
const ACTIONS = {
  cut: ['release'],
  released: ['claim', 'return'],
  claimed: ['return', 'finish'],
  started: ['return', 'finish'],
  finished: [],
  returned: ['release'],
};
const WORDS = { release: 'Release', claim: 'Assign', return: 'Take back', finish: 'Finish' };
const COLUMNS = {
  Turf: (turf) => turf.number,
  Canvasser: (turf) => turf.canvasser ?? '',
  State: (turf) => STATES.indexOf(turf.state),
  Doors: (turf) => turf.doors_done / (turf.doors || 1),
  'Contact rate': (turf) => rate(turf) ?? -1,
  Left: (turf) => turf.minutes_left,
};

const name = location.pathname.split('/')[2];
const find = (id) => document.getElementById(id);
const sorted = { by: 'Turf', down: false };
let cut = null;
let tag = null;
let asking = null;

const rate = ({ people_reached: reached, attempts }) => (attempts ? reached / attempts : null);
const percent = (share) => (share === null || share === undefined ? '–' : `${Math.round(share * 100)}%`);
const say = (text) => (find('said').textContent = text);

/** A request with the organizer's key, which stays in this tab. Asks for one where the server wants it. */
async function request(path, options = {}) {
  const key = sessionStorage.getItem('key');
  const headers = { ...options.headers, ...(key && { authorization: `Bearer ${key}` }) };
  const answer = await fetch(path, { ...options, headers, cache: 'no-store' });
  if (answer.status === 401) {
    await (asking ??= askForKey(Boolean(key)).finally(() => (asking = null)));
    return request(path, options);
  }
  if (!answer.ok && answer.status !== 304) throw new Error(await detail(answer));
  return answer;
}

async function askForKey(again) {
  const text = again ? 'The server does not know this key.' : 'The server asks who you are.';
  const key = await ask('Your key', text, 'OK', field('Key', 'password'));
  if (!key) return askForKey(again);
  sessionStorage.setItem('key', key);
}

const field = (label, type) => element('input', { 'aria-label': label, type, required: true, maxlength: 200, autocomplete: 'off' });

const post = (path, body = {}) => request(path, json(body)).then((answer) => answer.json());

/** Runs what a button started; what goes wrong is told beside the buttons. */
async function attempt(work, words) {
  say(`${words} …`);
  const outcome = await work().then(() => 'done.', (error) => error.message);
  await poll();
  say(`${words}: ${outcome}`);
}

async function poll() {
  try {
    const answer = await request(`/v1/turf-cuts/${name}`, { headers: tag ? { 'if-none-match': tag } : {} });
    if (answer.status !== 304) {
      tag = answer.headers.get('etag');
      cut = await answer.json();
      draw();
    }
    find('made').textContent = `Cut on ${new Date(cut.created).toLocaleDateString()} from release ${cut.release} · as of ${clock(Date.now())}`;
  } catch (error) {
    find('made').textContent = `The figures are old: ${error.message}`;
  }
}

function draw() {
  const focus = document.activeElement.id;
  document.title = `${cut.name} – Turfs`;
  find('name').textContent = cut.name;
  find('actions').replaceChildren(...actions());
  find('totals').replaceChildren(...totals());
  find('map').replaceChildren(turfMap(cut.turfs));
  find('answers').replaceChildren(...answers());
  table();
  find(focus)?.focus({ preventScroll: true });
}

function actions() {
  const ready = cut.turfs.filter(({ state }) => state === 'cut');
  return [
    ready.length ? button(`Release ${count(ready.length, 'turf')}`, () => attempt(async () => {
      for (const { id } of ready) await post(`/v1/turfs/${id}/release`);
    }, 'Release'), { class: 'main' }) : '',
    ...['pdf', 'csv'].map((format) => button(`All doors, ${format.toUpperCase()}`, () =>
      download(`/v1/turf-cuts/${name}/doors?format=${format}`, `${cut.name}.${format}`), { id: `all-${format}` })),
    button('Cut again', recut, { id: 'recut' }),
  ];
}

async function recut() {
  if (!(await ask('Cut again?', 'Turfs that nobody has begun are cut anew, without those who voted or were talked to meanwhile.', 'Cut again'))) return;
  await attempt(async () => {
    const { id } = await post(`/v1/turf-cuts/${name}/recut`);
    for (;;) {
      const { state, progress, error, result } = await (await request(`/v1/jobs/${id}`)).json();
      if (state === 'failed') throw new Error(error);
      if (state === 'done') {
        if (result.cut !== name) location.assign(`/turfs/${result.cut}`);
        return;
      }
      say(`Cut again: ${percent(progress)}`);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }, 'Cut again');
}

/** A file needs the key, which a link cannot carry. */
function download(path, file) {
  return attempt(async () => {
    const address = URL.createObjectURL(await (await request(path)).blob());
    element('a', { href: address, download: file.replace(/[^\w .-]+/g, '_') }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  }, file);
}

function totals() {
  const { turfs, doors, doors_done: done, people, people_reached: reached, attempts, contact_rate: contact, minutes_left: left } = cut.totals;
  const figure = (value, words, more) => element('div', {}, element('strong', {}, value), element('span', {}, words), element('small', {}, more));
  const suppressed = Object.entries(cut.suppressed).filter(([, people]) => people);
  return [
    figure(percent(done / (doors || 1)), 'of the doors are done', `${done.toLocaleString()} of ${doors.toLocaleString()}`),
    figure(reached.toLocaleString(), 'people reached', `of ${people.toLocaleString()}, at ${count(attempts, 'attempt')}`),
    figure(percent(contact), 'contact rate', 'people reached of attempts'),
    figure(minutes(left), 'of walking left', `${count(turfs, 'turf')}; the longest is ${cut.minutes_spread.toFixed(2)} of the shortest`),
    figure(suppressed.reduce((sum, [, people]) => sum + people, 0).toLocaleString(), 'people left out',
      suppressed.map(([why, people]) => `${why.replaceAll('_', ' ')} ${people}`).join(', ') || 'nobody'),
  ];
}

function answers() {
  return cut.script.questions.map(({ id, text, answers }) => {
    const given = cut.totals.answers[id] ?? {};
    const all = Object.values(given).reduce((sum, people) => sum + people, 0);
    return element('figure', {}, element('figcaption', {}, `${text} `, element('small', {}, count(all, 'answer'))),
      answers.map((answer) => element('label', { class: 'bar' }, element('span', {}, answer.text),
        element('progress', { max: all || 1, value: given[answer.id] ?? 0 }),
        element('b', {}, `${given[answer.id] ?? 0} · ${percent(all ? (given[answer.id] ?? 0) / all : 0)}`))));
  });
}

function table() {
  const chosen = find('state').value;
  const here = STATES.filter((state) => cut.turfs.some((turf) => turf.state === state));
  // A list of choices that is open must not be made anew.
  if (find('state').options.length !== here.length + 1) {
    find('state').replaceChildren(element('option', { value: '' }, 'all'), ...here.map((state) => element('option', { value: state, selected: state === chosen }, state)));
  }
  const value = COLUMNS[sorted.by];
  const rows = cut.turfs.filter(({ state }) => !find('state').value || state === find('state').value)
    .sort((one, other) => (value(one) > value(other) ? 1 : value(one) < value(other) ? -1 : one.number - other.number) * (sorted.down ? -1 : 1));
  const heads = Object.keys(COLUMNS).map((column) =>
    element('th', { scope: 'col', 'aria-sort': sorted.by !== column ? null : sorted.down ? 'descending' : 'ascending' },
      button(column, () => {
        Object.assign(sorted, { by: column, down: sorted.by === column && !sorted.down });
        draw();
      }, { id: `sort-${column}` })));
  find('table').replaceChildren(element('table', {},
    element('thead', {}, element('tr', {}, heads, element('th', { scope: 'col' }, 'Actions'))),
    element('tbody', {}, rows.map(row))));
}

function row(turf) {
  const act = (words, what, work) => button(words, work, { id: `${what}-${turf.id}`, 'aria-label': `${words}: turf ${turf.number}` });
  return element('tr', { id: `turf-${turf.number}` },
    element('th', { scope: 'row' }, turf.number),
    element('td', {}, turf.canvasser ?? '–'),
    element('td', {}, element('span', { class: `state ${turf.state}` }, turf.state)),
    element('td', {}, element('progress', { max: turf.doors, value: turf.doors_done, 'aria-label': 'Doors done' }), ` ${turf.doors_done} of ${turf.doors}`),
    element('td', {}, percent(rate(turf))),
    element('td', {}, minutes(turf.minutes_left)),
    element('td', {}, element('div', { class: 'buttons' },
      ACTIONS[turf.state].map((what) => act(WORDS[what], what, () => change(turf, what))),
      turf.link && act('Copy link', 'copy', () => copy(turf)),
      act('PDF', 'pdf', () => download(`/v1/turfs/${turf.id}/doors?format=pdf`, `${turf.name}.pdf`)))));
}

async function change(turf, what) {
  let body = {};
  if (what === 'claim') {
    const canvasser = await ask(`Turf ${turf.number}`, 'Who walks it?', 'Assign', field('First name', 'text'));
    if (!canvasser) return;
    body = { canvasser };
  } else if (what !== 'release') {
    const text = what === 'return' ? 'The list on the phone ends; what was recorded stays.' : 'Nobody is sent to the doors that are left.';
    if (!(await ask(`${WORDS[what]} turf ${turf.number}?`, text, WORDS[what]))) return;
  }
  await attempt(() => post(`/v1/turfs/${turf.id}/${what}`, body), `${WORDS[what]} turf ${turf.number}`);
}

/** The link is the right to the list: it is shown where it cannot be copied. */
async function copy(turf) {
  const address = new URL(turf.link, location).href;
  await navigator.clipboard?.writeText(address).then(() => say(`The link of turf ${turf.number} is copied. Who has it can read the list.`), () => say(address)) ?? say(address);
}

find('state').addEventListener('change', draw);
document.addEventListener('visibilitychange', () => !document.hidden && poll());
await poll();
setInterval(() => !document.hidden && !asking && poll(), POLL);
