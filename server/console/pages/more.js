// Everything about the list as a whole: beginning, sending, finishing, giving back, and the end.

import { ask, button, clock, count, distance, element, minutes } from './html.js';
import { tell } from './list.js';
import * as outbox from './outbox.js';
import * as store from './store.js';

/** The first page of a list: who walks it. */
export function claim(app) {
  const { name, doors, people, minutes: needed, metres } = app.list.turf;
  const field = element('input', { id: 'canvasser', required: true, maxlength: 40, autocomplete: 'given-name', pattern: '.*\\S.*' });
  const onsubmit = async (event) => {
    event.preventDefault();
    await app.keep({ canvasser: field.value.trim(), claim: true });
    // A browser that agrees to persist deletes nothing on its own.
    navigator.storage?.persist?.();
    await confirm(app);
    app.render(true);
  };
  return {
    title: name,
    main: [
      element('p', { class: 'lead' }, `${count(doors, 'door')}, ${count(people, 'person', 'people')}, about ${minutes(needed)}, ${distance(metres)} on the way.`),
      element('form', { id: 'claim', onsubmit }, element('label', {}, 'Your first name', field)),
      element('p', {}, 'The list works without signal. It stays on this phone until you finish it or give it back.'),
    ],
    foot: [element('button', { class: 'main', form: 'claim', id: 'start' }, 'Start')],
  };
}

/** Tells the server who walks the list; without signal it is told later. */
export async function confirm(app) {
  try {
    const turf = await tell(app.token, 'claim', { canvasser: app.kept.canvasser });
    await app.keep({ claim: false, list: { ...app.list, turf: { ...app.list.turf, ...turf } } });
  } catch (error) {
    if (error.signal === false) return;
    await app.keep({ claim: false });
    app.notify(error.message);
  }
}

export function more(app) {
  const { turf } = app.list;
  const waits = outbox.waiting().length > 0;
  const send = async () => {
    await outbox.flush();
    app.notify(outbox.waiting().length ? 'Not everything could be sent. It is tried again by itself.' : 'All sent.');
  };
  const facts = [app.kept.canvasser ?? turf.canvasser, `${count(app.facts.left, 'door')} left`, `about ${minutes(app.facts.minutes)}`];
  return {
    title: turf.name,
    back: ['', 'List'],
    main: [
      element('h2', {}, 'Sending'),
      element('p', {}, `${outbox.summary()}.`),
      waits && [
        element('p', {}, 'What waits is safe on this phone. It is sent by itself as soon as there is signal.'),
        button('Send now', send, { id: 'send' }),
      ],
      refused(app),
      element('h2', {}, 'This list'),
      element('p', {}, facts.filter(Boolean).join(' · ')),
      element('p', {}, app.heard ? `As of ${clock(app.heard)}.` : 'As it was when there was signal last.'),
      app.locating && element('p', {}, 'Your position is on. It is sent with each result.'),
      element('div', { class: 'grid' },
        button('Give the list back', () => app.end('return'), { id: 'return' }),
        button('Finish the list', () => app.end('finish'), { id: 'finish' })),
    ],
    foot: [button('To the list', () => app.back(''), { class: 'main', id: 'home' })],
  };
}

/** What the server did not take, and why. */
function refused(app) {
  const bad = outbox.refused();
  const people = new Map(app.facts?.stops.flatMap((stop) => stop.people.map((person) => [person.voter_id, person.name])));
  const dismiss = () => outbox.dismiss().then(app.settle);
  return bad.length > 0 && [
    element('h2', {}, `${bad.length} refused`),
    element('p', {}, 'The server did not take these. Tell your organizer where it matters.'),
    element('ul', {}, bad.map(({ entry, reason }) => element('li', {}, `${people.get(entry.voter_id) ?? `Stop ${entry.stop}`}: ${reason}`))),
    button('I have read it', dismiss, { id: 'dismiss' }),
  ];
}

/** Finishes the list or gives it back. Everything is sent before, for afterwards this phone may have no right to. */
export async function end(app, what) {
  const { left } = app.facts;
  const [title, text, yes] = what === 'finish'
    ? ['Finish the list?', left ? `${count(left, 'door')} not done.` : 'All doors are done.', 'Finish']
    : ['Give the list back?', 'Somebody else can take it. What you recorded stays.', 'Give back'];
  if (!(await ask(title, `${text} The list is then deleted from this phone.`, yes))) return;
  await outbox.flush();
  const waits = outbox.waiting().length;
  if (waits) return app.notify(`${waits} could not be sent yet. Try again where there is signal.`);
  try {
    await tell(app.token, what);
    await app.leave(what);
  } catch (error) {
    app.notify(error.message);
  }
}

const ENDS = { finish: 'The list is finished', return: 'The list is given back', gone: 'The list was taken back' };

/** The end: how it came, and whether something is still on the phone. */
export function goodbye(app) {
  const waits = outbox.waiting().length;
  const drop = async () => {
    if (!(await ask('Delete the results?', `${count(waits, 'result')} will be lost.`, 'Delete'))) return;
    await store.forget(app.token, true);
    location.reload();
  };
  return {
    title: ENDS[app.over],
    main: [
      element('p', { class: 'lead' }, app.over === 'gone' ? 'There is no list at this address any more.' : 'Thank you for walking.'),
      element('p', {}, 'The names and addresses are deleted from this phone.'),
      waits > 0 && element('p', {}, `${count(waits, 'result')} could not be sent.`),
      refused(app),
    ],
    foot: waits > 0 && [
      button('Delete them', drop, { id: 'drop' }),
      button('Try to send', () => outbox.flush().then(app.settle), { class: 'main', id: 'send' }),
    ],
  };
}
