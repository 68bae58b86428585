// Has ZooKeeper load data directories as its servers do when they start, all in one process, and
// writes down what it holds then. For each line of the input, "member|standalone FOLDER": the
// directory FOLDER/data (logs in FOLDER/logs, if there is one) is loaded, and FOLDER/apache holds
// the tree (tests/simulation/image_sample.h has the form), FOLDER/apache_epochs both epochs of a
// member; or, when it refuses, FOLDER/refused the reason. Prints how many were loaded.
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.StatPersisted;
import org.apache.zookeeper.server.DataNode;
import org.apache.zookeeper.server.DataTree;
import org.apache.zookeeper.server.ZKDatabase;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;
import org.apache.zookeeper.server.quorum.QuorumPeer;

public final class LoadDirectories {
  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    int loaded = 0;
    int refused = 0;
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      int blank = line.indexOf(' ');
      File folder = new File(line.substring(blank + 1));
      try {
        load(folder, line.substring(0, blank).equals("member"));
        ++loaded;
      } catch (Exception | Error e) {
        write(folder, "refused", whole(e));
        ++refused;
      }
    }
    System.out.println(loaded + " loaded, " + refused + " refused");
  }

  private static void load(File folder, boolean member) throws Exception {
    File data = new File(folder, "data");
    File logs = new File(folder, "logs");
    FileTxnSnapLog files = new FileTxnSnapLog(logs.exists() ? logs : data, data);
    ZKDatabase database = new ZKDatabase(files);
    try {
      if (member) {
        QuorumPeer peer = new QuorumPeer();
        peer.setTxnFactory(files);
        peer.setZKDatabase(database);
        Method start = QuorumPeer.class.getDeclaredMethod("loadDataBase");
        start.setAccessible(true);
        start.invoke(peer);
        write(folder, "apache_epochs", peer.getAcceptedEpoch() + " " + peer.getCurrentEpoch() + "\n");
      } else {
        database.loadDataBase();
      }
      write(folder, "apache", text(database));
    } catch (InvocationTargetException e) {
      throw e.getCause() instanceof Exception ? (Exception) e.getCause() : e;
    } finally {
      database.close();
    }
  }

  private static String text(ZKDatabase database) throws Exception {
    DataTree tree = database.getDataTree();
    StringBuilder out = new StringBuilder();
    out.append("zxid ").append(Long.toHexString(tree.lastProcessedZxid)).append('\n');
    out.append("digest ").append(tree.getTreeDigest()).append('\n');
    for (Map.Entry<Long, Integer> session : new TreeMap<>(database.getSessionWithTimeOuts()).entrySet()) {
      out.append("session ").append(Long.toHexString(session.getKey())).append(' ').append(session.getValue()).append('\n');
    }
    List<String> lines = new ArrayList<>();
    nodes(tree, "/", lines);
    Collections.sort(lines);
    for (String line : lines) out.append(line);
    return out.toString();
  }

  private static void nodes(DataTree tree, String path, List<String> lines) {
    DataNode node = tree.getNode(path);
    StringBuilder line = new StringBuilder("node ").append(escaped(path)).append(" data=");
    synchronized (node) {
      byte[] data = node.getData();
      if (data == null) {
        line.append("null");
      } else {
        for (byte b : data) line.append(String.format("%02x", b));
      }
      StatPersisted s = node.stat;
      line.append(String.format(" stat=%x,%x,%d,%d,%d,%d,%d,%x,%x", s.getCzxid(), s.getMzxid(), s.getCtime(),
          s.getMtime(), s.getVersion(), s.getCversion(), s.getAversion(), s.getEphemeralOwner(), s.getPzxid()));
    }
    for (ACL acl : tree.getACL(node)) {
      line.append(" acl=").append(acl.getPerms()).append(':').append(escaped(acl.getId().getScheme())).append(':')
          .append(escaped(acl.getId().getId()));
    }
    lines.add(line.append('\n').toString());
    for (String child : node.getChildren()) nodes(tree, path.equals("/") ? "/" + child : path + "/" + child, lines);
  }

  private static String escaped(String text) {
    StringBuilder out = new StringBuilder();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      if (b > ' ' && b < 0x7f && b != '\\') {
        out.append((char) b);
      } else {
        out.append(String.format("\\x%02x", b));
      }
    }
    return out.toString();
  }

  private static String whole(Throwable e) {
    StringWriter text = new StringWriter();
    e.printStackTrace(new PrintWriter(text));
    return text.toString();
  }

  private static void write(File folder, String name, String text) throws Exception {
    Files.write(new File(folder, name).toPath(), text.getBytes(StandardCharsets.UTF_8));
  }
}
