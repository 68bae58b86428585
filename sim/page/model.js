'use strict';
// The page of a run, first part: what sim/page/writer.cc wrote, in words, what of it is shown, and
// the scale. model.js, lanes.js and page.js are one script, in this order. No framework, no network.
// Times are microseconds of virtual time.

const data = JSON.parse(document.getElementById('data').textContent);
const by = (id) => document.getElementById(id);

// --- the model

// As PageKind, Fate and BandState in sim/page/model.h.
const KINDS = ['quorum', 'election', 'client', 'other', 'write', 'sync', 'name', 'life', 'fault',
  'state', 'commit', 'serve', 'operation', 'told', 'line'];
const FATES = ['done', 'lost', 'torn', 'kept', 'open', 'refused'];
const STATES = ['down', 'paused', 'recovering', 'looking', 'joining', 'serving', 'winning',
  'leading'];
const STATE_WORDS = {
  down: 'down', paused: 'stands still', recovering: 'recovering', looking: 'looking',
  joining: 'joins', serving: 'follower', winning: 'elected', leading: 'leader',
};
const MESSAGES = new Set(['quorum', 'election', 'client', 'other']);
const DISK = new Set(['write', 'sync', 'name']);

const events = data.events.map((e, id) => ({
  id, kind: KINDS[e[0]], fate: FATES[e[1]], minor: e[2] === 1, lane: e[3], other: e[4], at: e[5],
  until: e[5] + e[6], label: data.texts[e[7]], detail: data.texts[e[8]], zxid: e[9] || '',
}));
const bands = data.bands.map((b) => ({lane: b[0], at: b[1], state: STATES[b[2]], epoch: b[3]}));
const proofOf = new Map(data.proof.map((p, n) => [p[0], {n: n + 1, why: p[1]}]));
const violated = data.checker !== '';

for (let lane = 0; lane < data.lanes.length; ++lane) {
  const own = bands.filter((b) => b.lane === lane);
  own.forEach((b, i) => { b.until = i + 1 < own.length ? own[i + 1].at : data.end; });
}

// Operations that overlap lie in rows of their lane.
const opRows = new Map();
{
  const ends = data.lanes.map(() => []);
  for (const e of events) {
    if (e.kind !== 'operation') continue;
    const rows = ends[e.lane];
    let row = rows.findIndex((end) => end <= e.at);
    if (row < 0) row = rows.length;
    rows[row] = e.until;
    opRows.set(e.id, row % 3);
  }
}

// --- words

const laneName = (lane) => (lane < 0 ? 'all' : data.lanes[lane].name);
const seconds = (us) => (us / 1e6).toFixed(6);
function span(us) {
  if (us < 1000) return `${us} µs`;
  return us < 1e6 ? `${(us / 1000).toFixed(us < 1e4 ? 2 : 1)} ms` : `${(us / 1e6).toFixed(2)} s`;
}
function headline(e) {
  const who = laneName(e.lane);
  if (MESSAGES.has(e.kind)) {
    return `${who} → ${laneName(e.other)}  ${e.label}${e.zxid ? ` ${e.zxid}` : ''}`;
  }
  return e.lane < 0 || e.kind === 'fault' ? e.label : `${who}  ${e.label}`;
}
function fateWords(e) {
  if (MESSAGES.has(e.kind)) {
    if (e.fate === 'done') return `arrives after ${span(e.until - e.at)}`;
    return e.fate === 'lost' ? `never arrives; lost at ${seconds(e.until)} s` :
      'had not arrived when the run ended';
  }
  if (e.kind === 'sync') {
    if (e.fate === 'done') return `done after ${span(e.until - e.at)}`;
    return e.fate === 'lost' ? `never done: a crash at ${seconds(e.until)} s` : 'never done';
  }
  if (e.kind === 'write' || e.kind === 'name') {
    return {
      done: `durable after ${span(e.until - e.at)}`,
      lost: `lost: it was not synced when the crash came at ${seconds(e.until)} s`,
      torn: `torn: the crash at ${seconds(e.until)} s left part of it`,
      kept: `not synced, and there after the crash at ${seconds(e.until)} s all the same`,
      open: 'never synced',
    }[e.fate];
  }
  if (e.kind === 'operation') {
    return {
      done: `answered well after ${span(e.until - e.at)}`,
      refused: `refused after ${span(e.until - e.at)}`,
      lost: 'the connection was lost before the answer',
      open: 'no answer until the end',
    }[e.fate];
  }
  return '';
}
const fateMark = (e) => ({lost: ' ✕ lost', torn: ' torn', open: ' …', kept: ' kept'}[
  DISK.has(e.kind) || MESSAGES.has(e.kind) ? e.fate : ''] || '');

