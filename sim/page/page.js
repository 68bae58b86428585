// The page of a run, third part: the list, stepping, the frame of the page, keys and mouse.

// --- the list

const ROW = 22;
function refreshList() {
  by('rows').style.height = `${list().length * ROW}px`;
  places = new Map(list().map((e, i) => [e.id, i]));
  fillRows();
}
function fillRows() {
  const box = by('events');
  const all = list();
  const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 8);
  const last = Math.min(all.length, first + Math.ceil(box.clientHeight / ROW) + 16);
  const rows = document.createDocumentFragment();
  for (let i = first; i < last; ++i) {
    const e = all[i];
    const row = document.createElement('div');
    row.className = proofOf.has(e.id) ? 'row proof' : 'row';
    row.id = `row-${e.id}`;
    row.setAttribute('role', 'option');
    row.setAttribute('aria-selected', String(e.id === selected));
    row.setAttribute('aria-setsize', String(all.length));
    row.setAttribute('aria-posinset', String(i + 1));
    row.style.top = `${i * ROW}px`;
    addText(row, 'span', seconds(e.at), 't');
    addText(row, 'span', headline(e) + fateMark(e), e.fate === 'lost' || e.fate === 'torn' ? 'lost' : '');
    if (e.detail) addText(row, 'span', `  ${e.detail}`, 'd');
    row.addEventListener('click', () => select(e.id));
    rows.append(row);
  }
  by('rows').replaceChildren(rows);
  if (selected >= 0) box.setAttribute('aria-activedescendant', `row-${selected}`);
}
function addText(parent, tag, words, name) {
  const node = document.createElement(tag);
  node.textContent = words;
  if (name) node.className = name;
  parent.append(node);
  return node;
}

// --- selecting and stepping

function showDetails() {
  const box = by('details');
  box.replaceChildren();
  if (selected < 0) {
    addText(box, 'p', 'Nothing is selected. The arrow keys step through the events; a click selects one.');
    return;
  }
  const e = events[selected];
  addText(box, 'h2', headline(e), e.fate === 'lost' || e.fate === 'torn' ? 'lost' : '');
  const proof = proofOf.get(e.id);
  if (proof) addText(box, 'p', proof.why, 'why');
  addText(box, 'p', `${seconds(e.at)} s, event ${(places.get(e.id) ?? 0) + 1} of ${list().length}`);
  if (e.detail) addText(box, 'p', e.detail);
  const fate = fateWords(e);
  if (fate) addText(box, 'p', fate, e.fate === 'lost' || e.fate === 'torn' ? 'lost' : '');
  if (e.zxid) {
    const p = addText(box, 'p', `zxid ${e.zxid}: `);
    const button = addText(p, 'button', 'all events that have it');
    button.addEventListener('click', () => { by('search').value = e.zxid; search(); });
  }
}
function select(id) {
  selected = id;
  const e = events[id];
  const place = placeOf(e.at);
  const size = view.to - view.from;
  if (place < view.from + size * 0.03 || place > view.to - size * 0.03) {
    setView(place - size / 2, place + size / 2);
  } else {
    draw();
  }
  const at = places.get(id);
  const box = by('events');
  if (at !== undefined) {
    const top = at * ROW;
    if (top < box.scrollTop + ROW || top > box.scrollTop + box.clientHeight - 2 * ROW) {
      box.scrollTop = top - box.clientHeight / 2;
    }
  }
  fillRows();
  showDetails();
  for (const button of by('proof').querySelectorAll('button')) {
    button.setAttribute('aria-current', String(button.dataset.event === String(id)));
  }
  history.replaceState(null, '', `#event-${id}`);
}
function step(by1) {
  const all = list();
  if (all.length === 0) return;
  let at = places.get(selected);
  if (at === undefined) {
    // From where one looks.
    const middle = timeAt((view.from + view.to) / 2);
    at = all.findIndex((e) => e.at >= (selected >= 0 ? events[selected].at : middle));
    if (at < 0) at = all.length - 1;
    if (by1 > 0) at -= 1;
  }
  select(all[Math.max(0, Math.min(all.length - 1, at + by1))].id);
}

