// The Go client, as one program: go_client HOSTS SESSION_MS, or, for clients behind TLS, go_client HOSTS SESSION_MS
// CA ID ANN ANNS_KEY BOB BOBS_KEY with the files of their certificates and ann's x509 id. It prints "strike" where the
// servers shall be killed and started again, and waits for a line when it wants that to be over. What it finds is
// "ok NAME" lines; the first thing that is wrong ends it with 1.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/samuel/go-zookeeper/zk"
)

const patience = 30 * time.Second

var open = zk.WorldACL(zk.PermAll)

type silent struct{}

func (silent) Printf(string, ...interface{}) {}

func check(fact bool, what ...interface{}) {
	if !fact {
		fmt.Println(append([]interface{}{"failed:"}, what...)...)
		os.Exit(1)
	}
}

func expect(wanted, got error, what string) { check(wanted == got, what, got) }

func connect(dial zk.Dialer) (*zk.Conn, *int32) {
	ms, _ := strconv.Atoi(os.Args[2])
	expired := new(int32)
	conn, events, err := zk.Connect(strings.Split(os.Args[1], ","), time.Duration(ms)*time.Millisecond,
		zk.WithLogger(silent{}), zk.WithDialer(dial))
	expect(nil, err, "connect")
	here := make(chan struct{})
	go func() {
		first := true
		for event := range events {
			if event.State == zk.StateHasSession && first {
				first = false
				close(here)
			}
			if event.State == zk.StateExpired {
				atomic.StoreInt32(expired, 1)
			}
		}
	}()
	select {
	case <-here:
	case <-time.After(patience):
		check(false, "no session")
	}
	return conn, expired
}

// isCutOff tells whether a strike came between the request and its answer.
func isCutOff(err error) bool { return err == zk.ErrConnectionClosed || err == zk.ErrNoServer }

// atLast asks again until a strike no longer cuts the request off.
func atLast(request func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := request()
		if !isCutOff(err) || time.Now().After(deadline) {
			return err
		}
	}
}

func await(holds func() bool, what string) {
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		check(time.Now().Before(deadline), "never came:", what)
	}
}

// progress returns what waits until the counter has grown by so much.
func progress(counter *int32, by int32) func() bool {
	goal := atomic.LoadInt32(counter) + by
	return func() bool { return atomic.LoadInt32(counter) >= goal }
}

func synced(conn *zk.Conn) {
	expect(nil, atLast(func() error { _, err := conn.Sync("/"); return err }), "sync")
}

func create(conn *zk.Conn, path, data string) {
	_, err := conn.Create(path, []byte(data), 0, open)
	expect(nil, err, "create "+path)
}

func strike() {
	fmt.Println("strike")
	line := make([]byte, 1)
	_, err := os.Stdin.Read(line)
	expect(nil, err, "the end of the strike")
}

func told(events <-chan zk.Event, kind zk.EventType, path string) {
	select {
	case event := <-events:
		check(event.Type == kind && event.Path == path, "told", event)
	case <-time.After(patience):
		check(false, "never told of", path)
	}
}

func operations(conn *zk.Conn) {
	path, err := conn.Create("/go", []byte("1"), 0, open)
	check(err == nil && path == "/go", path, err)
	_, err = conn.Create("/go", nil, 0, open)
	expect(zk.ErrNodeExists, err, "create again")
	_, err = conn.Create("/none/x", nil, 0, open)
	expect(zk.ErrNoNode, err, "create below nothing")
	stat, err := conn.Set("/go", []byte("22"), 0)
	check(err == nil && stat.Version == 1 && stat.DataLength == 2, stat, err)
	_, err = conn.Set("/go", nil, 0)
	expect(zk.ErrBadVersion, err, "an old version")
	path, err = conn.Create("/go/s-", nil, zk.FlagSequence, open)
	check(err == nil && path == "/go/s-0000000000", path, err)
	expect(zk.ErrNotEmpty, conn.Delete("/go", -1), "delete")
	names, stat, err := conn.Children("/go")
	check(err == nil && len(names) == 1 && stat.NumChildren == 1, names, err)
	results, err := conn.Multi(&zk.CreateRequest{Path: "/m", Data: []byte("a"), Acl: open},
		&zk.SetDataRequest{Path: "/m", Data: []byte("b"), Version: 0}, &zk.CheckVersionRequest{Path: "/m", Version: 1})
	check(err == nil && len(results) == 3 && results[0].String == "/m" && results[1].Stat.Version == 1, results, err)
	results, err = conn.Multi(&zk.SetDataRequest{Path: "/m", Data: []byte("c"), Version: 1},
		&zk.DeleteRequest{Path: "/m", Version: 9})
	check(err == zk.ErrBadVersion && results[1].Error == zk.ErrBadVersion, results, err)
	data, _, err := conn.Get("/m")
	check(err == nil && string(data) == "b", string(data), err)
}

