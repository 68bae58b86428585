// The JavaScript client node-zookeeper-client, as one program: node_client.js HOSTS SESSION_MS PASSAGE. It prints
// "strike" where the servers shall be killed and started again, "away" and "back" where PASSAGE (one server's address)
// shall be cut and mended, and waits for a line when it wants that to be over. What it finds is "ok NAME" lines; the
// first thing that is wrong ends it with 1. The client has no recipes: those here are ZooKeeper's own.
'use strict';

const readline = require('readline');
const zookeeper = require('node-zookeeper-client');

const {ACL, CreateMode, Event, Exception, Id, Permission, State} = zookeeper;
const PATIENCE_MS = 30000;
const [hosts, sessionMs, passage] = process.argv.slice(2);
const lines = readline.createInterface({input: process.stdin});

function check(fact, ...what) {
  if (!fact) throw new Error(what.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(' '));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(holds, what) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!await holds()) {
    check(Date.now() < deadline, 'never came:', what);
    await pause(5);
  }
}

function sayAndWait(word) {
  const over = new Promise((resolve) => lines.once('line', resolve));
  console.log(word);
  return over;
}

const isCutOff = (error) => error.getCode && error.getCode() === Exception.CONNECTION_LOSS;
const is = (error, code) => error.getCode !== undefined && error.getCode() === code;
const bytes = (value) => Buffer.from(String(value));

// A client whose requests are promises.
class Client {
  constructor(options = {}, where = hosts) {
    this.zk = zookeeper.createClient(where, {sessionTimeout: Number(sessionMs), spinDelay: 50, retries: 0, ...options});
    this.expired = false;
    this.zk.on('expired', () => { this.expired = true; });
    this.zk.connect();
  }

  static async connected(options, where) {
    const client = new Client(options, where);
    await client.here();
    return client;
  }

  isHere() { return this.zk.getState() === State.SYNC_CONNECTED; }
  here() { return until(() => this.isHere(), 'a connection'); }
  session() { return this.zk.getSessionId().toString('hex'); }

  // The first of what the callback is given; a watcher comes last among the arguments.
  ask(method, ...args) {
    return new Promise((resolve, reject) => {
      this.zk[method](...args, (error, ...results) => (error ? reject(error) : resolve(results[0])));
    });
  }

  stat(path) { return this.ask('exists', path); }

  // Asks again until a strike no longer cuts the request off.
  async atLast(method, ...args) {
    for (const deadline = Date.now() + PATIENCE_MS; ; await pause(5)) {
      try {
        return await this.ask(method, ...args);
      } catch (error) {
        if (!isCutOff(error) || Date.now() > deadline) throw error;
      }
    }
  }

  async refused(code, method, ...args) {
    try {
      await this.atLast(method, ...args);
    } catch (error) {
      check(is(error, code), method, args[0], error.message);
      return;
    }
    check(false, method, args[0], 'was not refused');
  }

  // This client has no sync: behind a write of its own it sees all that was committed before.
  sync() { return this.atLast('setData', '/', bytes('')); }

  // What a change brings about, whether or not the change itself was carried out before a strike cut off its answer.
  async make(code, method, ...args) {
    try {
      return await this.atLast(method, ...args);
    } catch (error) {
      if (!is(error, code)) throw error;
      return undefined;
    }
  }

  commit(...operations) {
    const transaction = this.zk.transaction();
    for (const [method, ...args] of operations) transaction[method](...args);
    return new Promise((resolve, reject) => {
      transaction.commit((error, results) => (error ? reject(Object.assign(error, {results})) : resolve(results)));
    });
  }

  async close() {
    this.zk.close();
    await until(() => !this.isHere(), 'the end of a connection');
  }
}

// A watcher, and the promise of its one event.
function watcher() {
  let call;
  const told = new Promise((resolve) => { call = resolve; });
  return {call, told};
}

async function told(watch, type, path) {
  const event = await Promise.race([watch.told, pause(PATIENCE_MS)]);
  check(event && event.getType() === type && event.getPath() === path, 'told', event, 'of', path);
}