// --- what is shown

const FILTERS = [
  {id: 'quorum', name: 'quorum', on: true, has: (e) => e.kind === 'quorum'},
  {id: 'election', name: 'election', on: true, has: (e) => e.kind === 'election'},
  {id: 'client', name: 'clients', on: !violated || ofClients(),
    has: (e) => ['client', 'other', 'operation', 'told'].includes(e.kind)},
  {id: 'disk', name: 'disks', on: true, has: (e) => DISK.has(e.kind)},
  {id: 'state', name: 'states, faults', on: true,
    has: (e) => ['life', 'fault', 'state', 'commit', 'serve', 'line'].includes(e.kind)},
  {id: 'minor', name: 'small ones too', on: false, has: () => false},
];
const minorTip = 'pings, spare files and the frontier, log lines, what followers serve';
let shown = [];      // events that pass the filters, by time
let found = null;    // of these, what the search finds; null: no search
let places = new Map();  // of events in the list

function ofClients() {
  return /^K-(RESULT|FIFO|SEQ|MONO|SYNC|ATOMIC|SESSION|EPH|NOEXPIRE|WATCH)/.test(data.checker);
}
const filterOn = (id) => FILTERS.find((f) => f.id === id).on;
function passes(e) {
  if (proofOf.has(e.id)) return true;
  if (e.minor && !filterOn('minor')) return false;
  return FILTERS.some((f) => f.on && f.has(e));
}
const list = () => found || shown;
function matches(e, words) {
  const text = `${headline(e)} ${e.detail} ${e.zxid} ${e.kind}`.toLowerCase();
  return words.every((w) => text.includes(w));
}

// --- the scale: from time to places. With "true time" they are the same; otherwise every moment at
// which something is seen to happen gets room, and silence shrinks.

let moments = [];
let rooms = [];
let trueTime = false;

function makeScale() {
  const times = new Set([0, data.end]);
  for (const e of shown) {
    times.add(e.at);
    if (MESSAGES.has(e.kind) || e.kind === 'sync') times.add(e.until);
  }
  moments = [...times].sort((a, b) => a - b);
  rooms = [0];
  for (let i = 1; i < moments.length; ++i) {
    const gap = moments[i] - moments[i - 1];
    rooms.push(rooms[i - 1] + 4 + 6 * Math.log2(1 + gap / 40));
  }
}
// The index of the last entry that is not above the value.
function below(sorted, value) {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sorted[middle] <= value) low = middle; else high = middle - 1;
  }
  return low;
}
function between(from, to, value) {
  if (from.length < 2) return 0;
  const i = Math.min(below(from, value), from.length - 2);
  const part = (value - from[i]) / (from[i + 1] - from[i] || 1);
  return to[i] + part * (to[i + 1] - to[i]);
}
const placeOf = (us) => (trueTime ? us : between(moments, rooms, us));
const timeAt = (place) => (trueTime ? place : between(rooms, moments, place));
const lastPlace = () => (trueTime ? data.end || 1 : rooms[rooms.length - 1] || 1);
