// The page of a run, second part: the view and all that is drawn in it.

// --- the view

const canvas = by('lanes');
const map = by('map');
const GUTTER = 96;
const AXIS = 22;
const FAULT_ROW = 15;
const FAULT_ROWS = 5;
const SERVER = 74;
const CLIENT = 40;
const FRONTIER = 92;
let view = {from: 0, to: 1};
let selected = -1;
let hits = [];
let colours = {};
let faultRows = [];
let tops = [];
let frontierTop = 0;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ['paper', 'panel', 'ink', 'soft', 'faint', 'line', 'grid', 'quorum', 'election',
    'client', 'other', 'disk', 'lost', 'proof', 'proof-ink', 'bad', 'good', 'select', 'idle', 'epoch0',
    'epoch1', 'epoch2', 'epoch3']) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
}
const epochColour = (epoch) => colours[`epoch${epoch % 4}`];
// Clients have their lanes when they are shown, or prove something.
const proving = new Set(data.proof.flatMap((p) => [events[p[0]].lane, events[p[0]].other]));
const hasLane = (lane) => lane >= 0 && (data.lanes[lane].server || filterOn('client') || proving.has(lane));
const laneY = (lane) => tops[lane] + (data.lanes[lane].server ? 26 : 14);

// Faults that overlap lie below each other.
function layOut() {
  const ends = [];
  faultRows = data.faults.map((f) => {
    let row = ends.findIndex((end) => end <= f.at);
    if (row < 0) row = ends.length;
    ends[row] = Math.max(f.until, f.at + 1);
    return Math.min(row, FAULT_ROWS - 1);
  });
  const rows = Math.min(FAULT_ROWS, Math.max(1, ends.length));
  let y = AXIS + rows * FAULT_ROW + 8;
  const used = [AXIS + rows * FAULT_ROW + 8];
  const servers = data.lanes.filter((l) => l.server).length;
  const clients = data.lanes.filter((l, i) => hasLane(i)).length - servers;
  const room = canvas.clientHeight - used[0] - FRONTIER - 8;
  const natural = servers * SERVER + clients * CLIENT;
  const stretch = Math.max(1, Math.min(1.8, room / natural));
  tops = [];
  data.lanes.forEach((lane, i) => {
    tops.push(y);
    if (hasLane(i)) y += (lane.server ? SERVER : CLIENT) * stretch;
  });
  frontierTop = y + 8;
}
const naturalHeight = () => {
  const servers = data.lanes.filter((l) => l.server).length;
  return AXIS + FAULT_ROWS * FAULT_ROW + 24 + servers * SERVER + (data.lanes.length - servers) * CLIENT + FRONTIER;
};

const width = () => canvas.clientWidth - GUTTER - 8;
const xOfPlace = (place) => GUTTER + ((place - view.from) / (view.to - view.from)) * width();
const xOf = (us) => xOfPlace(placeOf(us));
const placeAtX = (x) => view.from + ((x - GUTTER) / width()) * (view.to - view.from);

function setView(from, to) {
  const last = lastPlace();
  const least = trueTime ? 20 : 30;
  let size = Math.min(Math.max(to - from, least), last * 1.02);
  let start = Math.max(-last * 0.01, Math.min(from, last * 1.01 - size));
  view = {from: start, to: start + size};
  draw();
}
function zoom(factor, x) {
  // Around the pointer, or what is selected when it is to be seen.
  const chosen = selected >= 0 ? placeOf(events[selected].at) : NaN;
  const seen = chosen >= view.from && chosen <= view.to;
  const middle = x === undefined ? (seen ? chosen : placeAtX(GUTTER + width() / 2)) : placeAtX(x);
  setView(middle - (middle - view.from) * factor, middle + (view.to - middle) * factor);
}
function showAll() { setView(-lastPlace() * 0.01, lastPlace() * 1.01); }
function showFailure() {
  if (!violated) return showAll();
  const at = data.proof.length ? data.proof.map((p) => events[p[0]].at) : [data.violated];
  // From the first proof on, when that is not too far; the last ones in any case.
  const last = Math.max(...at.map(placeOf));
  const widest = trueTime ? 4e5 : width() * 1.6;
  const near = at.map(placeOf).filter((p) => p >= last - widest);
  const first = Math.min(...near);
  const pad = Math.max((last - first) * 0.08, trueTime ? 400 : 60);
  setView(first - pad, last + pad);
}

