// The map of a list: streets and numbered stops on a canvas, moved by fingers or buttons.

import { projection } from './html.js';

const [INK, NEXT, YOU] = ['#000', '#0a3a8a', '#b00020'];
/** Stops that are in view while the map follows the walk. */
const AHEAD = 5;
/** Pixels at the right that the buttons cover. */
const BUTTONS = 48;
/** Metres across, of a street that is not one of these 7. */
const WIDTHS = { motorway: 18, primary: 14, secondary: 12, tertiary: 10, footway: 3, path: 3, steps: 3 };

/** `open` is called with the number of a stop that is tapped. */
export function walkMap(open) {
  const canvas = document.createElement('canvas');
  const pen = canvas.getContext('2d');
  canvas.setAttribute('role', 'img');
  let list, project, streets, path, here;
  let stops = [];
  let ahead = [];
  /** The middle of the view in metres, and pixels per metre. */
  let view = { x: 0, y: 0, scale: 1 };
  /** Whether the volunteer moved the map, which then stays until there is another next stop. */
  let free = false;
  const map = { canvas, show, fit, zoom: (by) => zoom(by), position, whole: false };

  /** `todo` are the stops to do, the next one first. */
  function show(of, all, todo) {
    if (!all.length) return;
    if (list !== of) {
      list = of;
      project = projection(lonlat(all[0]));
      streets = list.streets.map((street) => ({ ...street, points: street.points.map(project) }));
      path = (list.path ?? []).map(project);
    }
    const place = (stop) => ({ ...stop, at: project(lonlat(stop)) });
    const before = ahead[0]?.stop;
    stops = all.map(place);
    ahead = todo.slice(0, AHEAD).map(place);
    const following = ahead.length ? `Next is stop ${ahead[0].stop}, ${ahead[0].address}. ` : '';
    canvas.setAttribute('aria-label', `Map. ${following}${todo.length} of ${all.length} stops are left. The list below has the same stops.`);
    if (free && ahead[0]?.stop === before) draw();
    else fit(map.whole);
  }

  /** Shows the whole turf, or the next stops. */
  function fit(whole) {
    map.whole = whole;
    canvas.classList.toggle('whole', whole);
    free = false;
    const points = (whole || !ahead.length ? stops : ahead).map(({ at }) => at);
    if (here && !whole && points.length && Math.hypot(here.at[0] - points[0][0], here.at[1] - points[0][1]) < 400) points.push(here.at);
    if (!points.length) return;
    const [x, y] = [0, 1].map((axis) => points.map((point) => point[axis]));
    const room = (pixels, along) => Math.max(1, pixels - 64) / Math.max(40, Math.max(...along) - Math.min(...along));
    const centre = (along) => (Math.max(...along) + Math.min(...along)) / 2;
    const scale = Math.min(room(canvas.clientWidth - BUTTONS, x), room(canvas.clientHeight, y));
    view = { x: centre(x) + BUTTONS / 2 / scale, y: centre(y), scale };
    draw();
  }

  /** Keeps the point under the fingers where it is. */
  function zoom(by, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const scale = Math.min(20, Math.max(0.02, view.scale * by));
    const moved = 1 / view.scale - 1 / scale;
    view = { x: view.x + (x - canvas.clientWidth / 2) * moved, y: view.y + (y - canvas.clientHeight / 2) * moved, scale };
    free = true;
    draw();
  }

  function pan(x, y) {
    view = { ...view, x: view.x - x / view.scale, y: view.y - y / view.scale };
    free = true;
    draw();
  }

  function position(found) {
    here = found && project ? { at: project(lonlat(found)), accuracy: found.accuracy } : null;
    draw();
  }

  const screen = ([x, y]) => [(x - view.x) * view.scale + canvas.clientWidth / 2, (y - view.y) * view.scale + canvas.clientHeight / 2];

  function draw() {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !list) return;
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    pen.scale(devicePixelRatio, devicePixelRatio);
    pen.lineCap = pen.lineJoin = 'round';
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    const lines = streets.map((street) => ({ ...street, points: street.points.map(screen) }));
    for (const [colour, border] of [['#8a8a8a', 2], ['#e4e4e4', 0]]) {
      for (const { points, class: kind } of lines) {
        pen.beginPath();
        points.forEach((point) => pen.lineTo(...point));
        pen.lineWidth = Math.max(2, (WIDTHS[kind] ?? 7) * view.scale) + border;
        pen.strokeStyle = colour;
        pen.stroke();
      }
    }
    pen.beginPath();
    path.map(screen).forEach((point) => pen.lineTo(...point));
    pen.setLineDash([2, 7]);
    pen.lineWidth = 2.5;
    pen.strokeStyle = NEXT;
    pen.stroke();
    pen.setLineDash([]);
    // Type on the map grows with the type of the page.
    const large = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    names(lines, width, height, large);
    markers(large, width);
    if (!here) return;
    const [x, y] = screen(here.at);
    disc([x, y], Math.max(12, here.accuracy * view.scale), '#0a3a8a33');
    disc([x, y], 8 * large, YOU);
    write('You', [x, y - 17 * large], 13 * large, YOU);
  }

  /** Every name once, along the longest piece of its street that is in view. */
  function names(lines, width, height, large) {
    const best = new Map();
    for (const { name, points } of lines) {
      for (let at = 1; name && at < points.length; at += 1) {
        const piece = clip(points[at - 1], points[at], width, height);
        if (piece && piece.length > (best.get(name)?.length ?? 0)) best.set(name, piece);
      }
    }
    for (const [name, { middle, angle, length }] of best) {
      pen.font = font(12 * large);
      if (pen.measureText(name).width > length) continue;
      pen.save();
      pen.translate(...middle);
      pen.rotate(Math.abs(angle) > Math.PI / 2 ? angle + Math.PI : angle);
      write(name, [0, 0], 12 * large, '#222');
      pen.restore();
    }
  }

  /** The next stop is big, those to do are black with their numbers, those done grey; a dot where there is no room. */
  function markers(large, width) {
    const rank = ({ stop, done }) => (stop === ahead[0]?.stop ? 0 : done ? 2 : 1);
    const placed = [];
    for (const stop of [...stops].sort((one, other) => rank(one) - rank(other))) {
      const at = screen(stop.at);
      const radius = [19, 13, 9][rank(stop)] * large;
      const room = placed.every((other) => Math.hypot(other.at[0] - at[0], other.at[1] - at[1]) > (other.radius + radius) * 0.9);
      if (room) placed.push({ ...stop, at, radius });
      else disc(at, 4 * large, stop.done ? '#999' : INK);
    }
    for (const stop of placed.reverse()) {
      const { at, radius } = stop;
      disc(at, radius, [NEXT, INK, '#d0d0d0'][rank(stop)]);
      pen.font = font(radius * 1.05);
      pen.fillStyle = stop.done ? '#333' : '#fff';
      pen.fillText(stop.done ? '✓' : stop.stop, at[0], at[1] + 1);
      if (rank(stop)) continue;
      pen.font = font(15 * large);
      const half = pen.measureText(stop.address).width / 2 + 6;
      write(stop.address, [Math.max(half, Math.min(at[0], width - half)), at[1] + radius + 12 * large], 15 * large, NEXT);
    }
  }

  function write(text, [x, y], size, colour) {
    pen.font = font(size);
    pen.lineWidth = 4;
    pen.strokeStyle = '#fff';
    pen.strokeText(text, x, y);
    pen.fillStyle = colour;
    pen.fillText(text, x, y);
  }

  function disc(at, radius, colour) {
    pen.beginPath();
    pen.arc(...at, radius, 0, 7);
    pen.fillStyle = colour;
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = '#fff';
    pen.stroke();
  }

  function tap(x, y) {
    const far = ({ at }) => Math.hypot(screen(at)[0] - x, screen(at)[1] - y);
    const nearest = [...stops].sort((one, other) => far(one) - far(other))[0];
    if (nearest && far(nearest) < 26) open(nearest.stop);
  }

  gestures(canvas, { pan, zoom, tap });
  new ResizeObserver(() => (free ? draw() : fit(map.whole))).observe(canvas);
  return map;
}