async function isSilent(watch) { return await Promise.race([watch.told, pause(0).then(() => undefined)]) === undefined; }

const sequence = (name) => name.slice(-10);
const byNumber = (names) => names.sort((a, b) => (sequence(a) < sequence(b) ? -1 : 1));

// Runs the work of all clients, with a strike once the counter has moved, until it has moved again.
async function underStrike(counter, work) {
  const state = {stop: false, failed: undefined};
  const running = work.map((one) => one(state).catch((error) => { state.failed = error; }));
  for (const round of [0, 1]) {
    const goal = counter.count + 20;
    await until(() => counter.count >= goal || state.failed, 'progress');
    if (state.failed) throw state.failed;
    if (round === 0) await sayAndWait('strike');
  }
  state.stop = true;
  await Promise.all(running);
  if (state.failed) throw state.failed;
}

async function operations([client]) {
  check(await client.ask('create', '/node', bytes('1')) === '/node');
  await client.refused(Exception.NODE_EXISTS, 'create', '/node');
  await client.refused(Exception.NO_NODE, 'create', '/none/x');
  const stat = await client.ask('setData', '/node', bytes('22'), 0);
  check(stat.version === 1 && stat.dataLength === 2, stat);
  await client.refused(Exception.BAD_VERSION, 'setData', '/node', bytes(''), 0);
  check(await client.ask('create', '/node/s-', CreateMode.PERSISTENT_SEQUENTIAL) === '/node/s-0000000000');
  check(await client.ask('create', '/node/e-', CreateMode.EPHEMERAL_SEQUENTIAL) === '/node/e-0000000001');
  await client.refused(Exception.NO_CHILDREN_FOR_EPHEMERALS, 'create', '/node/e-0000000001/x');
  await client.refused(Exception.NOT_EMPTY, 'remove', '/node');
  check((await client.ask('getChildren', '/node')).sort().join() === 'e-0000000001,s-0000000000');
  check(await client.stat('/none') === null);
  check((await client.ask('getData', '/node')).toString() === '22');
  check(await client.ask('mkdirp', '/a/b/c') === '/a/b/c');
  const big = Buffer.alloc(1000000, 'x');
  await client.ask('create', '/big', big);
  check(big.equals(await client.ask('getData', '/big')), 'much data');
  await client.ask('remove', '/a/b/c', 0);
  check(await client.stat('/a/b/c') === null);
}

// Names by client and attempt, so that what a strike cut off is found again.
async function acquire(client, name) {
  let path;
  while (path === undefined) {
    try {
      path = await client.ask('create', `/lock/${name}-`, CreateMode.EPHEMERAL_SEQUENTIAL);
    } catch (error) {
      if (!isCutOff(error)) throw error;
      await client.sync();
      const mine = (await client.atLast('getChildren', '/lock')).find((other) => other.startsWith(`${name}-`));
      if (mine !== undefined) path = `/lock/${mine}`;
    }
  }
  for (;;) {
    const names = byNumber(await client.atLast('getChildren', '/lock'));
    const place = names.indexOf(path.slice('/lock/'.length));
    check(place >= 0, 'a live session has lost', path);
    if (place === 0) return path;
    const watch = watcher();
    if (await client.atLast('exists', `/lock/${names[place - 1]}`, watch.call) !== null) await watch.told;
  }
}

async function locks(clients) {
  await clients[0].ask('create', '/lock');
  const sections = {count: 0};
  let inside = 0;
  await underStrike(sections, clients.map((client, number) => async (state) => {
    await client.sync();
    for (let attempt = 0; !state.stop; ++attempt) {
      const path = await acquire(client, `${number}-${attempt}`);
      check(++inside === 1, 'two inside');
      await pause(0);
      --inside;
      ++sections.count;
      await client.make(Exception.NO_NODE, 'remove', path);
    }
  }));
  await clients[0].sync();
  check((await clients[0].ask('getChildren', '/lock')).length === 0, 'a lock is left');
}

