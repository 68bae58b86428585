import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/**
 * Curator's recipes, as one program: CuratorScenario HOSTS SESSION_MS recipes, or HOSTS SESSION_MS read-only, or
 * HOSTS SESSION_MS people SCHEME ID ANN BOB STRANGER, with the clients' properties in the files ANN, BOB and STRANGER.
 * It prints "strike" where the servers shall be killed and started again ("alone" and "together" for the quorum), goes
 * on under that, and waits for a line when it wants it to be over.
 * What it finds is "ok NAME" lines; the first thing that is wrong ends it with a stack trace and 1.
 */
public final class CuratorScenario {
  private static final int PATIENCE_S = 30;
  private static final ExecutorService threads = Executors.newCachedThreadPool(work -> {
    Thread thread = new Thread(work);
    thread.setDaemon(true);
    return thread;
  });
  private static final List<CuratorFramework> clients = new ArrayList<>();
  private static final AtomicBoolean lost = new AtomicBoolean();

  private interface Condition {
    boolean holds() throws Exception;
  }

  private static void check(boolean fact, Object what) {
    if (!fact) throw new AssertionError(String.valueOf(what));
  }

  private static void await(Condition condition, Object what) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
    while (!condition.holds()) {
      check(System.nanoTime() < deadline, "never came: " + what);
      Thread.sleep(5);
    }
  }

  private static byte[] bytes(Object text) {
    return text.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static String text(byte[] data) {
    return new String(data, StandardCharsets.UTF_8);
  }

  private static CuratorFrameworkFactory.Builder builder(String hosts, int sessionMs) {
    return CuratorFrameworkFactory.builder().connectString(hosts).sessionTimeoutMs(sessionMs)
        .connectionTimeoutMs(sessionMs).retryPolicy(new RetryForever(20));
  }

  private static CuratorFramework started(CuratorFrameworkFactory.Builder builder) {
    CuratorFramework client = builder.build();
    client.getConnectionStateListenable().addListener((who, state) -> {
      if (state == ConnectionState.LOST) lost.set(true);
    });
    client.start();
    clients.add(client);
    return client;
  }

  private static void sync(CuratorFramework client) throws Exception {
    CountDownLatch done = new CountDownLatch(1);
    client.sync().inBackground((who, event) -> done.countDown()).forPath("/");
    check(done.await(PATIENCE_S, TimeUnit.SECONDS), "sync");
  }

  private static void strike() {
    System.out.println("strike");
  }

  /** Waits until what was asked for is over. */
  private static void struck() throws Exception {
    check(System.in.read() == '\n', "the end of the strike");
  }

  private static long session(CuratorFramework client) throws Exception {
    return client.getZookeeperClient().getZooKeeper().getSessionId();
  }

  private static <T> List<T> all(List<Callable<T>> work) throws Exception {
    List<Future<T>> futures = new ArrayList<>();
    for (Callable<T> one : work) futures.add(threads.submit(one));
    List<T> results = new ArrayList<>();
    for (Future<T> future : futures) results.add(future.get(2 * PATIENCE_S, TimeUnit.SECONDS));
    return results;
  }

  private static void locks(List<CuratorFramework> three) throws Exception {
    AtomicInteger inside = new AtomicInteger();
    AtomicInteger sections = new AtomicInteger();
    AtomicBoolean stop = new AtomicBoolean();
    List<Callable<Integer>> work = new ArrayList<>();
    for (CuratorFramework client : three) {
      work.add(() -> {
        InterProcessMutex mutex = new InterProcessMutex(client, "/locks/mutex");
        int count = 0;
        for (; !stop.get() || count < 3; ++count) {
          mutex.acquire();
          check(inside.incrementAndGet() == 1, "two inside");
          inside.decrementAndGet();
          sections.incrementAndGet();
          mutex.release();
        }
        return count;
      });
    }
    Future<List<Integer>> counts = threads.submit(() -> all(work));
    await(() -> sections.get() > 10 || counts.isDone(), "locks");
    strike();
    struck();
    int before = sections.get();
    await(() -> sections.get() > before + 10 || counts.isDone(), "locks behind the strike");
    stop.set(true);
    for (int count : counts.get()) check(count >= 3, "starved");
    // Each way to lock once.
    InterProcessReadWriteLock one = new InterProcessReadWriteLock(three.get(0), "/locks/rw");
    InterProcessReadWriteLock two = new InterProcessReadWriteLock(three.get(1), "/locks/rw");
    one.readLock().acquire();
    check(two.readLock().acquire(PATIENCE_S, TimeUnit.SECONDS), "a second reader");
    check(!new InterProcessReadWriteLock(three.get(2), "/locks/rw").writeLock().acquire(100, TimeUnit.MILLISECONDS),
        "a writer beside readers");
    one.readLock().release();
    two.readLock().release();
    check(two.writeLock().acquire(PATIENCE_S, TimeUnit.SECONDS), "the writer");
    two.writeLock().release();
    InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(three.get(0), "/locks/semaphore", 2);
    Collection<Lease> leases = semaphore.acquire(2);
    check(semaphore.acquire(100, TimeUnit.MILLISECONDS) == null, "a third lease of two");
    semaphore.returnAll(leases);
  }

  private static void leaders(List<CuratorFramework> three) throws Exception {
    List<LeaderLatch> latches = new ArrayList<>();
    for (CuratorFramework client : three) {
      LeaderLatch latch = new LeaderLatch(client, "/leaders");
      latch.start();
      latches.add(latch);
    }
    for (boolean first = true; !latches.isEmpty(); first = false) {
      await(() -> latches.stream().filter(LeaderLatch::hasLeadership).count() == 1, "one leader");
      if (first) {
        strike();
        struck();
        await(() -> latches.stream().filter(LeaderLatch::hasLeadership).count() == 1, "one leader again");
      }
      LeaderLatch leader = latches.stream().filter(LeaderLatch::hasLeadership).findFirst().get();
      leader.close();
      latches.remove(leader);
    }
  }

  private static Map<String, String> tree(CuratorFramework client, String path) throws Exception {
    Map<String, String> found = new HashMap<>();
    found.put(path, text(client.getData().forPath(path)));
    for (String name : client.getChildren().forPath(path)) found.putAll(tree(client, path + "/" + name));
    return found;
  }

  private static Map<String, String> tree(TreeCache cache, String path) {
    Map<String, String> found = new HashMap<>();
    ChildData data = cache.getCurrentData(path);
    if (data == null) return found;
    found.put(path, text(data.getData()));
    Map<String, ChildData> below = cache.getCurrentChildren(path);
    if (below != null) for (String name : below.keySet()) found.putAll(tree(cache, path + "/" + name));
    return found;
  }

  /** CuratorCache lives by persistent recursive watches, TreeCache by one-time ones. */
  private static void caches(CuratorFramework writer, CuratorFramework reader) throws Exception {
    writer.create().forPath("/caches", bytes("root"));
    sync(reader);
    TreeCache treeCache = new TreeCache(reader, "/caches");
    treeCache.start();
    CuratorCache cache = CuratorCache.build(reader, "/caches");
    Map<String, String> told = new ConcurrentHashMap<>();
    CountDownLatch ready = new CountDownLatch(1);
    cache.listenable().addListener(CuratorCacheListener.builder()
        .forInitialized(ready::countDown)
        .forCreates(node -> told.put(node.getPath(), text(node.getData())))
        .forChanges((old, node) -> told.put(node.getPath(), text(node.getData())))
        .forDeletes(node -> told.remove(node.getPath())).build());
    cache.start();
    check(ready.await(PATIENCE_S, TimeUnit.SECONDS), "the cache at its start");
    AtomicBoolean stop = new AtomicBoolean();
    AtomicInteger rounds = new AtomicInteger();
    Future<Object> writes = threads.submit(() -> {
      while (!stop.get()) {
        int round = rounds.getAndIncrement();
        writer.create().orSetData().creatingParentsIfNeeded().forPath("/caches/" + round % 7 + "/x", bytes(round));
        writer.setData().forPath("/caches/" + round % 7, bytes(round));
        if (round % 5 == 0) {
          writer.delete().quietly().deletingChildrenIfNeeded().forPath("/caches/" + (round + 3) % 7);
        }
      }
      return null;
    });
    await(() -> rounds.get() > 50 || writes.isDone(), "writes");
    strike();
    struck();
    int before = rounds.get();
    await(() -> rounds.get() > before + 50 || writes.isDone(), "writes behind the strike");
    stop.set(true);
    writes.get();
    Map<String, String> goal = tree(writer, "/caches");
    check(goal.size() > 5, goal);
    await(() -> told.equals(goal), new Object() {
      @Override
      public String toString() {
        return "what the cache told to be the tree: " + new TreeMap<>(told) + " and not " + new TreeMap<>(goal);
      }
    });
    await(() -> {
      Map<String, String> held = new HashMap<>();
      cache.stream().forEach(data -> held.put(data.getPath(), text(data.getData())));
      return held.equals(goal);
    }, "the cache to be the tree");
    await(() -> tree(treeCache, "/caches").equals(goal), "the tree cache to be the tree");
    cache.close();
    treeCache.close();
  }

  /** Watches that stay, and that are taken up again on another connection. */
  private static void watches(CuratorFramework writer, CuratorFramework reader, CuratorFramework third)
      throws Exception {
    writer.create().creatingParentsIfNeeded().forPath("/watches/a/b");
    sync(reader);
    sync(third);
    ConcurrentLinkedQueue<String> deep = new ConcurrentLinkedQueue<>();
    ConcurrentLinkedQueue<String> flat = new ConcurrentLinkedQueue<>();
    ConcurrentLinkedQueue<String> once = new ConcurrentLinkedQueue<>();
    reader.watchers().add().withMode(AddWatchMode.PERSISTENT_RECURSIVE)
        .usingWatcher((org.apache.zookeeper.Watcher) event -> {
          if (event.getPath() != null) deep.add(event.getType() + " " + event.getPath());
        }).forPath("/watches");
    // Not of the reader: Java's client shows an event to all its watchers whom it may concern.
    third.watchers().add().withMode(AddWatchMode.PERSISTENT)
        .usingWatcher((org.apache.zookeeper.Watcher) event -> {
          if (event.getPath() != null) flat.add(event.getType() + " " + event.getPath());
        }).forPath("/watches/a");
    reader.getData().usingWatcher((org.apache.zookeeper.Watcher) event -> {
      if (event.getPath() != null) once.add(event.getType() + " " + event.getPath());
    }).forPath("/watches/a/b");
    writer.setData().forPath("/watches/a", bytes(1));
    writer.create().forPath("/watches/a/c");
    await(() -> deep.size() == 2 && flat.size() == 2, deep + " and " + flat);
    check(List.copyOf(deep).equals(List.of("NodeDataChanged /watches/a", "NodeCreated /watches/a/c")), deep);
    check(List.copyOf(flat).equals(List.of("NodeDataChanged /watches/a", "NodeChildrenChanged /watches/a")), flat);
    strike();
    struck();
    sync(reader);
    sync(third);
    deep.clear();
    flat.clear();
    writer.setData().forPath("/watches/a/b", bytes(2));
    writer.delete().forPath("/watches/a/c");
    writer.setData().forPath("/watches/a/b", bytes(3));
    await(() -> deep.size() == 3 && flat.size() == 1 && once.size() == 1, deep + " and " + flat + " and " + once);
    check(List.copyOf(deep).equals(List.of("NodeDataChanged /watches/a/b", "NodeDeleted /watches/a/c",
        "NodeDataChanged /watches/a/b")), deep);
    check(flat.peek().equals("NodeChildrenChanged /watches/a"), flat);
    check(once.peek().equals("NodeDataChanged /watches/a/b"), once);
    reader.watchers().removeAll().forPath("/watches");
    sync(reader);
    deep.clear();
    writer.setData().forPath("/watches/a", bytes(4));
    await(() -> flat.size() == 2, flat);
    check(deep.isEmpty(), "a removed watch fired: " + deep);
  }

  private static void counters(List<CuratorFramework> three) throws Exception {
    List<Callable<Integer>> work = new ArrayList<>();
    for (CuratorFramework client : three) {
      work.add(() -> {
        DistributedAtomicLong number = new DistributedAtomicLong(client, "/number", new RetryForever(5));
        for (int i = 0; i < 10; ++i) check(number.increment().succeeded(), "an increment");
        return 0;
      });
    }
    all(work);
    sync(three.get(0));
    AtomicValue<Long> value = new DistributedAtomicLong(three.get(0), "/number", new RetryForever(5)).get();
    check(value.postValue() == 30, value.postValue());
    SharedCount here = new SharedCount(three.get(0), "/shared", 5);
    SharedCount there = new SharedCount(three.get(1), "/shared", 5);
    here.start();
    there.start();
    here.setCount(8);
    await(() -> there.getCount() == 8, "the shared count");
    here.close();
    there.close();
  }

  private static void barriersAndQueues(List<CuratorFramework> three) throws Exception {
    DistributedBarrier barrier = new DistributedBarrier(three.get(0), "/barrier");
    barrier.setBarrier();
    sync(three.get(1));
    check(!new DistributedBarrier(three.get(1), "/barrier").waitOnBarrier(50, TimeUnit.MILLISECONDS), "no barrier");
    barrier.removeBarrier();
    check(new DistributedBarrier(three.get(1), "/barrier").waitOnBarrier(PATIENCE_S, TimeUnit.SECONDS), "barrier");
    List<Callable<Integer>> work = new ArrayList<>();
    AtomicInteger inside = new AtomicInteger();
    for (CuratorFramework client : three) {
      work.add(() -> {
        DistributedDoubleBarrier both = new DistributedDoubleBarrier(client, "/double", three.size());
        inside.incrementAndGet();
        check(both.enter(PATIENCE_S, TimeUnit.SECONDS), "enter");
        int seen = inside.get();
        check(both.leave(PATIENCE_S, TimeUnit.SECONDS), "leave");
        return seen;
      });
    }
    check(all(work).equals(List.of(3, 3, 3)), "who was inside");
    SimpleDistributedQueue queue = new SimpleDistributedQueue(three.get(0), "/queue");
    SimpleDistributedQueue far = new SimpleDistributedQueue(three.get(1), "/queue");
    for (int i = 0; i < 5; ++i) queue.offer(bytes(i));
    sync(three.get(1));
    for (int i = 0; i < 5; ++i) check(text(far.take()).equals("" + i), "the queue's order");
    check(far.poll() == null, "an empty queue");
    // What is in one queue, and who waits at another.
    for (int i = 0; i < 5; ++i) queue.offer(bytes(i));
    SimpleDistributedQueue awaited = new SimpleDistributedQueue(three.get(2), "/awaited");
    Future<byte[]> waiting = threads.submit(() -> awaited.take());
    await(() -> three.get(2).checkExists().forPath("/awaited") != null, "who waits");
    strike();
    struck();
    sync(three.get(1));
    for (int i = 0; i < 5; ++i) check(text(far.take()).equals("" + i), "the queue's order behind a strike");
    check(!waiting.isDone(), "something out of nothing");
    new SimpleDistributedQueue(three.get(0), "/awaited").offer(bytes("at last"));
    check(text(waiting.get(PATIENCE_S, TimeUnit.SECONDS)).equals("at last"), "what was waited for");
  }

  private static void transactions(CuratorFramework client, CuratorFramework other) throws Exception {
    List<CuratorTransactionResult> results = client.transaction().forOperations(
        client.transactionOp().create().forPath("/multi", bytes("a")),
        client.transactionOp().create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath("/multi/s-"),
        client.transactionOp().setData().withVersion(0).forPath("/multi", bytes("b")),
        client.transactionOp().check().withVersion(1).forPath("/multi"));
    check(results.get(1).getResultPath().equals("/multi/s-0000000000"), results.get(1).getResultPath());
    check(results.get(2).getResultStat().getVersion() == 1, results.get(2).getResultStat());
    sync(other);
    try {
      other.transaction().forOperations(
          other.transactionOp().setData().forPath("/multi", bytes("c")),
          other.transactionOp().delete().withVersion(7).forPath("/multi/s-0000000000"));
      check(false, "a transaction with a wrong version");
    } catch (KeeperException.BadVersionException error) {
      check(error.getResults().get(0) instanceof org.apache.zookeeper.OpResult.ErrorResult, error.getResults());
    }
    check(text(other.getData().forPath("/multi")).equals("b"), "half of a transaction");
  }

  private static int number(CuratorFramework client, String path, Stat stat) throws Exception {
    return Integer.parseInt(text(client.getData().storingStatIn(stat).forPath(path)));
  }

  /** Each transaction takes from one account what it gives to the other. */
  private static void accounts(List<CuratorFramework> three) throws Exception {
    for (String path : List.of("/left", "/right")) three.get(0).create().forPath(path, bytes(100));
    for (CuratorFramework client : three) sync(client);
    AtomicInteger moved = new AtomicInteger();
    AtomicBoolean stop = new AtomicBoolean();
    List<Callable<Object>> work = new ArrayList<>();
    for (CuratorFramework client : three) {
      work.add(() -> {
        while (!stop.get()) {
          Stat left = new Stat();
          Stat right = new Stat();
          int from = number(client, "/left", left);
          int to = number(client, "/right", right);
          try {
            client.transaction().forOperations(
                client.transactionOp().setData().withVersion(left.getVersion()).forPath("/left", bytes(from - 1)),
                client.transactionOp().setData().withVersion(right.getVersion()).forPath("/right", bytes(to + 1)));
            moved.incrementAndGet();
          } catch (KeeperException.BadVersionException another) {
            // Somebody was quicker, or this transaction itself before its answer was cut off.
          }
        }
        return null;
      });
    }
    Future<List<Object>> done = threads.submit(() -> all(work));
    await(() -> moved.get() > 20 || done.isDone(), "transactions");
    strike();
    struck();
    int before = moved.get();
    await(() -> moved.get() > before + 20 || done.isDone(), "transactions behind the strike");
    stop.set(true);
    done.get();
    for (CuratorFramework client : three) {
      sync(client);
      Stat left = new Stat();
      Stat right = new Stat();
      int sum = number(client, "/left", left) + number(client, "/right", right);
      check(sum == 200 && left.getVersion() == right.getVersion(), "half of a transaction: " + sum);
      check(left.getVersion() >= moved.get(), "a transaction is gone");
    }
  }

  private static void nodes(CuratorFramework client, CuratorFramework other) throws Exception {
    PersistentNode node = new PersistentNode(client, CreateMode.EPHEMERAL, false, "/held", bytes("x"));
    node.start();
    check(node.waitForInitialCreate(PATIENCE_S, TimeUnit.SECONDS), "the node");
    sync(other);
    long first = other.checkExists().forPath("/held").getCzxid();
    strike();
    struck();
    sync(other);
    Stat held = other.checkExists().forPath("/held");
    check(held.getCzxid() == first && held.getEphemeralOwner() == session(client), "a session was lost");
    other.delete().forPath("/held");
    await(() -> {
      Stat stat = other.checkExists().forPath("/held");
      return stat != null && stat.getCzxid() != first;
    }, "the node again");
    node.close();
    await(() -> other.checkExists().forPath("/held") == null, "the end of the node");
    client.create().withMode(CreateMode.CONTAINER).forPath("/container");
    client.create().forPath("/container/child");
    client.delete().forPath("/container/child");
    String protectedPath = client.create().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/p-");
    check(protectedPath.matches("/_c_[-0-9a-f]{36}-p-\\d{10}"), protectedPath);
    check(client.create().idempotent().withMode(CreateMode.PERSISTENT).forPath("/idem", bytes(1)).equals("/idem"), "");
    check(client.create().idempotent().withMode(CreateMode.PERSISTENT).forPath("/idem", bytes(1)).equals("/idem"), "");
    CuratorFramework inside = client.usingNamespace("name/space");
    inside.create().creatingParentsIfNeeded().forPath("/below", bytes("n"));
    check(text(client.getData().forPath("/name/space/below")).equals("n"), "the namespace");
  }

  private static void identities(CuratorFramework ann, CuratorFramework stranger) throws Exception {
    List<ACL> acl = List.of(new ACL(ZooDefs.Perms.ALL,
        new Id("digest", DigestAuthenticationProvider.generateDigest("ann:secret"))));
    ann.create().withACL(acl).forPath("/mine", bytes("secret"));
    check(ann.getACL().forPath("/mine").equals(acl), ann.getACL().forPath("/mine"));
    sync(stranger);
    try {
      stranger.getData().forPath("/mine");
      check(false, "a stranger reads");
    } catch (KeeperException.NoAuthException expected) {
      check(text(ann.getData().forPath("/mine")).equals("secret"), "the owner reads");
    }
    strike();
    struck();
    ann.setData().forPath("/mine", bytes("still"));
    sync(stranger);
    try {
      stranger.setData().forPath("/mine", bytes("theirs"));
      check(false, "a stranger writes");
    } catch (KeeperException.NoAuthException expected) {
      check(text(ann.getData().forPath("/mine")).equals("still"), "the owner reads");
    }
  }

  private static void expiry(CuratorFramework keeper, CuratorFramework victim) throws Exception {
    LeaderLatch first = new LeaderLatch(victim, "/expiry");
    first.start();
    await(first::hasLeadership, "leadership");
    LeaderLatch second = new LeaderLatch(keeper, "/expiry");
    second.start();
    org.apache.zookeeper.ZooKeeper handle = victim.getZookeeperClient().getZooKeeper();
    long session = handle.getSessionId();
    check(!lost.get(), "a session was lost under the strikes");
    // The same session from elsewhere, closed there; again if the victim has come back and taken it before that.
    await(() -> {
      if (second.hasLeadership()) return true;
      CountDownLatch there = new CountDownLatch(1);
      org.apache.zookeeper.ZooKeeper twin = new org.apache.zookeeper.ZooKeeper(
          victim.getZookeeperClient().getCurrentConnectionString(), 4000, event -> there.countDown(), session,
          handle.getSessionPasswd());
      check(there.await(PATIENCE_S, TimeUnit.SECONDS), "the session elsewhere");
      twin.close();
      return false;
    }, "the next leader");
    await(lost::get, "LOST");
    await(() -> session(victim) != session, "a new session");
    check(!first.hasLeadership(), "the expired one leads still");
    first.close();
    second.close();
  }

  private static void refuse(CuratorFramework client, String path) throws Exception {
    sync(client);
    try {
      client.setData().forPath(path, bytes("theirs"));
      check(false, "somebody else writes");
    } catch (KeeperException.NoAuthException expected) {
      check(expected.getPath().equals(path), expected);
    }
  }

  /** Clients whom their connections identify, behind a strike too. */
  private static void people(CuratorFramework ann, CuratorFramework bob, CuratorFramework stranger, Id id)
      throws Exception {
    ann.create().withACL(ZooDefs.Ids.CREATOR_ALL_ACL).forPath("/anns", bytes(1));
    check(ann.getACL().forPath("/anns").equals(List.of(new ACL(ZooDefs.Perms.ALL, id))), ann.getACL().forPath("/anns"));
    ann.create().withMode(CreateMode.EPHEMERAL).forPath("/live");
    long session = session(ann);
    refuse(bob, "/anns");
    refuse(stranger, "/anns");
    locks(List.of(ann, bob, stranger));  // under a strike
    ann.setData().forPath("/anns", bytes(2));
    refuse(bob, "/anns");
    refuse(stranger, "/anns");
    check(text(ann.getData().forPath("/anns")).equals("2"), "the owner reads");
    check(session(ann) == session && !lost.get(), "a session was lost");
    check(bob.checkExists().forPath("/live").getEphemeralOwner() == session, "an ephemeral was lost");
  }

  private static void readOnly(String hosts, int sessionMs) throws Exception {
    CuratorFramework writer = started(builder(hosts, sessionMs));
    writer.create().forPath("/kept", bytes(1));
    for (String host : hosts.split(",")) {
      CuratorFramework there = started(builder(host, sessionMs).ensembleTracker(false));
      sync(there);
      there.close();
    }
    writer.close();
    System.out.println("alone");
    struck();
    CuratorFramework reader = builder(hosts, sessionMs).canBeReadOnly(true).build();
    clients.add(reader);
    ConcurrentLinkedQueue<ConnectionState> states = new ConcurrentLinkedQueue<>();
    reader.getConnectionStateListenable().addListener((who, state) -> states.add(state));
    reader.start();
    await(() -> states.contains(ConnectionState.READ_ONLY), "a server for reads");
    check(text(reader.getData().forPath("/kept")).equals("1"), "what was written");
    try {
      reader.setData().forPath("/kept", bytes(2));
      check(false, "a write without a quorum");
    } catch (KeeperException.NotReadOnlyException expected) {
      check(text(reader.getData().forPath("/kept")).equals("1"), "what was written");
    }
    states.clear();
    System.out.println("together");
    struck();
    await(() -> states.contains(ConnectionState.CONNECTED), "a server for writes");
    reader.setData().forPath("/kept", bytes(2));
    check(text(reader.getData().forPath("/kept")).equals("2"), "what is written");
  }

  private static Map<String, Callable<Object>> recipes(String hosts, int sessionMs) {
    List<CuratorFramework> three = new ArrayList<>();
    three.add(started(builder(hosts, sessionMs).authorization("digest", bytes("ann:secret"))));
    for (int i = 1; i < 3; ++i) three.add(started(builder(hosts, sessionMs)));
    CuratorFramework one = three.get(0);
    CuratorFramework two = three.get(1);
    Map<String, Callable<Object>> scenarios = new java.util.LinkedHashMap<>();
    scenarios.put("locks", () -> { locks(three); return null; });
    scenarios.put("leaders", () -> { leaders(three); return null; });
    scenarios.put("caches", () -> { caches(one, two); return null; });
    scenarios.put("watches", () -> { watches(one, two, three.get(2)); return null; });
    scenarios.put("counters", () -> { counters(three); return null; });
    scenarios.put("barriers and queues", () -> { barriersAndQueues(three); return null; });
    scenarios.put("transactions", () -> { transactions(one, two); accounts(three); return null; });
    scenarios.put("nodes", () -> { nodes(one, two); return null; });
    scenarios.put("identities", () -> { identities(one, two); return null; });
    scenarios.put("expiry", () -> { expiry(one, three.get(2)); return null; });
    return scenarios;
  }

  private static CuratorFramework person(String hosts, int sessionMs, String properties) throws Exception {
    return started(builder(hosts, sessionMs).zkClientConfig(new ZKClientConfig(new File(properties))));
  }

  public static void main(String[] arguments) throws Exception {
    String hosts = arguments[0];
    int sessionMs = Integer.parseInt(arguments[1]);
    Map<String, Callable<Object>> scenarios = new java.util.LinkedHashMap<>();
    if (arguments[2].equals("recipes")) {
      scenarios = recipes(hosts, sessionMs);
    } else if (arguments[2].equals("read-only")) {
      scenarios.put("read-only", () -> { readOnly(hosts, sessionMs); return null; });
    } else {
      scenarios.put("people", () -> {
        people(person(hosts, sessionMs, arguments[5]), person(hosts, sessionMs, arguments[6]),
            person(hosts, sessionMs, arguments[7]), new Id(arguments[3], arguments[4]));
        return null;
      });
    }
    int status = 0;
    for (Map.Entry<String, Callable<Object>> scenario : scenarios.entrySet()) {
      try {
        scenario.getValue().call();
      } catch (Throwable error) {
        System.out.println("failed " + scenario.getKey());
        error.printStackTrace(System.out);
        status = 1;
        break;
      }
      System.out.println("ok " + scenario.getKey());
    }
    for (CuratorFramework client : clients) client.close();
    System.out.flush();
    Runtime.getRuntime().halt(status);
  }
}
