// One stop: its households and people, and what happened at the door.

import { button, clock, count, distance, element } from './html.js';
import { ahead, RESULTS } from './list.js';

const REPORTS = { new_person: 'New person', address: 'Address', not_here: 'Somebody does not live here' };

export function door(app, stop) {
  const { stops } = app.facts;
  const here = `#stop-${stop.stop}`;
  const open = stop.people.filter(({ result }) => !result);
  const following = ahead(stops, stop.stop).find((other) => other !== stop);
  const place = [stop.city, stop.zip].filter(Boolean).join(' ');
  const leave = () => (following ? app.go(`#stop-${following.stop}`, true) : app.back(''));
  const nobody = async () => {
    const parts = open.map((person) => ({ ...who(person), result: 'not_home' }));
    if (await app.record(stop, parts, `${stop.address}: nobody home (${count(open.length, 'person', 'people')})`, true)) leave();
  };
  return {
    title: stop.address,
    over: `Stop ${stop.stop} of ${app.list.turf.stops}`,
    back: ['', 'List'],
    main: [
      element('p', {}, [place, stop.metres > 0 && `${distance(stop.metres)} from the ${stop.stop > 1 ? 'stop before' : 'start'}`].filter(Boolean).join(' · ')),
      !stop.people.length && element('p', { class: 'card' }, 'There is nobody to visit here any more. Go on to the next door.'),
      stop.households.map(({ unit, people }) => [
        unit && element('h2', {}, unit),
        element('ul', { class: 'people' }, people.map((person) => card(app, stop, person, `${here}/${person.key}`))),
      ]),
      stop.reports.length > 0 && [element('h2', {}, 'Reported here'), element('ul', {}, stop.reports.map((one) => element('li', {}, words(one))))],
      element('div', { class: 'buttons' },
        button('New person here', () => app.go(`${here}/new`), { id: 'new' }),
        button('Correct the address', () => app.go(`${here}/address`), { id: 'address' })),
    ],
    foot: [
      open.length > 0 && button(open.length < stop.people.length ? 'Nobody else home' : 'Nobody home', nobody, { id: 'nobody' }),
      button(following ? 'Next door' : 'To the list', leave, { class: !open.length && 'main', id: 'next' }),
    ],
  };
}

function card(app, stop, person, to) {
  const { name, result, key } = person;
  const act = (text, verb, action, main) =>
    button(text, action, { 'aria-label': `${text}: ${name}`, id: `${verb}-${key.replace('/', '-')}`, class: main });
  return element('li', { class: result ? 'card done' : 'card' },
    element('strong', {}, name),
    element('p', {}, about(person)),
    result
      ? [element('p', { class: 'result' }, `✓ ${RESULTS[result.result]}, ${clock(result.at)}${result.do_not_contact ? ', do not come again' : ''}`),
         act('Change', 'change', () => app.go(result.result === 'canvassed' ? to : `${to}/other`))]
      : element('div', { class: 'buttons' },
        act('Not home', 'away', () => app.record(stop, [{ ...who(person), result: 'not_home' }], `${name}: not home`)),
        act('Other', 'other', () => app.go(`${to}/other`)),
        act('Talk', 'talk', () => app.go(to), 'main')));
}

export const about = ({ age, gender, party }) => [age && `Age ${age}`, gender, party].filter(Boolean).join(' · ');

/** Whom an entry is about; `after` keeps it newer than what the server has already. */
export const who = ({ state, voter_id, result }) => ({ state, voter_id, after: result?.at });

function words({ report, details = {} }) {
  const said = ['name', 'address', 'unit', 'notes'].map((field) => details[field]).filter(Boolean).join(', ');
  return [REPORTS[report] ?? report, said].filter(Boolean).join(': ');
}
