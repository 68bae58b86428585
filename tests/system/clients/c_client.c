/* ZooKeeper's C client, as one program: c_client SCENARIOS HOSTS SESSION_MS [PASSAGE].
 *
 * It prints "strike" where the servers shall be killed and started again, "away" and "back" where
 * PASSAGE (one server's address) shall be cut and mended, "alone" and "together" for the quorum,
 * and waits for a line when it wants that to be over. What it finds is "ok NAME" lines; the first
 * thing that is wrong ends it with 1. */

#include "c_client.h"

const char* hosts;
int session_ms;

static void operations(void) {
  Told told = {0};
  zhandle_t* client = connected(hosts, &told);
  struct Stat stat;
  char data[64], made[128];
  int length = sizeof data;
  EXPECT(ZOK, create(client, "/c", "one", ZOO_PERSISTENT, NULL));
  EXPECT(ZNODEEXISTS, create(client, "/c", "", ZOO_PERSISTENT, NULL));
  EXPECT(ZNONODE, create(client, "/none/x", "", ZOO_PERSISTENT, NULL));
  EXPECT(ZOK, zoo_get(client, "/c", 0, data, &length, &stat));
  CHECK(length == 3 && memcmp(data, "one", 3) == 0);
  EXPECT(ZBADVERSION, zoo_set(client, "/c", "x", 1, 7));
  EXPECT(ZOK, zoo_set2(client, "/c", "two", 3, 0, &stat));
  CHECK(stat.version == 1 && stat.dataLength == 3);
  EXPECT(ZOK, zoo_create2(client, "/c/s-", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_SEQUENTIAL,
                          made, sizeof made, &stat));
  CHECK(strcmp(made, "/c/s-0000000000") == 0 && stat.numChildren == 0);
  EXPECT(ZOK, create(client, "/c/e-", "", ZOO_EPHEMERAL_SEQUENTIAL, made));
  CHECK(strcmp(made, "/c/e-0000000001") == 0);
  EXPECT(ZNOCHILDRENFOREPHEMERALS, create(client, "/c/e-0000000001/x", "", ZOO_PERSISTENT, NULL));
  EXPECT(ZOK, create(client, "/container", "", ZOO_CONTAINER, NULL));
  struct String_vector names;
  EXPECT(ZOK, zoo_get_children2(client, "/c", 0, &names, &stat));
  CHECK(names.count == 2 && stat.numChildren == 2 && stat.cversion == 2);
  deallocate_String_vector(&names);
  EXPECT(ZNOTEMPTY, zoo_delete(client, "/c", -1));
  EXPECT(ZOK, zoo_create2(client, "/null", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, NULL, 0,
                          &stat));
  length = sizeof data;
  EXPECT(ZOK, zoo_get(client, "/null", 0, data, &length, &stat));
  CHECK(length == -1);
  EXPECT(ZOK, zookeeper_close(client));
}

static void transactions(void) {
  Told told = {0};
  zhandle_t* client = connected(hosts, &told);
  zoo_op_t ops[3];
  zoo_op_result_t results[3];
  char made[128];
  struct Stat stat;
  zoo_create_op_init(&ops[0], "/multi", "a", 1, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made);
  zoo_set_op_init(&ops[1], "/multi", "bc", 2, 0, &stat);
  zoo_check_op_init(&ops[2], "/multi", 1);
  EXPECT(ZOK, zoo_multi(client, 3, ops, results));
  CHECK(strcmp(made, "/multi") == 0 && stat.version == 1 && stat.dataLength == 2);
  zoo_set_op_init(&ops[0], "/multi", "d", 1, 1, &stat);
  zoo_delete_op_init(&ops[1], "/multi", 9);
  zoo_create_op_init(&ops[2], "/multi/x", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made);
  EXPECT(ZBADVERSION, zoo_multi(client, 3, ops, results));
  CHECK(results[0].err == ZOK && results[1].err == ZBADVERSION &&
        results[2].err == ZRUNTIMEINCONSISTENCY);
  EXPECT(ZOK, zoo_exists(client, "/multi", 0, &stat));
  CHECK(stat.version == 1);
  EXPECT(ZOK, zookeeper_close(client));
}