const font = (size) => `700 ${size}px system-ui, sans-serif`;
const lonlat = ({ longitude, latitude }) => [longitude, latitude];

/** The piece of a line within the view (Liang and Barsky, 1984). */
function clip([x, y], [toX, toY], width, height) {
  const [dx, dy] = [toX - x, toY - y];
  let [enter, leave] = [0, 1];
  for (const [along, room] of [[-dx, x], [dx, width - x], [-dy, y], [dy, height - y]]) {
    if (along === 0 && room < 0) return null;
    if (along < 0) enter = Math.max(enter, room / along);
    if (along > 0) leave = Math.min(leave, room / along);
  }
  if (enter >= leave) return null;
  const half = (enter + leave) / 2;
  return { middle: [x + half * dx, y + half * dy], angle: Math.atan2(dy, dx), length: Math.hypot(dx, dy) * (leave - enter) };
}

/** One finger moves, two zoom, a tap opens. */
function gestures(canvas, { pan, zoom, tap }) {
  const fingers = new Map();
  let still = null;
  const listen = (event, work) => canvas.addEventListener(event, (at) => {
    const { left, top } = canvas.getBoundingClientRect();
    work(at, [at.clientX - left, at.clientY - top]);
  });
  listen('pointerdown', ({ pointerId }, at) => {
    canvas.setPointerCapture(pointerId);
    fingers.set(pointerId, at);
    still = fingers.size === 1 && at;
  });
  listen('pointermove', ({ pointerId }, at) => {
    const before = fingers.get(pointerId);
    if (!before || (still && Math.hypot(at[0] - still[0], at[1] - still[1]) < 8)) return;
    still = null;
    fingers.set(pointerId, at);
    const other = [...fingers].find(([id]) => id !== pointerId)?.[1];
    if (!other) return pan(at[0] - before[0], at[1] - before[1]);
    const apart = ([x, y]) => Math.max(10, Math.hypot(x - other[0], y - other[1]));
    zoom(apart(at) / apart(before), (at[0] + other[0]) / 2, (at[1] + other[1]) / 2);
  });
  listen('pointerup', ({ pointerId }) => {
    fingers.delete(pointerId);
    if (still) tap(...still);
    still = null;
  });
  listen('pointercancel', ({ pointerId }) => fingers.delete(pointerId));
}
