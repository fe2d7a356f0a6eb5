// The list of doors: fetched, kept, and read together with what was recorded on this phone.

import { detail, json } from './html.js';
import * as store from './store.js';

export const RESULTS = {
  canvassed: 'Talked',
  not_home: 'Not home',
  refused: 'Refused',
  moved: 'Moved away',
  deceased: 'Deceased',
  inaccessible: 'Could not get in',
  language: 'Other language',
  other: 'Other',
};

const request = (path, options) => fetch(`/v1/walks/${path}`, { cache: 'no-store', redirect: 'error', signal: AbortSignal.timeout(25000), ...options });

/** Asks for the list anew. The outcome is "new" with the news, "same", "gone", or "failed" where nothing can be said. */
export async function refresh(token, { etag, list: before }) {
  try {
    const response = await request(token, { headers: before && etag ? { 'if-none-match': etag } : {} });
    if (response.status === 304) return { outcome: 'same' };
    if (response.status === 404 || response.status === 410) return { outcome: 'gone' };
    const list = response.ok && (await response.json());
    // A log-in page of somebody's network is no list.
    if (!Array.isArray(list.stops)) return { outcome: 'failed' };
    // A stop that nobody is left at is not sent any more; on this phone it stays, so that it is seen to be done.
    const there = new Set(list.stops.map(({ stop }) => stop));
    const left = before?.stops.filter(({ stop }) => !there.has(stop)) ?? [];
    list.stops = [...list.stops, ...left.map((stop) => ({ ...stop, households: [] }))].sort((one, other) => one.stop - other.stop);
    const news = { etag: response.headers.get('etag'), list };
    await store.keep(token, news);
    return { outcome: 'new', ...news };
  } catch {
    return { outcome: 'failed' };
  }
}

/** A word to the server about the whole list: claim, return or finish. Answers the turf, or throws what the server says. */
export async function tell(token, what, body = {}) {
  const response = await request(`${token}/${what}`, json(body)).catch(() => null);
  if (!response) throw Object.assign(new Error('There is no signal.'), { signal: false });
  if (!response.ok) throw new Error(await detail(response));
  return (await response.json()).turf;
}

/** The list's stops with the newest result of everybody, and how much is left to do. */
export function facts(list, entries) {
  const struck = new Set(list.struck.map(key));
  const own = entries.filter(({ status }) => status !== 'refused').map(({ entry }) => entry).sort((one, other) => (one.at < other.at ? -1 : 1));
  const newest = new Map(own.filter(({ result }) => result).map((entry) => [key(entry), entry]));
  const met = (person) => {
    const [mine, theirs] = [newest.get(key(person)), person.result];
    return { ...person, key: key(person), result: mine && !(Date.parse(theirs?.at) > Date.parse(mine.at)) ? mine : theirs };
  };
  const stops = list.stops.map((stop) => {
    const households = stop.households
      .map(({ unit, people }) => ({ unit, people: people.filter((person) => !struck.has(key(person))).map(met) }))
      .filter(({ people }) => people.length);
    const people = households.flatMap((household) => household.people);
    const reports = [...stop.reports, ...own.filter((entry) => entry.report && entry.stop === stop.stop)];
    return {
      ...stop,
      households,
      people,
      reports: [...new Map(reports.map((report) => [report.report + Date.parse(report.at), report])).values()],
      done: people.every(({ result }) => result),
      left: households.filter((household) => household.people.some(({ result }) => !result)).length,
    };
  });
  const sum = (value) => stops.reduce((all, stop) => all + value(stop), 0);
  // A household whose people were all struck is a door that is done.
  const doors = Math.max(list.turf.doors, sum(({ households }) => households.length || 1));
  const left = sum((stop) => stop.left);
  return { stops, doors, left, minutes: (list.turf.minutes * left) / (doors || 1) };
}

const key = ({ state, voter_id }) => `${state}/${voter_id}`;

/** The stops with somebody left to visit: those after a stop in walking order, then those before it. */
export function ahead(stops, after) {
  const open = stops.filter(({ done }) => !done);
  return [...open.filter(({ stop }) => stop > after), ...open.filter(({ stop }) => stop <= after)];
}