typedef struct {
  int answered;
  int in_order;
} Pipeline;

static void answered(int code, const struct Stat* stat, const void* context) {
  Pipeline* pipeline = (Pipeline*)context;
  const int number = __atomic_add_fetch(&pipeline->answered, 1, __ATOMIC_SEQ_CST);
  pipeline->in_order += code == ZOK && stat->version == number;
}

static int is_all_answered(void* pipeline) {
  return __atomic_load_n(&((Pipeline*)pipeline)->answered, __ATOMIC_SEQ_CST) == kPipelined;
}

static void pipelining(void) {
  Told told = {0};
  zhandle_t* client = connected(hosts, &told);
  Pipeline pipeline = {0, 0};
  EXPECT(ZOK, create(client, "/pipeline", "", ZOO_PERSISTENT, NULL));
  for (int i = 0; i < kPipelined; ++i) {
    EXPECT(ZOK, zoo_aset(client, "/pipeline", "x", 1, -1, answered, &pipeline));
  }
  await(is_all_answered, &pipeline, "all answers");
  CHECK(pipeline.in_order == kPipelined);
  EXPECT(ZOK, zookeeper_close(client));
}

static void identified(int code, const void* done) {
  __atomic_store_n((int*)done, code == ZOK ? 1 : -1, __ATOMIC_SEQ_CST);
}