async function elections(clients) {
  await clients[0].ask('create', '/election');
  const paths = [];
  const gone = [];
  for (const client of clients) {
    await client.sync();
    const before = paths[paths.length - 1];
    paths.push(await client.ask('create', '/election/n-', CreateMode.EPHEMERAL_SEQUENTIAL));
    gone.push(watcher());
    if (before) check(await client.ask('exists', before, gone[gone.length - 1].call), 'the one before');
  }
  await sayAndWait('strike');
  for (const [i, client] of clients.entries()) {
    const stat = await client.atLast('exists', paths[i]);
    check(stat && stat.ephemeralOwner.toString('hex') === client.session(), 'a candidate is gone', paths[i]);
  }
  for (let i = 0; i + 1 < clients.length; ++i) {
    check(await isSilent(gone[i + 1]), 'two lead');
    await clients[i].atLast('remove', paths[i]);
    await told(gone[i + 1], Event.NODE_DELETED, paths[i]);
  }
  await clients[clients.length - 1].ask('remove', paths[paths.length - 1]);
}

// Keeps cache[path] as the znode is, by watches alone.
async function follow(reader, path, cache, state) {
  while (!state.ended) {
    const watch = watcher();
    try {
      cache[path] = String(await reader.ask('getData', path, watch.call));
    } catch (error) {
      if (!is(error, Exception.NO_NODE)) {
        if (!isCutOff(error)) throw error;
        await pause(5);
        continue;
      }
      delete cache[path];
      if (await reader.atLast('exists', path, watch.call) !== null) continue;
    }
    await watch.told;
  }
}

async function followAll(reader, parent, cache, state) {
  const followed = new Set();
  while (!state.ended) {
    const watch = watcher();
    for (const name of await reader.atLast('getChildren', parent, watch.call)) {
      if (followed.has(name)) continue;
      followed.add(name);
      follow(reader, `${parent}/${name}`, cache, state).catch((error) => { state.failed = error; });
    }
    await watch.told;
  }
}

async function caches([writer, reader]) {
  await writer.ask('create', '/cached');
  await reader.sync();
  const cache = {};
  const tree = {};
  const following = {ended: false, failed: undefined};
  followAll(reader, '/cached', cache, following).catch((error) => { following.failed = error; });
  const rounds = {count: 0};
  await underStrike(rounds, [async (state) => {
    for (; !state.stop; ++rounds.count) {
      const path = `/cached/${rounds.count % 7}`;
      await writer.make(Exception.NODE_EXISTS, 'create', path);
      await writer.atLast('setData', path, bytes(rounds.count));
      tree[path] = String(rounds.count);
      if (rounds.count % 5 === 0) {
        const other = `/cached/${(rounds.count + 3) % 7}`;
        await writer.make(Exception.NO_NODE, 'remove', other);
        delete tree[other];
      }
    }
  }]);
  const inOrder = (map) => JSON.stringify(Object.entries(map).sort());
  check(Object.keys(tree).length > 3, tree);
  await until(() => following.failed || inOrder(cache) === inOrder(tree), 'the cache to be as the tree');
  following.ended = true;
  if (following.failed) throw following.failed;
}

// An item is taken by the transaction that notes that it is done: once each, and in order.
async function queues([producer, ...consumers]) {
  for (const path of ['/queue', '/done']) await producer.ask('create', path);
  const taken = {count: 0};
  let put = 0;
  let closed = false;
  const name = (number) => String(number).padStart(6, '0');
  const produce = async (state) => {
    for (; !state.stop; ++put) await producer.make(Exception.NODE_EXISTS, 'create', `/queue/${name(put)}`);
    closed = true;
  };
  const consume = (consumer) => async (state) => {
    await consumer.sync();
    while (!state.failed) {
      const last = closed;
      if (last) await consumer.sync();
      const [first] = (await consumer.atLast('getChildren', '/queue')).sort();
      if (first === undefined) {
        if (last) return;
        await pause(1);
        continue;
      }
      try {
        await consumer.commit(['remove', `/queue/${first}`], ['create', `/done/${first}`]);
        ++taken.count;
      } catch (error) {
        if (!isCutOff(error) && !is(error, Exception.NO_NODE)) throw error;
      }
    }
  };
  await underStrike(taken, [produce, ...consumers.map(consume)]);
  await producer.sync();
  const done = (await producer.ask('getChildren', '/done')).sort();
  check(done.length === put && taken.count <= put, done.length, 'done of', put, 'put');
  let before = '';
  for (const [i, item] of done.entries()) {
    const czxid = (await producer.stat(`/done/${item}`)).czxid.toString('hex');
    check(item === name(i) && czxid > before, 'out of order', item);
    before = czxid;
  }
}

