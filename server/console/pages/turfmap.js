// The turfs of a cut on a map: filled by their progress, with a pattern and a word for their state.

import { fill, projection } from './html.js';

/** White to dark blue by the share of doors that are done; on the last two the type is white. */
const FILLS = ['#ffffff', '#dbe6f6', '#b3c8ea', '#7f9fd6', '#2f5cae', '#0a3a8a'];
const PATTERNS = { released: 'M0 8h8', claimed: 'M0 8 8 0', returned: 'M0 0 8 8M0 8 8 0' };
const drawn = (tag, properties, ...children) => fill(document.createElementNS('http://www.w3.org/2000/svg', tag), properties, children);

export function turfMap(turfs) {
  const shown = turfs.map((turf) => [turf, rings(turf)]).filter(([, places]) => places.length);
  if (!shown.length) return 'No turf has a place.';
  const project = projection(shown[0][1][0][0]);
  const [xs, ys] = [0, 1].map((axis) => shown.flatMap(([, places]) => places.flat()).map((point) => project(point)[axis]));
  const least = (numbers) => numbers.reduce((one, other) => Math.min(one, other));
  const most = (numbers) => numbers.reduce((one, other) => Math.max(one, other));
  const [width, height] = [most(xs) - least(xs), most(ys) - least(ys)];
  // A unit is about a pixel, so that the words keep their size on a phone.
  const scale = Math.min(760, innerWidth - 60) / Math.max(width, height * 1.2, 100);
  const place = (point) => {
    const [x, y] = project(point);
    return [(x - least(xs)) * scale, (y - least(ys)) * scale];
  };
  const hatch = ([state, d]) =>
    drawn('pattern', { id: `hatch-${state}`, width: 8, height: 8, patternUnits: 'userSpaceOnUse' }, drawn('path', { d, stroke: '#000', 'stroke-width': 0.8 }));
  return drawn('svg', { viewBox: `-30 -30 ${width * scale + 60} ${height * scale + 60}`, role: 'group', 'aria-label': 'Map of the turfs' },
    drawn('defs', {}, Object.entries(PATTERNS).map(hatch)),
    shown.map(([turf, places]) => shape(turf, places.map((ring) => ring.map(place)))));
}

/** The rings of a turf's outline, that with the most corners first; where it has none, the place where it begins. */
function rings({ outline, start }) {
  const parts = outline?.type === 'MultiPolygon' ? outline.coordinates.flat() : outline?.coordinates ?? [];
  if (parts.length) return [...parts].sort((one, other) => other.length - one.length);
  return start ? [[start]] : [];
}

function shape(turf, [first, ...others]) {
  const { number, state, doors, doors_done: done } = turf;
  const share = state === 'finished' ? 1 : done / (doors || 1);
  const step = share >= 1 ? 5 : Math.ceil(share * 4);
  const [x, y] = middle(first);
  const d = [first, ...others].map((ring) => `M${ring.map((point) => point.map(Math.round).join(' ')).join('L')}Z`).join('');
  const outline = (properties) =>
    (first.length > 1 ? drawn('path', { d, 'fill-rule': 'evenodd', ...properties }) : drawn('circle', { cx: x, cy: y, r: 34, ...properties }));
  const across = first.length > 1 ? Math.max(...first.map(([at]) => at)) - Math.min(...first.map(([at]) => at)) : 68;
  const size = Math.max(11, Math.min(30, across / 3));
  const word = (text, size, y) => drawn('text', { x, y, 'font-size': size, class: step > 3 && 'light' }, text);
  return drawn('a', { href: `#turf-${number}`, id: `map-${number}`, 'aria-label': `Turf ${number}: ${state}, ${done} of ${doors} doors` },
    outline({ fill: FILLS[step], stroke: '#000', 'stroke-width': 2, 'stroke-dasharray': state === 'cut' && '6 4' }),
    PATTERNS[state] && outline({ fill: `url(#hatch-${state})` }),
    word(number, size, y + size * 0.1),
    across > 60 && word(state === 'started' ? `${Math.round(share * 100)}%` : state, 14, y + size * 0.1 + 18));
}

/** The centre of a ring's area. */
function middle(ring) {
  let [x, y, area] = [0, 0, 0];
  ring.forEach(([ax, ay], at) => {
    const [bx, by] = ring[(at + 1) % ring.length];
    const cross = ax * by - bx * ay;
    [x, y, area] = [x + (ax + bx) * cross, y + (ay + by) * cross, area + cross * 3];
  });
  return area ? [x / area, y / area] : ring[0];
}