func identities(ann, stranger *zk.Conn) {
	expect(nil, ann.AddAuth("digest", []byte("ann:secret")), "the identity")
	_, err := ann.Create("/mine", nil, 0, zk.DigestACL(zk.PermAll, "ann", "secret"))
	expect(nil, err, "create")
	_, err = stranger.Sync("/")
	expect(nil, err, "sync")
	_, err = stranger.Set("/mine", nil, -1)
	expect(zk.ErrNoAuth, err, "a stranger")
	strike()
	expect(nil, atLast(func() error { _, err := ann.Set("/mine", []byte("x"), -1); return err }), "the owner")
	expect(zk.ErrNoAuth, atLast(func() error { _, err := stranger.Set("/mine", nil, -1); return err }), "a stranger")
}

func watches(writer, reader *zk.Conn) {
	for _, path := range []string{"/w", "/p"} { // two, for this client shows a change of data to watches of children too
		_, err := writer.Create(path, nil, 0, open)
		expect(nil, err, "create")
	}
	_, err := reader.Sync("/")
	expect(nil, err, "sync")
	_, _, data, err := reader.GetW("/w")
	expect(nil, err, "watch of data")
	_, _, children, err := reader.ChildrenW("/p")
	expect(nil, err, "watch of children")
	_, _, created, err := reader.ExistsW("/p/c")
	expect(nil, err, "watch of what is not there")
	strike() // the client takes its watches up again
	expect(nil, atLast(func() error { _, err := writer.Set("/w", []byte("x"), -1); return err }), "set")
	told(data, zk.EventNodeDataChanged, "/w")
	expect(nil, atLast(func() error { _, err := writer.Create("/p/c", nil, 0, open); return err }), "create")
	told(children, zk.EventNodeChildrenChanged, "/p")
	told(created, zk.EventNodeCreated, "/p/c")
}

// locks are the library's own. It gives a lock up when a strike cuts its requests off, and leaves its znode behind: who
// lives on with the same session is behind that znode for ever, so it takes another session, as its users have to.
func locks(dial zk.Dialer) {
	var inside, sections, stop int32
	var group sync.WaitGroup
	for i := 0; i < 3; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			conn, _ := connect(dial)
			lock := zk.NewLock(conn, "/lock", open)
			for atomic.LoadInt32(&stop) == 0 {
				err := lock.Lock()
				if err == nil {
					check(atomic.AddInt32(&inside, 1) == 1, "two inside")
					atomic.AddInt32(&inside, -1)
					atomic.AddInt32(&sections, 1)
					err = lock.Unlock()
				}
				if err != nil {
					check(isCutOff(err), "a lock", err)
					conn.Close()
					conn, _ = connect(dial)
					lock = zk.NewLock(conn, "/lock", open)
				}
			}
			conn.Close()
		}()
	}
	await(progress(&sections, 20), "locks")
	strike()
	await(progress(&sections, 20), "locks behind the strike")
	atomic.StoreInt32(&stop, 1)
	group.Wait()
}