async function transactions(clients) {
  const [client, other] = clients;
  const results = await client.commit(['create', '/multi', bytes('a')], ['create', '/multi/s-', bytes(''),
    CreateMode.PERSISTENT_SEQUENTIAL], ['setData', '/multi', bytes('b')], ['check', '/multi', 1]);
  check(results[1].path === '/multi/s-0000000000' && results[2].stat.version === 1, results);
  await other.sync();
  const failed = await other.commit(['setData', '/multi', bytes('c')], ['remove', '/multi/s-0000000000', 7])
    .then(() => undefined, (error) => error);
  check(failed && is(failed, Exception.BAD_VERSION) && failed.results.length === 2, failed && failed.message);
  check(String(await other.ask('getData', '/multi')) === 'b', 'half of a transaction');
  // Each takes from one account what it gives to the other. The client takes version 0 for none: they start at 1.
  const paths = ['/left', '/right'];
  for (const path of paths) {
    await client.ask('create', path);
    await client.ask('setData', path, bytes(100));
  }
  const read = (who, path) => new Promise((resolve, reject) => {
    who.zk.getData(path, (error, data, stat) => (error ? reject(error) : resolve([Number(String(data)), stat.version])));
  });
  const moved = {count: 0};
  await underStrike(moved, clients.map((who) => async (state) => {
    await who.sync();
    while (!state.stop) {
      try {
        const [left, leftVersion] = await read(who, paths[0]);
        const [right, rightVersion] = await read(who, paths[1]);
        await who.commit(['setData', paths[0], bytes(left - 1), leftVersion],
          ['setData', paths[1], bytes(right + 1), rightVersion]);
        ++moved.count;
      } catch (error) {
        if (!isCutOff(error) && !is(error, Exception.BAD_VERSION)) throw error;
      }
    }
  }));
  for (const who of clients) {
    await who.sync();
    const [left, leftVersion] = await read(who, paths[0]);
    const [right, rightVersion] = await read(who, paths[1]);
    check(left + right === 200 && leftVersion === rightVersion && leftVersion > moved.count, left, right, leftVersion);
  }
}

async function identities([, stranger]) {
  const ann = await Client.connected();
  ann.zk.addAuthInfo('digest', bytes('ann:secret'));
  await ann.ask('create', '/mine', bytes(''), ACL.CREATOR_ALL_ACL);
  const [entry] = await ann.ask('getACL', '/mine');
  check(entry.permission === Permission.ALL && entry.id.scheme === 'digest' && entry.id.id.startsWith('ann:'), entry);
  await stranger.sync();
  await stranger.refused(Exception.NO_AUTH, 'setData', '/mine', bytes('x'));
  await sayAndWait('strike');
  await ann.here();  // what is asked before is sent before the client says who it is
  await ann.atLast('setData', '/mine', bytes('x'));
  await stranger.sync();
  await stranger.refused(Exception.NO_AUTH, 'setData', '/mine', bytes('x'));
  await ann.ask('setACL', '/mine', [new ACL(Permission.READ, new Id('world', 'anyone'))], -1);
  await stranger.sync();
  check(String(await stranger.ask('getData', '/mine')) === 'x', 'everybody reads');
  await ann.close();
}

