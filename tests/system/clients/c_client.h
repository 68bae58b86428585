// What the two parts of the C client's program share: c_client.c, which has main(), and
// c_recipes.c. The first thing that is wrong ends the program with 1.
#pragma once

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

enum { kPatienceMs = 30000, kClients = 3, kPipelined = 1000, kEvents = 64 };

#define CHECK(fact)                                               \
  do {                                                            \
    if (!(fact)) {                                                \
      printf("failed at %s:%d: %s\n", __FILE__, __LINE__, #fact); \
      exit(1);                                                    \
    }                                                             \
  } while (0)

#define EXPECT(wanted, call)                                                       \
  do {                                                                             \
    const int got = (call);                                                        \
    if (got != (wanted)) {                                                         \
      printf("failed at %s:%d: %s: %s\n", __FILE__, __LINE__, #call, zerror(got)); \
      exit(1);                                                                     \
    }                                                                              \
  } while (0)

/* What the watcher of one client has been told. */
typedef struct {
  pthread_mutex_t mutex;
  int count;
  char events[kEvents][128];
  int expired;
} Told;

extern const char* hosts;
extern int session_ms;

/* Locks, caches, queues and transactions of several clients, each under a strike. */
void recipes(void);

static inline void pause_briefly(void) { poll(NULL, 0, 5); }

static inline void await(int (*holds)(void*), void* argument, const char* what) {
  for (int waited = 0; !holds(argument); waited += 5) {
    if (waited > kPatienceMs) {
      printf("failed: never came: %s\n", what);
      exit(1);
    }
    pause_briefly();
  }
}

static inline void say_and_wait(const char* word) {
  puts(word);
  CHECK(getchar() == '\n');
}

static inline void watch(zhandle_t* client, int type, int state, const char* path, void* context) {
  Told* told = context != NULL ? context : (Told*)zoo_get_context(client);
  pthread_mutex_lock(&told->mutex);
  if (type == ZOO_SESSION_EVENT) {
    if (state == ZOO_EXPIRED_SESSION_STATE) told->expired = 1;
  } else if (told->count < kEvents) {
    snprintf(told->events[told->count++], sizeof told->events[0], "%d %s", type, path);
  }
  pthread_mutex_unlock(&told->mutex);
}

static inline int is_told(Told* told, int type, const char* path) {
  char wanted[128];
  int found = 0;
  snprintf(wanted, sizeof wanted, "%d %s", type, path);
  pthread_mutex_lock(&told->mutex);
  for (int i = 0; i < told->count; ++i) found += strcmp(told->events[i], wanted) == 0;
  pthread_mutex_unlock(&told->mutex);
  return found;
}

static inline int count_told(Told* told) {
  pthread_mutex_lock(&told->mutex);
  const int count = told->count;
  pthread_mutex_unlock(&told->mutex);
  return count;
}

static inline int is_connected(void* client) { return zoo_state(client) == ZOO_CONNECTED_STATE; }
static inline int is_not_connected(void* client) {
  return zoo_state(client) != ZOO_CONNECTED_STATE;
}
static inline int is_read_only(void* client) { return zoo_state(client) == ZOO_READONLY_STATE; }
static inline int is_expired(void* told) { return ((Told*)told)->expired; }

static inline zhandle_t* open_client(const char* where, Told* told, const clientid_t* id,
                                     int flags) {
  pthread_mutex_init(&told->mutex, NULL);
  zhandle_t* client = zookeeper_init(where, watch, session_ms, id, told, flags);
  CHECK(client != NULL);
  return client;
}

static inline zhandle_t* connected(const char* where, Told* told) {
  zhandle_t* client = open_client(where, told, NULL, 0);
  await(is_connected, client, "a connection");
  return client;
}

static inline void synced_by(int code, const char* path, const void* done) {
  (void)path;
  __atomic_store_n((int*)done, code == ZOK ? 1 : -1, __ATOMIC_SEQ_CST);
}

static inline int is_set(void* flag) { return __atomic_load_n((int*)flag, __ATOMIC_SEQ_CST) == 1; }

static inline void sync_with(zhandle_t* client) {
  int done = 0;
  EXPECT(ZOK, zoo_async(client, "/", synced_by, &done));
  await(is_set, &done, "sync");
}

static inline int create(zhandle_t* client, const char* path, const char* value, int mode,
                         char* made) {
  return zoo_create(client, path, value, (int)strlen(value), &ZOO_OPEN_ACL_UNSAFE, mode, made,
                    made == NULL ? 0 : 128);
}

/* Whether a strike may have come between a request and its answer. */
static inline int is_cut_off(int code) {
  return code == ZCONNECTIONLOSS || code == ZOPERATIONTIMEOUT;
}

/* Asks again until no strike cuts the request off. */
#define AT_LAST(client, call)                              \
  ({                                                       \
    int code_;                                             \
    do {                                                   \
      await(is_connected, client, "a connection at last"); \
      code_ = (call);                                      \
    } while (is_cut_off(code_));                           \
    code_;                                                 \
  })

static inline int exists_at_last(zhandle_t* client, const char* path, struct Stat* stat) {
  return AT_LAST(client, zoo_exists(client, path, 0, stat));
}
