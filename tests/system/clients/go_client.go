// The Go client, as one program: go_client HOSTS SESSION_MS. It prints "strike" where the servers shall be killed
// and started again, and waits for a line when it wants that to be over. What it finds is "ok NAME" lines; the first
// thing that is wrong ends it with 1.
package main

import (
	"fmt"
	"os"
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

func connect() (*zk.Conn, *int32) {
	ms, _ := strconv.Atoi(os.Args[2])
	expired := new(int32)
	conn, events, err := zk.Connect(strings.Split(os.Args[1], ","), time.Duration(ms)*time.Millisecond,
		zk.WithLogger(silent{}))
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

// atLast asks again until a strike no longer cuts the request off.
func atLast(request func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := request()
		if err != zk.ErrConnectionClosed && err != zk.ErrNoServer || time.Now().After(deadline) {
			return err
		}
	}
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

func locks(conns []*zk.Conn) {
	var inside, sections int32
	var group sync.WaitGroup
	var stop int32
	for _, conn := range conns {
		group.Add(1)
		go func(conn *zk.Conn) {
			defer group.Done()
			lock := zk.NewLock(conn, "/lock", open)
			for atomic.LoadInt32(&stop) == 0 {
				expect(nil, lock.Lock(), "lock")
				check(atomic.AddInt32(&inside, 1) == 1, "two inside")
				atomic.AddInt32(&inside, -1)
				atomic.AddInt32(&sections, 1)
				expect(nil, lock.Unlock(), "unlock")
			}
		}(conn)
	}
	deadline := time.Now().Add(patience)
	for atomic.LoadInt32(&sections) < 30 {
		check(time.Now().Before(deadline), "locks")
		time.Sleep(5 * time.Millisecond)
	}
	atomic.StoreInt32(&stop, 1)
	group.Wait()
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

func main() {
	conns := []*zk.Conn{}
	expired := []*int32{}
	for i := 0; i < 3; i++ {
		conn, flag := connect()
		conns, expired = append(conns, conn), append(expired, flag)
	}
	operations(conns[0])
	fmt.Println("ok operations")
	locks(conns)
	fmt.Println("ok locks")
	identities(conns[0], conns[1])
	fmt.Println("ok identities")
	watches(conns[0], conns[1])
	fmt.Println("ok watches")
	sessions(conns, expired)
	fmt.Println("ok sessions")
}