// elections: the lowest number leads, and each watches the one before it.
func elections(conns []*zk.Conn) {
	create(conns[0], "/election", "")
	paths := []string{}
	gone := []<-chan zk.Event{nil}
	for i, conn := range conns {
		synced(conn)
		path, err := conn.CreateProtectedEphemeralSequential("/election/n-", nil, open)
		expect(nil, err, "a candidate")
		paths = append(paths, path)
		if i > 0 {
			there, _, before, err := conn.ExistsW(paths[i-1])
			check(there && err == nil, "the one before", err)
			gone = append(gone, before)
		}
	}
	strike()
	for i, conn := range conns {
		var stat *zk.Stat
		expect(nil, atLast(func() error { _, now, err := conn.Exists(paths[i]); stat = now; return err }), "exists")
		check(stat.EphemeralOwner == conn.SessionID(), "a candidate is gone")
	}
	for i := range conns[1:] {
		select {
		case event := <-gone[i+1]:
			check(false, "two lead", event)
		default:
		}
		expect(nil, atLast(func() error { return conns[i].Delete(paths[i], -1) }), "abdicate")
		told(gone[i+1], zk.EventNodeDeleted, paths[i])
	}
	expect(nil, conns[len(conns)-1].Delete(paths[len(conns)-1], -1), "the last one")
}

// caches: one client keeps by its watches what is below a znode, while another changes that.
func caches(writer, reader *zk.Conn) {
	create(writer, "/cached", "")
	synced(reader)
	var lock sync.Mutex
	cache := map[string]string{}
	follow := func(path string) {
		for {
			data, _, changed, err := reader.GetW(path)
			lock.Lock()
			if err == nil {
				cache[path] = string(data)
			} else if err == zk.ErrNoNode {
				delete(cache, path)
			}
			lock.Unlock()
			if err == zk.ErrNoNode {
				there := false
				if there, _, changed, err = reader.ExistsW(path); there {
					continue
				}
			}
			if err == nil {
				expect(nil, (<-changed).Err, "a watch of "+path)
				continue
			}
			check(isCutOff(err), "cache", err)
			time.Sleep(5 * time.Millisecond)
		}
	}
	go func() {
		followed := map[string]bool{}
		for {
			names, _, changed, err := reader.ChildrenW("/cached")
			if err != nil {
				check(isCutOff(err), "cache", err)
				time.Sleep(5 * time.Millisecond)
				continue
			}
			for _, name := range names {
				if !followed[name] {
					followed[name] = true
					go follow("/cached/" + name)
				}
			}
			expect(nil, (<-changed).Err, "a watch of the children")
		}
	}()
	var rounds, stop int32
	tree := map[string]string{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; atomic.LoadInt32(&stop) == 0; atomic.AddInt32(&rounds, 1) {
			round := int(atomic.LoadInt32(&rounds))
			path, data := fmt.Sprintf("/cached/%d", round%7), fmt.Sprint(round)
			err := atLast(func() error { _, err := writer.Create(path, []byte(data), 0, open); return err })
			if err == zk.ErrNodeExists {
				err = atLast(func() error { _, err := writer.Set(path, []byte(data), -1); return err })
			}
			expect(nil, err, "a write")
			tree[path] = data
			if round%5 == 0 {
				path = fmt.Sprintf("/cached/%d", (round+3)%7)
				err = atLast(func() error { return writer.Delete(path, -1) })
				check(err == nil || err == zk.ErrNoNode, "delete", err)
				delete(tree, path)
			}
		}
	}()
	await(progress(&rounds, 40), "writes")
	strike()
	await(progress(&rounds, 40), "writes behind the strike")
	atomic.StoreInt32(&stop, 1)
	<-done
	check(len(tree) > 3, tree)
	await(func() bool {
		lock.Lock()
		defer lock.Unlock()
		return reflect.DeepEqual(cache, tree)
	}, "the cache to be as the tree")
}

