/* ZooKeeper's recipes with the C client, which Debian packs without any: each of the clients has a
 * thread of its own, and goes on under a strike. */

#include "c_client.h"

enum { kProgress = 20, kCached = 7 };

typedef struct {
  int number;
  zhandle_t* client;
  Told told;
  int wakes; /* events that have come to wake() */
  int wakes_before;
} Worker;

static int stop, progress, closed, put;
static int tree[kCached]; /* what the writer has written, -1 for nothing */

static int load(const int* number) { return __atomic_load_n(number, __ATOMIC_SEQ_CST); }
static void count(int* number) { __atomic_add_fetch(number, 1, __ATOMIC_SEQ_CST); }
static void set(int* number, int value) { __atomic_store_n(number, value, __ATOMIC_SEQ_CST); }

static int is_reached(void* goal) { return load(&progress) >= *(int*)goal; }

static void under_strike(void* (*work)(void*)) {
  Worker workers[kClients];
  pthread_t threads[kClients];
  memset(workers, 0, sizeof workers);
  set(&stop, 0);
  set(&closed, 0);
  set(&progress, 0);
  for (int i = 0; i < kClients; ++i) {
    workers[i].number = i;
    workers[i].client = connected(hosts, &workers[i].told);
    sync_with(workers[i].client);
    CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
  }
  int goal = kProgress;
  await(is_reached, &goal, "progress");
  say_and_wait("strike");
  goal = load(&progress) + kProgress;
  await(is_reached, &goal, "progress behind the strike");
  set(&stop, 1);
  for (int i = 0; i < kClients; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  for (int i = 0; i < kClients; ++i) {
    CHECK(!workers[i].told.expired);
    EXPECT(ZOK, zookeeper_close(workers[i].client));
  }
}

static void wake(zhandle_t* client, int type, int state, const char* path, void* worker) {
  (void)client, (void)state, (void)path;
  if (type != ZOO_SESSION_EVENT) count(&((Worker*)worker)->wakes);
}

static int is_woken(void* worker) {
  const Worker* one = worker;
  return load(&one->wakes) > one->wakes_before;
}

static int is_answered(void* done) { return load(done) != 0; }

static void sync_at_last(zhandle_t* client) {
  int done;
  do {
    done = 0;
    EXPECT(ZOK, AT_LAST(client, zoo_async(client, "/", synced_by, &done)));
    await(is_answered, &done, "sync");
  } while (done != 1);
}

static void names_at_last(zhandle_t* client, const char* path, struct String_vector* names) {
  EXPECT(ZOK, AT_LAST(client, zoo_get_children(client, path, 0, names)));
}

static const char* number_of(const char* name) { return name + strlen(name) - 10; }

static int by_number(const void* left, const void* right) {
  return strcmp(number_of(*(char* const*)left), number_of(*(char* const*)right));
}

static int by_name(const void* left, const void* right) {
  return strcmp(*(char* const*)left, *(char* const*)right);
}

/* --- Locks. A znode's name tells the client and its attempt, so that one whose answer was cut off
 * is found. */

static int find_own(zhandle_t* client, const char* prefix, char* path) {
  struct String_vector names;
  int found = 0;
  sync_at_last(client);
  names_at_last(client, "/lock", &names);
  for (int i = 0; i < names.count; ++i) {
    char other[128];
    snprintf(other, sizeof other, "/lock/%s", names.data[i]);
    if (strncmp(other, prefix, strlen(prefix)) == 0) {
      strcpy(path, other);
      found = 1;
    }
  }
  deallocate_String_vector(&names);
  return found;
}

/* Finds who is before `path`; returns 0 when nobody is. */
static int find_before(zhandle_t* client, const char* path, char* before) {
  struct String_vector names;
  int place = -1;
  names_at_last(client, "/lock", &names);
  qsort(names.data, (size_t)names.count, sizeof *names.data, by_number);
  for (int i = 0; i < names.count; ++i) {
    if (strcmp(names.data[i], path + strlen("/lock/")) == 0) place = i;
  }
  CHECK(place >= 0);
  if (place > 0) snprintf(before, 128, "/lock/%s", names.data[place - 1]);
  deallocate_String_vector(&names);
  return place > 0;
}

static void acquire(Worker* worker, int attempt, char* path) {
  char prefix[64], before[128];
  struct Stat stat;
  snprintf(prefix, sizeof prefix, "/lock/%d-%d-", worker->number, attempt);
  int code = create(worker->client, prefix, "", ZOO_EPHEMERAL_SEQUENTIAL, path);
  while (code != ZOK) {
    CHECK(is_cut_off(code));
    if (find_own(worker->client, prefix, path)) break;
    code = create(worker->client, prefix, "", ZOO_EPHEMERAL_SEQUENTIAL, path);
  }
  while (find_before(worker->client, path, before)) {
    worker->wakes_before = load(&worker->wakes);
    code = AT_LAST(worker->client, zoo_wexists(worker->client, before, wake, worker, &stat));
    CHECK(code == ZOK || code == ZNONODE);
    if (code == ZOK) await(is_woken, worker, "the lock");
  }
}

static void* lock(void* argument) {
  static int inside;
  Worker* worker = argument;
  char path[128];
  for (int attempt = 0; !load(&stop); ++attempt) {
    acquire(worker, attempt, path);
    CHECK(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) == 1);
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    count(&progress);
    const int code = AT_LAST(worker->client, zoo_delete(worker->client, path, -1));
    CHECK(code == ZOK || code == ZNONODE);
  }
  return NULL;
}

