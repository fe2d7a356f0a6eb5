// The outbox: an entry is on the phone's disk before it counts as recorded, and leaves when the server says it has it.

import { json } from './html.js';
import * as store from './store.js';

/** Entries in one request, at most. */
const BATCH = 200;
/** Milliseconds that an entry waits before it is sent, so that a slip can be undone without a trace. */
const HOLD = 5000;
const LONGEST_PAUSE = 60000;
/** A tab that holds the lock this long is asleep; sending twice is harmless, never sending is not. */
const PATIENCE = 60000;

let token, changed, vanished;
let all = [];
let sending = null;
let timer = 0;
let limit = BATCH;
let failures = 0;
/** No request before this moment; nor before the one that the server asked for, even when signal comes back. */
let pause = 0;
let asked = 0;
let lockedSince = 0;
const tabs = new BroadcastChannel('bellwether-walk');

/** Begins with what is kept. `onchange` hears of every change, `ongone` when the server knows the list no more. */
export async function start(of, onchange, ongone) {
  [token, changed, vanished] = [of, onchange, ongone];
  tabs.onmessage = read;
  addEventListener('online', hasten);
  document.addEventListener('visibilitychange', () => (document.hidden ? send(true) : hasten()));
  await read();
  schedule(0);
}

export const entries = () => all;
export const waiting = () => all.filter(({ status }) => status === 'waiting');
export const refused = () => all.filter(({ status }) => status === 'refused');

/** The one sentence about sending; it never says more than the server has confirmed. */
export function summary() {
  const [waits, bad] = [waiting().length, refused().length];
  return (waits ? `${waits} waiting to be sent` : 'All sent') + (bad ? `, ${bad} refused` : '');
}

/** Writes entries to disk, each later than `after` and what is known of its person. Throws where the phone cannot keep them. */
export async function record(parts) {
  const made = parts.map(({ after, ...fields }) => {
    const id = uuid();
    // The newest entry counts, also where the phone's clock was set back since the one before.
    const before = all.filter(({ entry }) => fields.voter_id && entry.voter_id === fields.voter_id).map(({ entry }) => entry.at);
    const last = Math.max(0, ...[after ?? 0, ...before].map((at) => new Date(at).getTime()));
    const at = new Date(Math.max(Date.now(), last + 1)).toISOString();
    return { id, token, status: 'waiting', tries: 0, recorded: Date.now(), entry: { id, at, ...fields } };
  });
  await store.add(made);
  await tell();
  schedule(HOLD);
  return made.map(({ id }) => id);
}

/** Deletes entries that were never sent. Answers whether there were none that only a later entry can replace. */
export async function undo(ids) {
  let clean = true;
  await store.change(ids, ({ status, tries }) => {
    if (status === 'waiting' && !tries) return null;
    clean = false;
  });
  await tell();
  return clean;
}

/** The volunteer has read why these were refused. */
export async function dismiss() {
  await store.change(refused().map(({ id }) => id), () => null);
  await tell();
}

/** Sends everything that can be sent now. Whether it worked is in `waiting()`. */
export async function flush() {
  await sending;
  pause = 0;
  await send(true);
}

/** Tries again at once, for there is reason to hope: signal came back, or the volunteer looks at the page. */
export function hasten() {
  pause = 0;
  schedule(0);
}

/** Sends what waits; `hurry` takes what was recorded a moment ago too. */
function send(hurry = false) {
  sending ??= locked(() => drain(hurry)).finally(() => {
    sending = null;
    if (waiting().length) schedule();
  });
  return sending;
}

/** Without a time given: when the next entry may go. Where there is no signal, the `online` event comes first. */
function schedule(wait = navigator.onLine ? Math.max(1000, Math.min(...waiting().map(ripens)) - Date.now()) : 30000) {
  clearTimeout(timer);
  timer = setTimeout(send, Math.max(wait, pause - Date.now(), asked - Date.now()));
}

const ripens = ({ recorded }) => recorded + HOLD;

/** One tab sends at a time. */
async function locked(work) {
  if (!navigator.locks) return work();
  return navigator.locks.request(`outbox ${token}`, { ifAvailable: true }, (lock) => {
    if (lock) lockedSince = 0;
    else if (Date.now() - (lockedSince ||= Date.now()) < PATIENCE) return;
    return work();
  });
}

async function drain(hurry) {
  await read();
  while (navigator.onLine && Date.now() >= Math.max(pause, asked)) {
    const ripe = waiting().filter((one) => hurry || ripens(one) <= Date.now() || one.recorded > Date.now());
    ripe.sort((one, other) => one.tries - other.tries || one.recorded - other.recorded);
    const batch = await claim(ripe.slice(0, limit));
    if (!batch.length) return;
    await post(batch, hurry);
  }
}

/** Marks entries as tried, after which they can no longer be undone without a trace. */
async function claim(batch) {
  const claimed = [];
  await store.change(batch.map(({ id }) => id), (one) => {
    if (one.status !== 'waiting') return;
    claimed.push(one.entry);
    return { ...one, tries: one.tries + 1 };
  });
  return claimed;
}

async function post(batch, hurry) {
  const request = json({ results: batch });
  let answer;
  try {
    // A hidden page may end before the answer; the request may then outlive it, which browsers allow to 64 kB.
    const keepalive = hurry && request.body.length < 60000;
    const response = await fetch(`/v1/walks/${token}/results`, { ...request, keepalive, redirect: 'error', signal: AbortSignal.timeout(25000) });
    if (!response.ok) return failed(batch, response);
    answer = await response.json();
  } catch {
    return failed(batch);
  }
  // A log-in page of somebody's network answers 200 too.
  const accepted = new Set(answer.accepted);
  const reasons = new Map(answer.refused?.map(({ id, reason }) => [id, reason]));
  const known = ({ id }) => accepted.has(id) || reasons.has(id);
  if (!batch.some(known)) return failed(batch);
  await store.change(batch.filter(known).map(({ id }) => id), (one) =>
    accepted.has(one.id) ? { ...one, status: 'accepted' } : { ...one, status: 'refused', reason: reasons.get(one.id) });
  [failures, limit] = [0, Math.min(BATCH, limit * 2)];
  await tell();
}

function failed(batch, response) {
  pause = Date.now() + Math.min(LONGEST_PAUSE, 1000 * 2 ** failures) * (0.75 + Math.random() / 2);
  failures += 1;
  const after = response?.headers.get('retry-after');
  if (after) asked = Number(after) ? Date.now() + after * 1000 : Date.parse(after) || 0;
  const status = response?.status;
  if (status === 404 || status === 410) vanished();
  // One entry that the server cannot read must not keep the others back: it goes last, in ever smaller batches.
  else if (status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status)) limit = Math.ceil(batch.length / 2);
}

async function read() {
  all = await store.entries(token);
  changed();
}

async function tell() {
  await read();
  tabs.postMessage('changed');
}

/** As randomUUID, which a page without HTTPS has not. */
function uuid() {
  const random = (bits) => crypto.getRandomValues(new Uint8Array(1))[0] & bits;
  return 'xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx'.replace(/[xy]/g, (digit) => (digit === 'x' ? random(15) : 8 + random(3)).toString(16));
}