// --- drawing

let pen = null;
function line(x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}
function text(words, x, y, colour, options = {}) {
  pen.font = `${options.bold ? '600 ' : ''}${options.size || 11}px system-ui, "DejaVu Sans", sans-serif`;
  pen.fillStyle = colour;
  pen.textAlign = options.align || 'left';
  pen.textBaseline = options.baseline || 'middle';
  pen.fillText(words, x, y);
}
function textIn(words, x0, x1, y, colour, options = {}) {
  const from = Math.max(x0, GUTTER) + 4;
  const room = Math.min(x1, canvas.clientWidth) - from - 4;
  if (room < 22) return;
  pen.font = `${options.bold ? '600 ' : ''}${options.size || 11}px system-ui, "DejaVu Sans", sans-serif`;
  let shownWords = words;
  while (shownWords.length > 2 && pen.measureText(shownWords).width > room) {
    shownWords = shownWords.slice(0, shownWords.endsWith('…') ? -2 : -1) + '…';
  }
  if (shownWords.length > 2 || words.length <= 2) text(shownWords, from, y, colour, options);
}
function prepare(target) {
  const ratio = window.devicePixelRatio || 1;
  const w = target.clientWidth;
  const h = target.clientHeight;
  if (target.width !== Math.round(w * ratio) || target.height !== Math.round(h * ratio)) {
    target.width = Math.round(w * ratio);
    target.height = Math.round(h * ratio);
  }
  pen = target.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, w, h);
}
function hatch(x0, x1, y, h, colour) {
  pen.save();
  pen.beginPath();
  pen.rect(x0, y, x1 - x0, h);
  pen.clip();
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  const first = Math.max(x0, GUTTER) - h;
  const last = Math.min(x1, canvas.clientWidth);
  for (let x = first - (first % 6); x < last; x += 6) line(x, y + h, x + h, y);
  pen.restore();
}

function drawBand(b, x0, x1, y, h, words) {
  const colour = epochColour(b.epoch);
  const w = Math.max(x1 - x0, 0.7);
  if (b.state === 'down') {
    pen.strokeStyle = colours.faint;
    pen.lineWidth = 1;
    pen.setLineDash([1, 4]);
    line(x0, y + h / 2, x1, y + h / 2);
    pen.setLineDash([]);
  } else if (b.state === 'paused' || b.state === 'recovering' || b.state === 'looking') {
    pen.fillStyle = colours.idle;
    pen.globalAlpha = b.state === 'looking' ? 0.55 : 0.25;
    pen.fillRect(x0, y, w, h);
    pen.globalAlpha = 1;
    if (b.state !== 'looking') hatch(x0, x1, y, h, colours.idle);
  } else {
    const strong = b.state === 'leading' || b.state === 'winning';
    pen.fillStyle = colour;
    pen.globalAlpha = b.state === 'leading' ? 1 : b.state === 'winning' ? 0.55 : b.state === 'serving' ?
      0.3 : 0.14;
    pen.fillRect(x0, y, w, h);
    pen.globalAlpha = 1;
    if (!strong && b.state === 'joining') hatch(x0, x1, y, h, colour);
  }
  if (!words) return;
  const epoch = b.epoch ? `, epoch ${b.epoch}` : '';
  textIn(STATE_WORDS[b.state] + epoch, x0, x1, y + h / 2 + 0.5,
    b.state === 'leading' ? '#ffffff' : b.state === 'down' ? colours.faint : colours.ink,
    {bold: b.state === 'leading'});
}

function drawAxis(w, h) {
  const places = [];
  for (let x = GUTTER + 50; x < w - 40; x += 130) places.push(x);
  const near = timeAt(placeAtX(w)) - timeAt(placeAtX(GUTTER));
  const digits = near < 3e4 ? 6 : near < 3e6 ? 4 : 2;
  for (const x of places) {
    pen.strokeStyle = colours.grid;
    pen.lineWidth = 1;
    line(x, AXIS - 4, x, h);
    text(`${(timeAt(placeAtX(x)) / 1e6).toFixed(digits)} s`, x, AXIS / 2, colours.soft, {align: 'center'});
  }
}

