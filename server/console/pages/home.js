// The list as a whole: the map, the doors that come next, and those that are done.

import { button, count, distance, element } from './html.js';
import { ahead } from './list.js';

/** Rows before the rest is folded away. */
const SHOWN = 8;

export function home(app) {
  const { stops } = app.facts;
  const todo = ahead(stops, app.last - 1);
  const done = stops.filter((stop) => stop.done);
  app.map.show(app.list, stops, todo);
  return {
    title: app.list.turf.name,
    map: true,
    main: [
      element('div', { class: 'map' }, app.map.canvas, controls(app)),
      element('h2', {}, todo.length ? 'Next doors' : 'All doors are done'),
      !todo.length && element('p', {}, 'Thank you. Finish the list to send everything and delete it from this phone.'),
      rows(todo.slice(0, SHOWN)),
      folded(app, 'Later', todo.slice(SHOWN)),
      folded(app, 'Done', done),
    ],
    foot: [
      button('More', () => app.go('#more'), { id: 'to-more' }),
      todo.length
        ? button(`Next: ${todo[0].address}`, () => app.go(`#stop-${todo[0].stop}`), { class: 'main', id: 'next' })
        : button('Finish the list', () => app.end('finish'), { class: 'main', id: 'next' }),
    ],
  };
}

function controls({ map, locate, locating }) {
  const words = () => (map.whole ? 'Next doors' : 'Whole turf');
  const whole = button(words(), () => {
    map.fit(!map.whole);
    whole.textContent = words();
  }, { id: 'whole' });
  return [
    element('div', { class: 'zoom' },
      button('+', () => map.zoom(1.5), { 'aria-label': 'Closer', id: 'closer' }),
      button('−', () => map.zoom(1 / 1.5), { 'aria-label': 'Farther', id: 'farther' })),
    element('div', { class: 'buttons' }, whole, button('Find me', locate, { id: 'locate', 'aria-pressed': String(locating) })),
  ];
}

const rows = (stops) => stops.length > 0 && element('ol', { class: 'stops' }, stops.map(row));

function row({ stop, address, done, people, households, metres }) {
  const recorded = people.filter(({ result }) => result).length;
  const said = [
    !people.length ? 'nobody to visit' : done ? 'done' : recorded && `${recorded} of ${people.length} done`,
    households.length > 1 && count(households.length, 'door'),
    people.length > 0 && count(people.length, 'person', 'people'),
    !done && metres > 0 && distance(metres),
  ];
  return element('li', {},
    element('a', { href: `#stop-${stop}`, id: `row-${stop}`, class: done && 'done' },
      element('span', { class: 'number', 'aria-hidden': 'true' }, done ? '✓' : stop),
      element('span', {}, element('strong', {}, address), element('small', {}, said.filter(Boolean).join(' · ')))));
}

/** Rows behind a summary, which stays open when the page is drawn anew. */
function folded({ open }, name, stops) {
  const ontoggle = ({ target }) => (open[name] = target.open);
  return stops.length > 0 && element('details', { open: open[name], ontoggle },
    element('summary', { id: `fold-${name}` }, `${name} (${stops.length})`), rows(stops));
}