/* --- Queues. An item is taken by the transaction that notes that it is done: once each, and in
 * order. */

static void produce(zhandle_t* client) {
  char item[64];
  for (put = 0; !load(&stop); ++put) {
    snprintf(item, sizeof item, "/queue/%06d", put);
    const int code = AT_LAST(client, create(client, item, "", ZOO_PERSISTENT, NULL));
    CHECK(code == ZOK || code == ZNODEEXISTS);
  }
  set(&closed, 1);
}

static void take(zhandle_t* client, const char* name) {
  char item[64], done[64], made[64];
  zoo_op_t ops[2];
  zoo_op_result_t results[2];
  snprintf(item, sizeof item, "/queue/%s", name);
  snprintf(done, sizeof done, "/done/%s", name);
  zoo_delete_op_init(&ops[0], item, -1);
  zoo_create_op_init(&ops[1], done, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made);
  const int code = zoo_multi(client, 2, ops, results);
  CHECK(code == ZOK || code == ZNONODE || is_cut_off(code));
  if (code == ZOK) count(&progress);
}

static void* queue(void* argument) {
  Worker* worker = argument;
  if (worker->number == 0) {
    produce(worker->client);
    return NULL;
  }
  for (;;) {
    struct String_vector names;
    const int last = load(&closed);
    if (last) sync_at_last(worker->client);
    names_at_last(worker->client, "/queue", &names);
    if (names.count > 0) {
      qsort(names.data, (size_t)names.count, sizeof *names.data, by_name);
      take(worker->client, names.data[0]);
    } else if (last) {
      return NULL;
    } else {
      pause_briefly();
    }
    deallocate_String_vector(&names);
  }
}

static void look_through_done(zhandle_t* client) {
  struct String_vector names;
  struct Stat stat;
  int64_t before = 0;
  sync_with(client);
  names_at_last(client, "/done", &names);
  CHECK(names.count == put && names.count >= load(&progress));
  qsort(names.data, (size_t)names.count, sizeof *names.data, by_name);
  for (int i = 0; i < names.count; ++i) {
    char path[64];
    snprintf(path, sizeof path, "/done/%06d", i);
    EXPECT(ZOK, zoo_exists(client, path, 0, &stat));
    CHECK(stat.czxid > before);
    before = stat.czxid;
  }
  deallocate_String_vector(&names);
}

/* --- Caches. What one client changes another knows, by its watches alone. */

static void change(zhandle_t* client) {
  char path[64], value[16];
  for (int i = 0; i < kCached; ++i) tree[i] = -1;
  for (int round = 0; !load(&stop); ++round) {
    snprintf(path, sizeof path, "/cached/%d", round % kCached);
    const int length = snprintf(value, sizeof value, "%d", round);
    int code = AT_LAST(client, create(client, path, value, ZOO_PERSISTENT, NULL));
    if (code == ZNODEEXISTS) code = AT_LAST(client, zoo_set(client, path, value, length, -1));
    CHECK(code == ZOK);
    tree[round % kCached] = round;
    if (round % 5 == 0) {
      snprintf(path, sizeof path, "/cached/%d", (round + 3) % kCached);
      code = AT_LAST(client, zoo_delete(client, path, -1));
      CHECK(code == ZOK || code == ZNONODE);
      tree[(round + 3) % kCached] = -1;
    }
    count(&progress);
  }
  set(&closed, 1);
}