function refilter() {
  const middle = timeAt((view.from + view.to) / 2);
  const share = (view.to - view.from) / lastPlace();
  shown = events.filter(passes);
  makeScale();
  search(true);
  const size = share * lastPlace();
  setView(placeOf(middle) - size / 2, placeOf(middle) + size / 2);
  if (places.has(selected)) by('events').scrollTop = places.get(selected) * ROW - by('events').clientHeight / 2;
  fillRows();
  showDetails();
}
function search(quiet) {
  const words = by('search').value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  found = words.length ? shown.filter((e) => matches(e, words)) : null;
  refreshList();
  if (quiet !== true) showTab('events');
}

// --- the frame of the page

function makeHead() {
  document.title = violated ? `${data.title}: ${data.checker}` : data.title;
  by('title').textContent = data.title;
  by('verdict').textContent = violated ? `${data.checker} was violated at ${seconds(data.violated)} s` :
    'nothing was violated';
  by('verdict').className = violated ? 'bad' : 'good';
  by('summary').textContent = `${data.summary} · ${data.command}`;
  by('window').textContent = data.window;
  by('window').hidden = data.window === '';
  by('violation').hidden = !violated;
  if (!violated) return;
  by('promise').textContent = data.promise;
  // One line for each server and client, where the text is of all of them.
  for (const line of data.text.replace(/;\s*$/, '').split('; ')) addText(by('happened'), 'span', line);
  for (const [id, why] of data.proof) {
    const item = document.createElement('li');
    const button = addText(item, 'button', '');
    addText(button, 'span', String(proofOf.get(id).n), 'n');
    addText(button, 'time', seconds(events[id].at));
    addText(button, 'span', why);
    button.dataset.event = String(id);
    button.addEventListener('click', () => { select(id); });
    by('proof').append(item);
  }
}
function makeFilters() {
  for (const f of FILTERS) {
    const label = document.createElement('label');
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.checked = f.on;
    box.id = `show-${f.id}`;
    box.addEventListener('change', () => { f.on = box.checked; refilter(); });
    label.append(box, f.name);
    if (f.id === 'minor') label.title = minorTip;
    by('filters').append(label);
  }
}
function makeFaults() {
  data.faults.forEach((f) => {
    const item = document.createElement('li');
    const button = addText(item, 'button', '');
    addText(button, 'time', `${seconds(f.at)}`);
    addText(button, 'span', f.applied ? f.text : `${f.text} (it never struck)`, f.applied ? '' : 'idle');
    button.addEventListener('click', () => {
      const size = view.to - view.from;
      setView(placeOf(f.at) - size * 0.3, placeOf(f.at) + size * 0.7);
    });
    by('faults').append(item);
  });
}
function makeLegend() {
  const svg = (inner) => `<svg viewBox="0 0 60 18" aria-hidden="true">${inner}</svg>`;
  const arrow = (c) => svg(`<path d="M3 4 L50 13" stroke="var(--${c})" stroke-width="1.5"/>` +
    `<path d="M52 13.5 l-8 1 l2 -5 z" fill="var(--${c})"/>`);
  const box = (fill, inner = '') => svg(`<rect x="2" y="3" width="56" height="12" ${fill}/>${inner}`);
  const rows = [
    [box('fill="var(--epoch0)"'), 'leads; each epoch has its colour'],
    [box('fill="var(--epoch0)" opacity=".3"'), 'follows and serves, in the colour of its leader'],
    [box('fill="var(--idle)" opacity=".6"'), 'looks for a leader'],
    [svg('<path d="M2 9 H58" stroke="var(--faint)" stroke-dasharray="1 4"/>'), 'is down'],
    [arrow('quorum'), 'message between a leader and a learner'],
    [arrow('election'), 'vote of an election'],
    [arrow('client'), 'request, reply or watch event of a client'],
    [svg('<path d="M3 4 L34 10" stroke="var(--lost)" stroke-width="1.5" stroke-dasharray="5 4"/>' +
      '<path d="M31 6 l8 8 M39 6 l-8 8" stroke="var(--lost)" stroke-width="1.8"/>'),
    'message that never arrived'],
    [svg('<rect x="26" y="5" width="8" height="8" fill="var(--disk)"/>'), 'write that became durable'],
    [svg('<rect x="26" y="5" width="8" height="8" fill="none" stroke="var(--lost)"/>' +
      '<path d="M26 5 l8 8 M34 5 l-8 8" stroke="var(--lost)"/>'), 'write that a crash took'],
    [svg('<rect x="26" y="5" width="8" height="8" fill="none" stroke="var(--lost)"/>' +
      '<path d="M26 13 L34 5 V13 z" fill="var(--lost)"/>'), 'write of which a crash left a part'],
    [svg('<rect x="26" y="5" width="8" height="8" fill="none" stroke="var(--disk)"/>'),
      'write or removal that was never synced'],
    [svg('<path d="M8 5 v8 M52 5 v8" stroke="var(--disk)"/><path d="M8 9 H52" stroke="var(--disk)" ' +
      'stroke-width="2"/>'), 'sync, from the call to its answer; dashed: it never came'],
    [svg('<path d="M30 3 l6 6 l-6 6 l-6 -6 z" fill="var(--ink)"/>'), 'a leader commits'],
    [svg('<path d="M26 4 l9 5 l-9 5 z" fill="var(--good)"/>'), 'a process starts or goes on'],
    [svg('<path d="M26 5 l8 8 M34 5 l-8 8" stroke="var(--lost)" stroke-width="1.8"/>'),
      'a process ends or stands still'],
    [svg('<rect x="6" y="6" width="48" height="6" fill="var(--client)" opacity=".75"/>'),
      'operation of a client, answered well; grey: with an error'],
    [svg('<rect x="6" y="6" width="48" height="6" fill="none" stroke="var(--lost)" ' +
      'stroke-dasharray="4 2"/>'), 'operation whose answer never came'],
    [svg('<circle cx="30" cy="9" r="8" fill="var(--proof)"/>'), 'event that shows the violation'],
    [svg('<path d="M3 14 H20 V9 H40 V4 H58" fill="none" stroke="var(--ink)" stroke-width="2"/>'),
      'txns committed so far; thin: how far each server serves'],
  ];
  // Constant text of this page alone.
  by('legend').innerHTML = rows.map(([icon, words]) => `<div>${icon}<span>${words}</span></div>`).join('') +
    '<p><kbd>←</kbd> <kbd>→</kbd> step · <kbd>n</kbd> <kbd>p</kbd> next and previous proof · ' +
    '<kbd>+</kbd> <kbd>−</kbd> zoom · <kbd>Shift</kbd> with arrows, or drag: move · <kbd>0</kbd> whole run · ' +
    '<kbd>f</kbd> failure</p><p>Unless “true time” is on, silence is drawn shorter than it was: ' +
    'the times above the lanes are exact.</p>';
}
function showTab(name) {
  for (const tab of ['events', 'faults', 'legend']) {
    by(tab).hidden = tab !== name;
    by(`tab-${tab}`).setAttribute('aria-selected', String(tab === name));
  }
  if (name === 'events') fillRows();
}
function stepProof(by1) {
  const ids = [...proofOf.keys()];
  if (ids.length === 0) return;
  const at = ids.indexOf(selected);
  const next = at < 0 ? (by1 > 0 ? 0 : ids.length - 1) : (at + by1 + ids.length) % ids.length;
  select(ids[next]);
}
function pan(share) {
  const size = view.to - view.from;
  setView(view.from + size * share, view.to + size * share);
}