function drawFaults(w) {
  text('faults', 12, AXIS + FAULT_ROW / 2, colours.soft);
  data.faults.forEach((f, i) => {
    const x0 = xOf(f.at);
    const x1 = Math.max(xOf(Math.min(f.until, data.end)), x0 + 3);
    if (x1 < GUTTER || x0 > w) return;
    const y = AXIS + faultRows[i] * FAULT_ROW + 1;
    pen.fillStyle = f.applied ? colours.lost : colours.faint;
    pen.globalAlpha = f.applied ? 0.16 : 0.12;
    pen.fillRect(x0, y, x1 - x0, FAULT_ROW - 2);
    pen.globalAlpha = 1;
    pen.fillRect(x0, y, 2, FAULT_ROW - 2);
    const next = data.faults.reduce((x, g, j) => (faultRows[j] === faultRows[i] && g.at > f.at ?
      Math.min(x, xOf(g.at)) : x), w);
    textIn(f.text, x0, next - 4, y + FAULT_ROW / 2 - 0.5,
      f.applied ? colours.ink : colours.faint, {size: 10.5});
    hits.push({x0, x1: Math.max(x1, x0 + 8), y0: y, y1: y + FAULT_ROW, fault: i});
  });
  if (data.healed >= 0) {
    const x = xOf(data.healed);
    if (x > GUTTER && x < w) {
      pen.strokeStyle = colours.good;
      pen.lineWidth = 1;
      pen.setLineDash([2, 3]);
      line(x, AXIS, x, frontierTop + FRONTIER);
      pen.setLineDash([]);
    }
  }
}

function drawLanes(w) {
  data.lanes.forEach((lane, i) => {
    const y = laneY(i);
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1;
    if (!lane.server && hasLane(i)) line(GUTTER, y, w, y);
  });
  for (const b of bands) {
    if (b.lane >= data.lanes.length || !data.lanes[b.lane].server) continue;
    const x0 = Math.max(xOf(b.at), GUTTER - 2);
    const x1 = Math.min(xOf(b.until), w + 2);
    if (x1 < GUTTER || x0 > w || x1 <= x0) continue;
    drawBand(b, x0, x1, laneY(b.lane) - 9, 18, true);
  }
}

function drawNames(h) {
  pen.fillStyle = colours.paper;
  pen.fillRect(0, AXIS, GUTTER - 2, h - AXIS);
  text('faults', 12, AXIS + FAULT_ROW / 2, colours.soft);
  data.lanes.forEach((lane, i) => {
    if (!hasLane(i)) return;
    text(lane.name, 12, laneY(i), colours.ink, {size: 14, bold: true});
    pen.font = '10.5px system-ui, sans-serif';
    let what = lane.what;
    while (what.length > 3 && pen.measureText(what).width > GUTTER - 42) what = `${what.slice(0, -2)}…`;
    text(what, 36, laneY(i) + 1, colours.soft, {size: 10.5});
  });
  text('txns', 12, frontierTop + 10, colours.ink, {bold: true});
  text('committed', 12, frontierTop + 26, colours.soft, {size: 10.5});
  text('and served', 12, frontierTop + 39, colours.soft, {size: 10.5});
}