static void refresh(Worker* worker, int* cache) {
  zhandle_t* client = worker->client;
  struct String_vector names;
  struct Stat stat;
  for (int i = 0; i < kCached; ++i) cache[i] = -1;
  EXPECT(ZOK, AT_LAST(client, zoo_wget_children(client, "/cached", wake, worker, &names)));
  for (int i = 0; i < names.count; ++i) {
    char path[64], value[16];
    int length = 0;
    snprintf(path, sizeof path, "/cached/%s", names.data[i]);
    const int code = AT_LAST(client, (length = sizeof value - 1,
                                      zoo_wget(client, path, wake, worker, value, &length, &stat)));
    CHECK(code == ZNONODE || (code == ZOK && length > 0));
    if (code == ZNONODE) continue;
    value[length] = '\0';
    cache[atoi(names.data[i])] = atoi(value);
  }
  deallocate_String_vector(&names);
}

static int is_woken_or_closed(void* worker) { return is_woken(worker) || load(&closed); }

static void* cache(void* argument) {
  Worker* worker = argument;
  int held[kCached];
  if (worker->number == 0) change(worker->client);
  while (worker->number == 1) {
    const int last = load(&closed);
    worker->wakes_before = load(&worker->wakes);
    refresh(worker, held);
    if (last && memcmp(held, tree, sizeof held) == 0) break;
    await(last ? is_woken : is_woken_or_closed, worker, "an event of what has changed");
  }
  return NULL;
}

/* --- Transactions. Each takes from one account what it gives to the other. */

static int balance(zhandle_t* client, const char* path, int* version) {
  char value[16];
  int length = 0;
  struct Stat stat;
  EXPECT(ZOK, AT_LAST(client, (length = sizeof value - 1,
                               zoo_get(client, path, 0, value, &length, &stat))));
  CHECK(length > 0);
  value[length] = '\0';
  *version = stat.version;
  return atoi(value);
}

static void* transfer(void* argument) {
  const Worker* worker = argument;
  while (!load(&stop)) {
    int left_version, right_version;
    char left[16], right[16];
    zoo_op_t ops[2];
    zoo_op_result_t results[2];
    const int from =
        snprintf(left, sizeof left, "%d", balance(worker->client, "/left", &left_version) - 1);
    const int to =
        snprintf(right, sizeof right, "%d", balance(worker->client, "/right", &right_version) + 1);
    zoo_set_op_init(&ops[0], "/left", left, from, left_version, NULL);
    zoo_set_op_init(&ops[1], "/right", right, to, right_version, NULL);
    const int code = zoo_multi(worker->client, 2, ops, results);
    CHECK(code == ZOK || code == ZBADVERSION || is_cut_off(code));
    if (code == ZOK) count(&progress);
  }
  return NULL;
}

void recipes(void) {
  static Told told;
  zhandle_t* client = connected(hosts, &told);
  const char* parents[] = {"/lock", "/queue", "/done", "/cached"};
  for (int i = 0; i < 4; ++i) EXPECT(ZOK, create(client, parents[i], "", ZOO_PERSISTENT, NULL));
  EXPECT(ZOK, create(client, "/left", "100", ZOO_PERSISTENT, NULL));
  EXPECT(ZOK, create(client, "/right", "100", ZOO_PERSISTENT, NULL));
  under_strike(lock);
  puts("ok locks");
  under_strike(queue);
  await(is_connected, client, "a connection");
  look_through_done(client);
  puts("ok queues");
  under_strike(cache);
  puts("ok caches");
  under_strike(transfer);
  await(is_connected, client, "a connection");
  sync_with(client);
  int left_version, right_version;
  CHECK(balance(client, "/left", &left_version) + balance(client, "/right", &right_version) == 200);
  CHECK(left_version == right_version && left_version >= load(&progress));
  puts("ok accounts");
  EXPECT(ZOK, zookeeper_close(client));
}