const KEYS = {
  '+': () => zoom(0.6), '=': () => zoom(0.6), '-': () => zoom(1 / 0.6), '0': showAll, f: showFailure,
  n: () => stepProof(1), p: () => stepProof(-1), Home: () => list().length && select(list()[0].id),
  End: () => list().length && select(list()[list().length - 1].id),
  ArrowUp: () => step(-1), ArrowDown: () => step(1),
};
document.addEventListener('keydown', (press) => {
  if (press.target.id === 'search' || press.ctrlKey || press.metaKey || press.altKey) return;
  let does = KEYS[press.key];
  if (press.key === 'ArrowLeft') does = press.shiftKey ? () => pan(-0.3) : () => step(-1);
  if (press.key === 'ArrowRight') does = press.shiftKey ? () => pan(0.3) : () => step(1);
  if (!does) return;
  press.preventDefault();
  does();
});

// --- the mouse

function distance(hit, x, y) {
  if (!hit.segment) {
    return x >= hit.x0 && x <= hit.x1 && y >= hit.y0 && y <= hit.y1 ? 0 : Infinity;
  }
  const dx = hit.x1 - hit.x0;
  const dy = hit.y1 - hit.y0;
  const part = Math.max(0, Math.min(1, ((x - hit.x0) * dx + (y - hit.y0) * dy) / (dx * dx + dy * dy || 1)));
  const away = Math.hypot(x - hit.x0 - part * dx, y - hit.y0 - part * dy);
  return away < 5 ? away + 1 : Infinity;
}
function hitAt(press) {
  let best = null;
  let nearest = Infinity;
  for (const hit of hits) {
    const away = distance(hit, press.offsetX, press.offsetY);
    if (away <= nearest && away < Infinity) { nearest = away; best = hit; }
  }
  return best;
}
function showTip(press) {
  const hit = press.offsetX > GUTTER ? hitAt(press) : null;
  const tip = by('tip');
  tip.hidden = !hit;
  canvas.style.cursor = hit ? 'pointer' : 'crosshair';
  if (!hit) return;
  tip.textContent = hit.fault === undefined ?
    `${headline(events[hit.event])}${fateMark(events[hit.event])}` : data.faults[hit.fault].text;
  tip.style.left = `${Math.max(4, Math.min(press.offsetX + 14, canvas.clientWidth - 300))}px`;
  tip.style.top = `${canvas.offsetTop + press.offsetY + 16}px`;
}
let drag = null;
canvas.addEventListener('pointerdown', (press) => {
  drag = {x: press.offsetX, from: view.from, moved: false};
  canvas.setPointerCapture(press.pointerId);
});
canvas.addEventListener('pointermove', (press) => {
  if (!drag) return showTip(press);
  const by1 = press.offsetX - drag.x;
  if (Math.abs(by1) > 3) drag.moved = true;
  if (!drag.moved) return undefined;
  const size = view.to - view.from;
  const from = drag.from - (by1 / width()) * size;
  return setView(from, from + size);
});
canvas.addEventListener('pointerup', (press) => {
  const hit = drag && !drag.moved ? hitAt(press) : null;
  drag = null;
  if (hit && hit.event !== undefined) select(hit.event);
});
canvas.addEventListener('pointerleave', () => { by('tip').hidden = true; });
canvas.addEventListener('wheel', (turn) => {
  turn.preventDefault();
  if (turn.shiftKey || Math.abs(turn.deltaX) > Math.abs(turn.deltaY)) {
    pan((turn.deltaX || turn.deltaY) / 1500);
  } else {
    zoom(Math.exp(turn.deltaY / 500), turn.offsetX);
  }
}, {passive: false});
function moveByMap(press) {
  const share = (press.offsetX - GUTTER) / (map.clientWidth - GUTTER - 8);
  const size = view.to - view.from;
  const middle = share * lastPlace();
  setView(middle - size / 2, middle + size / 2);
}
map.addEventListener('pointerdown', (press) => {
  map.setPointerCapture(press.pointerId);
  moveByMap(press);
});
map.addEventListener('pointermove', (press) => { if (press.buttons) moveByMap(press); });