const strokeOf = (e) => (e.fate === 'lost' ? colours.lost : colours[e.kind]);
// Messages that leave and arrive together are one line, by their first.
function groupsOf(visible) {
  const groups = new Map();
  for (const e of visible) {
    if (!MESSAGES.has(e.kind)) continue;
    const key = `${e.lane} ${e.other} ${e.at} ${e.until} ${e.fate}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(e);
  }
  return [...groups.values()];
}
function groupWords(group) {
  const names = new Map();
  for (const e of group) names.set(e.label, (names.get(e.label) || []).concat(e.zxid || []));
  return [...names].slice(0, 3).map(([name, zxids]) => {
    const some = [...new Set(zxids)];
    const which = some.length === 0 ? '' : some.length === 1 ? ` ${some[0]}` :
      ` ${some[0]} … ${some[some.length - 1]}`;
    return name + which;
  }).join(', ') + (names.size > 3 ? ' …' : '');
}
function drawMessage(e, x0, x1, alpha, labelled, words) {
  const y0 = laneY(e.lane);
  const y1 = laneY(e.other);
  const lost = e.fate !== 'done';
  const part = lost ? 0.62 : 1;  // what is lost ends on the way
  const yEnd = y0 + (y1 - y0) * part;
  const strong = e.id === selected || proofOf.has(e.id);
  pen.globalAlpha = strong ? 1 : alpha;
  pen.strokeStyle = pen.fillStyle = strokeOf(e);
  pen.lineWidth = strong ? 2 : 1.1;
  if (lost) pen.setLineDash([5, 4]);
  line(x0, y0, x1, yEnd);
  pen.setLineDash([]);
  if (lost) {
    pen.lineWidth = 1.8;
    line(x1 - 4, yEnd - 4, x1 + 4, yEnd + 4);
    line(x1 - 4, yEnd + 4, x1 + 4, yEnd - 4);
  } else if (strong || alpha > 0.5) {
    const angle = Math.atan2(yEnd - y0, x1 - x0);
    pen.beginPath();
    pen.moveTo(x1, yEnd);
    pen.lineTo(x1 - 7 * Math.cos(angle - 0.4), yEnd - 7 * Math.sin(angle - 0.4));
    pen.lineTo(x1 - 7 * Math.cos(angle + 0.4), yEnd - 7 * Math.sin(angle + 0.4));
    pen.fill();
  }
  pen.globalAlpha = 1;
  hits.push({x0, y0, x1, y1: yEnd, event: e.id, segment: true});
  if (!labelled && !strong) return null;
  // The words lie at the sender's end, where a lane's messages are apart.
  const at = 0.3;
  return {words: words || e.label + (e.zxid ? ` ${e.zxid}` : ''), x: x0 + (x1 - x0) * at + 3,
    y: y0 + (yEnd - y0) * at, colour: strokeOf(e), strong};
}

function drawWrite(e, x) {
  const y = laneY(e.lane) + 15;
  const size = 7;
  pen.lineWidth = 1.3;
  pen.strokeStyle = pen.fillStyle = e.fate === 'lost' || e.fate === 'torn' ? colours.lost : colours.disk;
  pen.beginPath();
  pen.rect(x - size / 2, y, size, size);
  if (e.fate === 'done' || e.fate === 'kept') pen.fill(); else pen.stroke();
  if (e.fate === 'torn') {
    pen.beginPath();
    pen.moveTo(x - size / 2, y + size);
    pen.lineTo(x + size / 2, y);
    pen.lineTo(x + size / 2, y + size);
    pen.fill();
  } else if (e.fate === 'lost') {
    line(x - size / 2, y, x + size / 2, y + size);
    line(x - size / 2, y + size, x + size / 2, y);
  }
  hits.push({x0: x - 5, x1: x + 5, y0: y - 2, y1: y + size + 3, event: e.id});
  return {words: e.label, x: x + 6, y: y + 4, colour: e.fate === 'lost' || e.fate === 'torn' ?
    colours.lost : colours.disk, strong: false};
}

function drawSync(e, x0, x1) {
  const y = laneY(e.lane) + 28;
  pen.strokeStyle = e.fate === 'done' ? colours.disk : colours.lost;
  pen.lineWidth = e.minor ? 1 : 2;
  if (e.fate !== 'done') pen.setLineDash([4, 3]);
  line(x0, y, Math.max(x1, x0 + 1), y);
  pen.setLineDash([]);
  pen.lineWidth = 1.3;
  line(x0, y - 3, x0, y + 3);
  if (e.fate === 'done') line(x1, y - 3, x1, y + 3);
  hits.push({x0: x0 - 2, x1: Math.max(x1, x0 + 4), y0: y - 5, y1: y + 5, event: e.id});
  return {words: e.label, x: x0 + 4, y: y + 8, colour: pen.strokeStyle, strong: false, within: x1};
}

function drawOperation(e, x0, x1) {
  const y = laneY(e.lane) - 9 + opRows.get(e.id) * 7;
  const end = Math.max(x1, x0 + 3);
  pen.fillStyle = pen.strokeStyle = {done: colours.client, refused: colours.soft, lost: colours.lost,
    open: colours.lost}[e.fate];
  pen.globalAlpha = e.fate === 'done' ? 0.75 : 0.55;
  if (e.fate === 'lost' || e.fate === 'open') {
    pen.lineWidth = 1.2;
    pen.setLineDash([4, 2]);
    pen.strokeRect(x0, y, end - x0, 5);
    pen.setLineDash([]);
  } else {
    pen.fillRect(x0, y, end - x0, 5);
  }
  pen.globalAlpha = 1;
  hits.push({x0: x0 - 1, x1: end + 1, y0: y - 1, y1: y + 6, event: e.id});
  return {words: e.label, x: x0, y: laneY(e.lane) + 18, colour: colours.client, strong: false,
    lane: e.lane};
}

// Lives, states, commits: small marks on the lane.
function drawMark(e, x) {
  if (e.lane < 0) return null;
  const y = laneY(e.lane) + (data.lanes[e.lane].server ? -15 : 0);
  const starts = ['starts', 'goes on', 'disk answers again'].includes(e.label);
  pen.lineWidth = 1.6;
  if (e.kind === 'life') {
    pen.strokeStyle = pen.fillStyle = starts ? colours.good : colours.lost;
    if (starts) {
      pen.beginPath();
      pen.moveTo(x - 4, y - 5);
      pen.lineTo(x + 4, y);
      pen.lineTo(x - 4, y + 5);
      pen.fill();
    } else {
      line(x - 4, y - 5, x + 4, y + 3);
      line(x - 4, y + 3, x + 4, y - 5);
    }
  } else if (e.kind === 'commit') {
    pen.fillStyle = colours.ink;
    pen.beginPath();
    pen.moveTo(x, y - 5);
    pen.lineTo(x + 5, y);
    pen.lineTo(x, y + 5);
    pen.lineTo(x - 5, y);
    pen.fill();
  } else {
    pen.fillStyle = e.kind === 'told' ? colours.client : e.kind === 'fault' ? colours.lost : colours.soft;
    pen.beginPath();
    pen.arc(x, y, 3, 0, 7);
    pen.fill();
  }
  hits.push({x0: x - 6, x1: x + 6, y0: y - 6, y1: y + 6, event: e.id});
  const colour = e.kind === 'life' && !starts ? colours.lost : colours.soft;
  return {words: e.label, x: x + 7, y: y - 1, colour, strong: false};
}

// Words that would lie on others are left out; those that prove something come first.
function drawWords(all) {
  const taken = [];
  const free = (x0, x1, y0, y1) => taken.every((t) => x1 < t[0] || x0 > t[1] || y1 < t[2] || y0 > t[3]);
  all.sort((a, b) => b.strong - a.strong);
  for (const w of all) {
    pen.font = `${w.strong ? '600 ' : ''}10.5px system-ui, "DejaVu Sans", sans-serif`;
    const wide = pen.measureText(w.words).width;
    if (w.x + wide > canvas.clientWidth || w.x < GUTTER) continue;
    if (!free(w.x - 2, w.x + wide + 2, w.y - 6, w.y + 6)) continue;
    taken.push([w.x, w.x + wide, w.y - 6, w.y + 6]);
    pen.strokeStyle = colours.paper;
    pen.lineWidth = 3;
    pen.lineJoin = 'round';
    pen.textAlign = 'left';
    pen.textBaseline = 'middle';
    pen.strokeText(w.words, w.x, w.y);
    text(w.words, w.x, w.y, w.colour, {size: 10.5, bold: w.strong});
  }
}

function positionOf(e) {
  if (!hasLane(e.lane)) return {x: xOf(e.at), y: AXIS + 8};
  const y = laneY(e.lane);
  if (e.kind === 'write' || e.kind === 'name') return {x: xOf(e.at), y: y + 18};
  if (e.kind === 'sync') return {x: xOf(e.at), y: y + 28};
  if (e.kind === 'operation') return {x: xOf(e.at), y: y - 7 + opRows.get(e.id) * 7};
  if (MESSAGES.has(e.kind)) return {x: xOf(e.at), y};
  return {x: xOf(e.at), y: y + (data.lanes[e.lane].server ? -15 : 0)};
}
function drawProof(w) {
  const taken = [];
  for (const [id, proof] of proofOf) {
    const {x, y} = positionOf(events[id]);
    if (x < GUTTER || x > w) continue;
    let cx = x - 10;
    while (taken.some((t) => Math.hypot(t[0] - cx, t[1] - y) < 16)) cx -= 4;
    taken.push([cx, y]);
    pen.fillStyle = colours.proof;
    pen.strokeStyle = colours.paper;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.arc(cx, y, 8, 0, 7);
    pen.fill();
    pen.stroke();
    text(String(proof.n), cx, y + 0.5, colours['proof-ink'], {align: 'center', bold: true, size: 10});
    hits.push({x0: cx - 9, x1: cx + 9, y0: y - 9, y1: y + 9, event: id});
  }
}

function drawSelected(w) {
  if (selected < 0) return;
  const e = events[selected];
  const {x, y} = positionOf(e);
  if (x < GUTTER - 4 || x > w) return;
  pen.strokeStyle = colours.select;
  pen.lineWidth = 1;
  pen.setLineDash([2, 3]);
  line(x, AXIS, x, frontierTop + FRONTIER);
  pen.setLineDash([]);
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(x, y, 9, 0, 7);
  pen.stroke();
}

function drawViolation(w) {
  if (!violated) return;
  const x = xOf(data.violated);
  if (x < GUTTER || x > w + 1) return;
  pen.strokeStyle = colours.bad;
  pen.lineWidth = 2;
  line(x, AXIS - 2, x, frontierTop + FRONTIER);
  pen.font = '600 11px system-ui, "DejaVu Sans", sans-serif';
  const wide = pen.measureText(data.checker).width;
  pen.fillStyle = colours.paper;
  pen.fillRect(x - wide - 12, 0, wide + 14, AXIS - 3);
  text(data.checker, x - 5, AXIS / 2, colours.bad, {align: 'right', bold: true});
}

// --- the frontier: how many txns are committed, and how far each server serves

const zxids = (() => {
  const all = new Set();
  for (const r of data.reaches) for (const z of r.slice(2)) if (z !== '0') all.add(z);
  return [...all].sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
})();
const rankOf = new Map(zxids.map((z, i) => [z, i + 1]));
const rank = (z) => rankOf.get(z) || 0;

function reachesOf(lane, which) {
  return data.reaches.filter((r) => r[0] === lane).map((r) => [r[1], rank(r[which])]);
}
const committed = (() => {
  let most = 0;
  return reachesOf(-1, 4).map(([at, n]) => [at, (most = Math.max(most, n))]);
})();
const served = data.lanes.map((l, i) => (l.server ? reachesOf(i, 4) : []));
const logged = data.lanes.map((l, i) => (l.server ? reachesOf(i, 2) : []));

function stair(points, x0, w, yOf) {
  pen.beginPath();
  let y = null;
  for (const [at, n] of points) {
    const x = Math.max(x0, Math.min(w, xOf(at)));
    if (y !== null) pen.lineTo(x, y);
    y = yOf(n);
    if (y !== null && x === x0) pen.moveTo(x, y); else pen.lineTo(x, y);
    if (x >= w) break;
  }
  if (y !== null) pen.lineTo(Math.min(w, xOf(data.end)), y);
  pen.stroke();
}
function drawFrontier(w) {
  const y0 = frontierTop;
  const y1 = frontierTop + FRONTIER - 8;
  pen.fillStyle = colours.panel;
  pen.fillRect(GUTTER, y0, w - GUTTER, y1 - y0);
  // The ranks that are seen in the view.
  let low = Infinity;
  let high = -Infinity;
  const from = timeAt(view.from);
  const to = timeAt(view.to);
  for (const points of [committed, ...served, ...logged]) {
    for (let i = 0; i < points.length; ++i) {
      const until = i + 1 < points.length ? points[i + 1][0] : data.end;
      if (until < from || points[i][0] > to || points[i][1] === 0) continue;
      low = Math.min(low, points[i][1]);
      high = Math.max(high, points[i][1]);
    }
  }
  if (high < low) return;
  const yOf = (n) => y1 - 6 - (Math.max(n - low, 0) / Math.max(high - low, 1)) * (y1 - y0 - 14);
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, y0, w - GUTTER, y1 - y0);
  pen.clip();
  pen.globalAlpha = 0.55;
  pen.lineWidth = 1;
  served.forEach((points, lane) => {
    pen.strokeStyle = [colours.quorum, colours.client, colours.election, colours.disk, colours.other,
      colours.faint][lane % 6];
    stair(points, GUTTER - 2, w, (n) => yOf(n) + (lane % 5) - 2);
  });
  pen.globalAlpha = 1;
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 2;
  stair(committed, GUTTER - 2, w, yOf);
  pen.restore();
  text(zxids[high - 1], GUTTER + 5, y0 + 9, colours.soft, {size: 10.5});
  text(zxids[low - 1], w - 4, y1 - 8, colours.soft, {align: 'right', size: 10.5});
}

// --- all of it

function inView(e) {
  if (e.lane >= 0 && !hasLane(e.lane)) return false;
  if (e.other >= 0 && !hasLane(e.other)) return false;
  const from = timeAt(view.from);
  const to = timeAt(view.to);
  return e.at <= to && e.until >= from;
}
function draw() {
  readColours();
  prepare(canvas);
  layOut();
  hits = [];
  const w = canvas.clientWidth;
  const h = canvas.clientHeight;
  drawAxis(w, h);
  drawFrontier(w);
  drawLanes(w);
  drawFaults(w);
  const visible = shown.filter(inView);
  const groups = groupsOf(visible);
  const crowd = (groups.length + 0.3 * (visible.length - groups.length)) / Math.max(width(), 1);
  const alpha = Math.max(0.1, Math.min(1, 0.16 / crowd));
  const labelled = crowd < 0.25;
  const words = [];
  const keep = (e, said) => {
    if (!said) return;
    said.strong = said.strong || proofOf.has(e.id) || e.id === selected;
    if (labelled || said.strong) words.push(said);
  };
  for (const group of groups) {
    const x0 = xOf(group[0].at);
    const x1 = xOf(group[0].until);
    const apart = (e) => e.id === selected || proofOf.has(e.id);
    const rest = group.filter((e) => !apart(e));
    if (rest.length) keep(rest[0], drawMessage(rest[0], x0, x1, alpha, labelled, groupWords(rest)));
    for (const e of group.filter(apart)) keep(e, drawMessage(e, x0, x1, alpha, labelled));
  }
  for (const e of visible) {
    if (MESSAGES.has(e.kind)) continue;
    const x0 = xOf(e.at);
    const x1 = xOf(e.until);
    let said = null;
    if (e.kind === 'write' || e.kind === 'name') said = drawWrite(e, x0);
    else if (e.kind === 'sync') said = drawSync(e, x0, x1);
    else if (e.kind === 'operation') said = drawOperation(e, x0, x1);
    else said = drawMark(e, x0);
    keep(e, said);
  }
  drawWords(words);
  drawViolation(w);
  drawSelected(w);
  drawProof(w);
  drawNames(h);
  drawMap();
}

function drawMap() {
  const rows = data.lanes.filter((l) => l.server).length;
  map.style.height = `${rows * 7 + 16}px`;
  prepare(map);
  const w = map.clientWidth;
  const h = map.clientHeight;
  const x = (us) => GUTTER + (placeOf(us) / lastPlace()) * (w - GUTTER - 8);
  text('whole run', 12, h / 2, colours.soft);
  for (const b of bands) {
    if (!data.lanes[b.lane].server) continue;
    drawBand(b, x(b.at), x(b.until), 8 + b.lane * 7, 5, false);
  }
  for (const f of data.faults) {
    if (!f.applied) continue;
    pen.fillStyle = colours.lost;
    pen.fillRect(x(f.at), 1, 1.5, 5);
  }
  if (violated) {
    for (const id of proofOf.keys()) {
      pen.fillStyle = colours.proof;
      pen.fillRect(x(events[id].at) - 1, h - 7, 3, 6);
    }
    pen.fillStyle = colours.bad;
    pen.fillRect(x(data.violated) - 1, 0, 2, h);
  }
  const scale = (w - GUTTER - 8) / lastPlace();
  const x0 = GUTTER + view.from * scale;
  const x1 = GUTTER + view.to * scale;
  pen.fillStyle = colours.ink;
  pen.globalAlpha = 0.07;
  pen.fillRect(x0, 0, x1 - x0, h);
  pen.globalAlpha = 1;
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1.5;
  pen.strokeRect(x0, 0.75, Math.max(x1 - x0, 3), h - 1.5);
}