static void identities(void) {
  Told told[2] = {{.count = 0}};
  zhandle_t* ann = connected(hosts, &told[0]);
  zhandle_t* stranger = connected(hosts, &told[1]);
  int done = 0;
  EXPECT(ZOK, zoo_add_auth(ann, "digest", "ann:secret", 10, identified, &done));
  await(is_set, &done, "the identity");
  EXPECT(ZOK, zoo_create(ann, "/mine", "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
  sync_with(stranger);
  EXPECT(ZNOAUTH, zoo_set(stranger, "/mine", "x", 1, -1));
  say_and_wait("strike");
  struct Stat stat;
  EXPECT(ZOK, exists_at_last(ann, "/mine", &stat));
  EXPECT(ZOK, zoo_set(ann, "/mine", "x", 1, -1)); /* the client has shown who it is once more */
  EXPECT(ZOK, exists_at_last(stranger, "/", &stat));
  EXPECT(ZNOAUTH, zoo_set(stranger, "/mine", "y", 1, -1));
  struct ACL_vector acl;
  EXPECT(ZOK, zoo_get_acl(ann, "/mine", &acl, &stat));
  CHECK(acl.count == 1 && strcmp(acl.data[0].id.scheme, "digest") == 0 &&
        strncmp(acl.data[0].id.id, "ann:", 4) == 0);
  deallocate_ACL_vector(&acl);
  EXPECT(ZOK, zookeeper_close(ann));
  EXPECT(ZOK, zookeeper_close(stranger));
}

static int is_first_gone(void* told) {
  return is_told(told, ZOO_DELETED_EVENT, "/election/n-0000000000");
}

static void elections(void) {
  Told told[kClients] = {{.count = 0}};
  zhandle_t* clients[kClients];
  char made[kClients][128];
  struct Stat stat;
  for (int i = 0; i < kClients; ++i) clients[i] = connected(hosts, &told[i]);
  EXPECT(ZOK, create(clients[0], "/election", "", ZOO_PERSISTENT, NULL));
  for (int i = 0; i < kClients; ++i) {
    EXPECT(ZOK, create(clients[i], "/election/n-", "", ZOO_EPHEMERAL_SEQUENTIAL, made[i]));
    if (i > 0) EXPECT(ZOK, zoo_wexists(clients[i], made[i - 1], watch, &told[i], &stat));
  }
  const clientid_t before = *zoo_client_id(clients[1]);
  say_and_wait("strike");
  for (int i = 0; i < kClients; ++i) {
    EXPECT(ZOK, exists_at_last(clients[i], made[i], &stat));
    CHECK(stat.ephemeralOwner == zoo_client_id(clients[i])->client_id);
    CHECK(count_told(&told[i]) == 0 && !told[i].expired);
  }
  CHECK(zoo_client_id(clients[1])->client_id == before.client_id);
  EXPECT(ZOK, zookeeper_close(clients[0]));
  await(is_first_gone, &told[1], "the first to have gone");
  CHECK(count_told(&told[2]) == 0);
  EXPECT(ZOK, zookeeper_close(clients[1]));
  EXPECT(ZOK, zookeeper_close(clients[2]));
}

static int is_new_told(void* told) { return count_told(told) >= 4; }

/* What changed while a client was away comes as events of its next connection, and what did not is
 * watched on. */
static void watches(const char* passage) {
  Told told = {0}, other_told = {0};
  struct Stat stat;
  struct String_vector names;
  char data[8];
  int length = sizeof data;
  zhandle_t* other = connected(hosts, &other_told);
  EXPECT(ZOK, create(other, "/changed", "", ZOO_PERSISTENT, NULL));
  EXPECT(ZOK, create(other, "/deleted", "", ZOO_PERSISTENT, NULL));
  EXPECT(ZOK, create(other, "/parent", "", ZOO_PERSISTENT, NULL));
  EXPECT(ZOK, create(other, "/same", "", ZOO_PERSISTENT, NULL));
  zhandle_t* client = connected(passage, &told);
  sync_with(client);
  EXPECT(ZOK, zoo_wget(client, "/changed", watch, &told, data, &length, &stat));
  EXPECT(ZOK, zoo_wexists(client, "/deleted", watch, &told, &stat));
  EXPECT(ZNONODE, zoo_wexists(client, "/created", watch, &told, &stat));
  EXPECT(ZOK, zoo_wget_children(client, "/parent", watch, &told, &names));
  EXPECT(ZOK, zoo_wexists(client, "/same", watch, &told, &stat));
  say_and_wait("away");
  await(is_not_connected, client, "the client to be away");
  EXPECT(ZOK, zoo_set(other, "/changed", "x", 1, -1));
  EXPECT(ZOK, zoo_delete(other, "/deleted", -1));
  EXPECT(ZOK, create(other, "/created", "", ZOO_PERSISTENT, NULL));
  EXPECT(ZOK, create(other, "/parent/child", "", ZOO_PERSISTENT, NULL));
  say_and_wait("back");
  await(is_new_told, &told, "four events");
  CHECK(is_told(&told, ZOO_CHANGED_EVENT, "/changed") == 1);
  CHECK(is_told(&told, ZOO_DELETED_EVENT, "/deleted") == 1);
  CHECK(is_told(&told, ZOO_CREATED_EVENT, "/created") == 1);
  CHECK(is_told(&told, ZOO_CHILD_EVENT, "/parent") == 1);
  await(is_connected, client, "the client to be back");
  sync_with(client);
  EXPECT(ZOK, zoo_set(client, "/same", "x", 1, -1));
  sync_with(client);
  CHECK(is_told(&told, ZOO_CHANGED_EVENT, "/same") == 1 && count_told(&told) == 5);
  EXPECT(ZOK, zoo_wexists(client, "/same", watch, &told, &stat));
  EXPECT(ZOK, zoo_remove_watches(client, "/same", ZWATCHTYPE_DATA, watch, &told, 0));
  EXPECT(ZNOWATCHER, zoo_remove_watches(client, "/same", ZWATCHTYPE_DATA, watch, &told, 0));
  EXPECT(ZOK, zoo_set(client, "/same", "y", 1, -1));
  sync_with(client);
  CHECK(is_told(&told, ZOO_CHANGED_EVENT, "/same") == 1);
  EXPECT(ZOK, zookeeper_close(client));
  EXPECT(ZOK, zookeeper_close(other));
}

static void sessions(const char* passage) {
  Told told[3] = {{.count = 0}};
  struct Stat stat;
  zhandle_t* first = connected(passage, &told[0]);
  zhandle_t* other = connected(hosts, &told[1]);
  EXPECT(ZOK, create(first, "/live", "", ZOO_EPHEMERAL, NULL));
  const clientid_t id = *zoo_client_id(first);
  say_and_wait("away"); /* or it would come back and take the session from the second again */
  zhandle_t* second = open_client(hosts, &told[2], &id, 0);
  await(is_connected, second, "the session elsewhere");
  CHECK(zoo_client_id(second)->client_id == id.client_id);
  sync_with(other);
  EXPECT(ZOK, zoo_exists(other, "/live", 0, &stat));
  CHECK(stat.ephemeralOwner == id.client_id);
  EXPECT(ZOK, zookeeper_close(second));
  say_and_wait("back");
  await(is_expired, &told[0], "word that the session is gone");
  CHECK(is_unrecoverable(first) == ZINVALIDSTATE);
  sync_with(other);
  EXPECT(ZNONODE, zoo_exists(other, "/live", 0, &stat));
  zookeeper_close(first);
  clientid_t wrong = *zoo_client_id(other);
  wrong.passwd[3] ^= 1;
  Told refused = {0};
  zhandle_t* thief = open_client(hosts, &refused, &wrong, 0);
  await(is_expired, &refused, "the refusal");
  zookeeper_close(thief);
  EXPECT(ZOK, zoo_exists(other, "/", 0, &stat));
  EXPECT(ZOK, zookeeper_close(other));
}

static void chroot_of(void) {
  Told told[2] = {{.count = 0}};
  char where[512], made[128];
  struct Stat stat;
  zhandle_t* whole = connected(hosts, &told[0]);
  EXPECT(ZOK, create(whole, "/chroot", "", ZOO_PERSISTENT, NULL));
  snprintf(where, sizeof where, "%s/chroot", hosts);
  zhandle_t* inside = connected(where, &told[1]);
  sync_with(inside);
  EXPECT(ZOK, create(inside, "/x", "", ZOO_PERSISTENT, made));
  CHECK(strcmp(made, "/x") == 0);
  sync_with(whole);
  EXPECT(ZOK, zoo_exists(whole, "/chroot/x", 0, &stat));
  EXPECT(ZOK, zoo_wexists(inside, "/x", watch, &told[1], &stat));
  EXPECT(ZOK, zoo_delete(inside, "/x", -1));
  sync_with(inside);
  CHECK(is_told(&told[1], ZOO_DELETED_EVENT, "/x") == 1);
  EXPECT(ZOK, zookeeper_close(inside));
  EXPECT(ZOK, zookeeper_close(whole));
}

static void read_only(void) {
  Told told = {0}, writer_told = {0};
  struct Stat stat;
  zhandle_t* writer = connected(hosts, &writer_told);
  EXPECT(ZOK, create(writer, "/kept", "", ZOO_PERSISTENT, NULL));
  sync_with(writer);
  EXPECT(ZOK, zookeeper_close(writer));
  say_and_wait("alone");
  zhandle_t* client = open_client(hosts, &told, NULL, ZOO_READONLY);
  await(is_read_only, client, "a server for reads");
  EXPECT(ZOK, zoo_exists(client, "/kept", 0, &stat));
  EXPECT(ZNOTREADONLY, zoo_set(client, "/kept", "x", 1, -1));
  say_and_wait("together");
  await(is_connected, client, "a server for writes");
  EXPECT(ZOK, zoo_set(client, "/kept", "x", 1, -1));
  EXPECT(ZOK, zookeeper_close(client));
}

int main(int count, char** arguments) {
  CHECK(count >= 4);
  setvbuf(stdout, NULL, _IOLBF, 0);
  zoo_set_debug_level(0);
  hosts = arguments[2];
  session_ms = atoi(arguments[3]);
  if (strcmp(arguments[1], "read-only") == 0) {
    read_only();
    puts("ok read-only");
    return 0;
  }
  CHECK(count == 5);
  operations();
  puts("ok operations");
  recipes();
  transactions();
  puts("ok transactions");
  pipelining();
  puts("ok pipelining");
  identities();
  puts("ok identities");
  elections();
  puts("ok elections");
  watches(arguments[4]);
  puts("ok watches");
  sessions(arguments[4]);
  puts("ok sessions");
  chroot_of();
  puts("ok chroot");
  return 0;
}