// --- begin

function begin() {
  makeHead();
  makeFilters();
  makeFaults();
  makeLegend();
  by('previous').addEventListener('click', () => step(-1));
  by('next').addEventListener('click', () => step(1));
  by('in').addEventListener('click', () => zoom(0.6));
  by('out').addEventListener('click', () => zoom(1 / 0.6));
  by('all').addEventListener('click', showAll);
  by('failure').addEventListener('click', showFailure);
  by('failure').hidden = !violated;
  by('true-time').addEventListener('change', () => {
    const from = timeAt(view.from);
    const to = timeAt(view.to);
    trueTime = by('true-time').checked;
    setView(placeOf(from), placeOf(to));
  });
  by('search').addEventListener('input', search);
  by('events').addEventListener('scroll', fillRows);
  for (const tab of ['events', 'faults', 'legend']) {
    by(`tab-${tab}`).addEventListener('click', () => showTab(tab));
  }
  canvas.style.minHeight = `${naturalHeight()}px`;
  shown = events.filter(passes);
  makeScale();
  refreshList();
  draw();
  showFailure();
  const asked = /^#event-(\d+)$/.exec(location.hash);
  // What was seen when the checker spoke, or the last before.
  const seen = data.proof.filter((p) => events[p[0]].at <= data.violated);
  const last = seen.length ? seen[seen.length - 1][0] : -1;
  if (asked && events[Number(asked[1])]) {
    const place = placeOf(events[Number(asked[1])].at);
    setView(place - 400, place + 400);
    select(Number(asked[1]));
  } else if (last >= 0) select(last);
  else showDetails();
  new ResizeObserver(draw).observe(canvas);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}
begin();