// queues: an item is taken by the transaction that notes that it is done, so however often a strike cuts requests off,
// each is taken once, and in order.
func queues(conns []*zk.Conn) {
	for _, path := range []string{"/queue", "/done"} {
		create(conns[0], path, "")
	}
	var group sync.WaitGroup
	var put, taken, stop, closed int32
	group.Add(1)
	go func() {
		defer group.Done()
		defer atomic.StoreInt32(&closed, 1)
		for ; atomic.LoadInt32(&stop) == 0; atomic.AddInt32(&put, 1) {
			item := fmt.Sprintf("/queue/%06d", atomic.LoadInt32(&put))
			err := atLast(func() error { _, err := conns[0].Create(item, nil, 0, open); return err })
			check(err == nil || err == zk.ErrNodeExists, "put", err)
		}
	}()
	for _, conn := range conns[1:] {
		synced(conn)
		group.Add(1)
		go func(conn *zk.Conn) {
			defer group.Done()
			for {
				ended := atomic.LoadInt32(&closed) == 1
				if ended {
					synced(conn)
				}
				var names []string
				expect(nil, atLast(func() error { now, _, err := conn.Children("/queue"); names = now; return err }), "look")
				if len(names) == 0 {
					if ended {
						return
					}
					time.Sleep(time.Millisecond)
					continue
				}
				sort.Strings(names)
				_, err := conn.Multi(&zk.DeleteRequest{Path: "/queue/" + names[0], Version: -1},
					&zk.CreateRequest{Path: "/done/" + names[0], Acl: open})
				check(err == nil || err == zk.ErrNoNode || isCutOff(err), "take", err)
				if err == nil {
					atomic.AddInt32(&taken, 1)
				}
			}
		}(conn)
	}
	await(progress(&taken, 20), "items")
	strike()
	await(progress(&taken, 20), "items behind the strike")
	atomic.StoreInt32(&stop, 1)
	group.Wait()
	synced(conns[0])
	names, _, err := conns[0].Children("/done")
	check(err == nil && len(names) == int(put) && put >= taken, "done", len(names), "put", put, "taken", taken, err)
	sort.Strings(names)
	last := int64(0)
	for i, name := range names {
		_, stat, err := conns[0].Exists("/done/" + name)
		check(err == nil && name == fmt.Sprintf("%06d", i) && stat.Czxid > last, "item", name, stat, err)
		last = stat.Czxid
	}
}

// accounts: each transaction takes from one what it gives to the other.
func accounts(conns []*zk.Conn) {
	paths := []string{"/left", "/right"}
	for _, path := range paths {
		create(conns[0], path, "100")
	}
	var group sync.WaitGroup
	var moved, stop int32
	for _, conn := range conns {
		synced(conn)
		group.Add(1)
		go func(conn *zk.Conn) {
			defer group.Done()
			for atomic.LoadInt32(&stop) == 0 {
				var held, version [2]int
				for i, path := range paths {
					expect(nil, atLast(func() error {
						data, stat, err := conn.Get(path)
						if err == nil {
							held[i], _ = strconv.Atoi(string(data))
							version[i] = int(stat.Version)
						}
						return err
					}), "look")
				}
				_, err := conn.Multi(
					&zk.SetDataRequest{Path: paths[0], Data: []byte(fmt.Sprint(held[0] - 1)), Version: int32(version[0])},
					&zk.SetDataRequest{Path: paths[1], Data: []byte(fmt.Sprint(held[1] + 1)), Version: int32(version[1])})
				check(err == nil || err == zk.ErrBadVersion || isCutOff(err), "move", err)
				if err == nil {
					atomic.AddInt32(&moved, 1)
				}
			}
		}(conn)
	}
	await(progress(&moved, 20), "transactions")
	strike()
	await(progress(&moved, 20), "transactions behind the strike")
	atomic.StoreInt32(&stop, 1)
	group.Wait()
	for _, conn := range conns {
		synced(conn)
		left, one, err := conn.Get(paths[0])
		expect(nil, err, "left")
		right, other, err := conn.Get(paths[1])
		expect(nil, err, "right")
		from, _ := strconv.Atoi(string(left))
		to, _ := strconv.Atoi(string(right))
		check(from+to == 200 && one.Version == other.Version && one.Version >= moved, "accounts", from, to, moved)
	}
}