// What changed while a client was away comes as events of its next connection, and what did not is watched on.
async function watches([other]) {
  for (const path of ['/changed', '/deleted', '/parent', '/same']) await other.ask('create', path);
  const client = await Client.connected({}, passage);
  await client.sync();
  const [changed, deleted, created, parent, same] = [1, 2, 3, 4, 5].map(watcher);
  await client.ask('getData', '/changed', changed.call);
  await client.ask('exists', '/deleted', deleted.call);
  await client.ask('exists', '/created', created.call);
  await client.ask('getChildren', '/parent', parent.call);
  await client.ask('exists', '/same', same.call);
  await sayAndWait('away');
  await until(() => !client.isHere(), 'the client to be away');
  await other.ask('setData', '/changed', bytes('x'));
  await other.ask('remove', '/deleted');
  await other.ask('create', '/created');
  await other.ask('create', '/parent/child');
  await sayAndWait('back');
  await told(changed, Event.NODE_DATA_CHANGED, '/changed');
  await told(deleted, Event.NODE_DELETED, '/deleted');
  await told(created, Event.NODE_CREATED, '/created');
  await told(parent, Event.NODE_CHILDREN_CHANGED, '/parent');
  await client.sync();
  check(await isSilent(same), 'an event of nothing');
  await client.ask('setData', '/same', bytes('x'));
  await told(same, Event.NODE_DATA_CHANGED, '/same');
  await client.close();
}

async function sessions(clients) {
  const ids = clients.map((client) => client.session());
  for (const [i, client] of clients.entries()) await client.ask('create', `/live${i}`, CreateMode.EPHEMERAL);
  await sayAndWait('strike');
  for (const [i, client] of clients.entries()) {
    await client.sync();
    const stat = await client.atLast('exists', `/live${i}`);
    check(stat && stat.ephemeralOwner.toString('hex') === ids[i] && client.session() === ids[i], 'a session was lost');
    check(!client.expired, 'a live session has expired');
  }
  // The same session from elsewhere, closed there while its own client is away: it would come back and take it again.
  const second = clients[1];
  const first = await Client.connected({}, passage);
  await first.ask('create', '/moved', CreateMode.EPHEMERAL);
  await second.sync();
  const gone = watcher();
  check(await second.ask('exists', '/moved', gone.call), 'the ephemeral');
  await sayAndWait('away');
  const twin = await Client.connected({sessionId: first.zk.getSessionId(),
    sessionPassword: first.zk.getSessionPassword()});
  check(twin.session() === first.session(), 'another session');
  await twin.close();
  await told(gone, Event.NODE_DELETED, '/moved');
  await sayAndWait('back');
  await until(() => first.expired, 'word that the session is gone');
  const wrong = second.zk.getSessionPassword();
  wrong[3] ^= 1;
  const thief = new Client({sessionId: second.zk.getSessionId(), sessionPassword: wrong});
  await until(() => thief.expired, 'the refusal');
  check(await second.stat('/live1'), 'a session was stolen');
}

async function chroot([whole]) {
  await whole.ask('mkdirp', '/apps/one');
  const inside = await Client.connected({}, `${hosts}/apps/one`);
  await inside.ask('create', '/x', bytes('inside'));
  await whole.sync();
  check(String(await whole.ask('getData', '/apps/one/x')) === 'inside');
  const gone = watcher();
  check(await inside.ask('exists', '/x', gone.call), '/x');
  await whole.ask('remove', '/apps/one/x');
  await told(gone, Event.NODE_DELETED, '/x');
  await inside.close();
}

async function main() {
  const clients = [];
  for (let i = 0; i < 3; ++i) clients.push(await Client.connected());
  const scenarios = {operations, locks, elections, caches, queues, transactions, identities, watches, chroot, sessions};
  for (const [name, scenario] of Object.entries(scenarios)) {
    await scenario(clients);
    console.log(`ok ${name}`);
  }
}

main().then(() => process.exit(0), (error) => {
  console.log('failed:', error.stack);
  process.exit(1);
});