func sessions(conns []*zk.Conn, expired []*int32) {
	ids := []int64{}
	for i, conn := range conns {
		ids = append(ids, conn.SessionID())
		_, err := conn.Create(fmt.Sprintf("/live%d", i), nil, zk.FlagEphemeral, open)
		expect(nil, err, "an ephemeral")
	}
	strike()
	for i, conn := range conns {
		expect(nil, atLast(func() error { _, err := conn.Sync("/"); return err }), "sync")
		there, stat, err := conn.Exists(fmt.Sprintf("/live%d", i))
		check(err == nil && there && stat.EphemeralOwner == ids[i] && conn.SessionID() == ids[i], "a session", stat, err)
		check(atomic.LoadInt32(expired[i]) == 0, "a live session has expired")
	}
	there, _, gone, err := conns[1].ExistsW("/live0")
	check(there && err == nil, "the ephemeral", err)
	conns[0].Close()
	told(gone, zk.EventNodeDeleted, "/live0")
}

// shows is a dialer of TLS connections that show a certificate, and that believe the authority alone: it names no hosts.
func shows(authority, certificate, key string) zk.Dialer {
	pem, err := os.ReadFile(authority)
	expect(nil, err, "the authority")
	roots := x509.NewCertPool()
	check(roots.AppendCertsFromPEM(pem), "the authority")
	own, err := tls.LoadX509KeyPair(certificate, key)
	expect(nil, err, "the certificate")
	config := &tls.Config{Certificates: []tls.Certificate{own}, InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots})
			return err
		}}
	return func(network, address string, timeout time.Duration) (net.Conn, error) {
		return tls.DialWithDialer(&net.Dialer{Timeout: timeout}, network, address, config)
	}
}

// people are clients whom their certificates identify.
func people(ann, bob, stranger *zk.Conn, id string) {
	_, err := ann.Create("/anns", nil, 0, zk.AuthACL(zk.PermAll))
	expect(nil, err, "create")
	acl, _, err := ann.GetACL("/anns")
	check(err == nil && len(acl) == 1 && acl[0].Scheme == "x509" && acl[0].ID == id, acl, err)
	_, err = ann.Create("/live", nil, zk.FlagEphemeral, open)
	expect(nil, err, "an ephemeral")
	synced(bob)
	_, _, changed, err := bob.GetW("/live")
	expect(nil, err, "a watch")
	session := ann.SessionID()
	strike()
	expect(nil, atLast(func() error { _, err := ann.Set("/anns", []byte("x"), -1); return err }), "the owner")
	for _, other := range []*zk.Conn{bob, stranger} {
		synced(other)
		_, err = other.Set("/anns", nil, -1)
		expect(zk.ErrNoAuth, err, "somebody else")
	}
	_, stat, err := bob.Exists("/live")
	check(err == nil && stat.EphemeralOwner == session && ann.SessionID() == session, "a session was lost", stat, err)
	_, err = ann.Set("/live", []byte("x"), -1)
	expect(nil, err, "set")
	told(changed, zk.EventNodeDataChanged, "/live")
}

func main() {
	if len(os.Args) > 3 {
		dial := shows(os.Args[3], os.Args[5], os.Args[6])
		ann, _ := connect(dial)
		bob, _ := connect(shows(os.Args[3], os.Args[7], os.Args[8]))
		stranger, _ := connect(net.DialTimeout)
		people(ann, bob, stranger, os.Args[4])
		fmt.Println("ok people")
		locks(dial)
		fmt.Println("ok locks")
		return
	}
	conns := []*zk.Conn{}
	expired := []*int32{}
	for i := 0; i < 3; i++ {
		conn, flag := connect(net.DialTimeout)
		conns, expired = append(conns, conn), append(expired, flag)
	}
	operations(conns[0])
	fmt.Println("ok operations")
	locks(net.DialTimeout)
	fmt.Println("ok locks")
	elections(conns)
	fmt.Println("ok elections")
	caches(conns[0], conns[1])
	fmt.Println("ok caches")
	queues(conns)
	fmt.Println("ok queues")
	accounts(conns)
	fmt.Println("ok transactions")
	identities(conns[0], conns[1])
	fmt.Println("ok identities")
	watches(conns[0], conns[1])
	fmt.Println("ok watches")
	sessions(conns, expired)
	fmt.Println("ok sessions")
}
