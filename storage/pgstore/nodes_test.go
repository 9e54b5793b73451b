package pgstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
	"tallygate/storage/pgstore/pgtest"
)

var ctx = context.Background()

// startNode opens a node with a folder of its own.
func startNode(t *testing.T, url, name, dir string) *Store {
	t.Helper()
	s, err := Open(ctx, Options{URL: url, Dir: dir, Name: name,
		Journal: badgerdb.Options{Dir: filepath.Join(dir, "store")}})
	if err != nil {
		t.Fatalf("node %s: %v", name, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// nodesOf starts nodes over a new database.
func nodesOf(t *testing.T, n int) (out []*Store) {
	t.Helper()
	url := pgtest.Database(t)
	for i := range n {
		out = append(out, startNode(t, url, fmt.Sprint("n", i+1), t.TempDir()))
	}
	return out
}

// noon is far from the edge of every window.
var noon = time.Date(2026, 3, 10, 12, 7, 30, 0, time.UTC)

func chargeOf(s tally.Subject, m tally.Metric, u tally.Unit, most int64) tally.Charge {
	return tally.Charge{Counter: tally.Counter{Subject: s, Metric: m, Period: tally.Window{Unit: u}.Period(noon,
		time.UTC, 0)}, Max: most}
}

// ids numbers the requests of all tests.
var ids atomic.Int64

// request makes a reservation of one request of up to so much money.
func requestOf(cost int64, charges ...tally.Charge) tally.Reservation {
	return tally.Reservation{ID: tally.ID(fmt.Sprintf("rq_%06d", ids.Add(1))), At: noon, ExpiresAt: noon.Add(time.Hour),
		Bounds: tally.Bounds{{Base: 1}, {Base: 10}, {Base: cost}, {Base: cost}, {}, {Base: cost}}, Charges: charges,
		Draft: tally.Record{Gateway: "gw_1", Client: "cl_1", Key: "ke_1", Endpoint: "chat", Model: "m_1", Count: 1}}
}

// spend admits a request and settles it at a cost.
func spend(s *Store, r tally.Reservation, cost int64) error {
	if _, err := s.Reserve(ctx, r); err != nil {
		return err
	}
	rec := r.Draft
	rec.Status, rec.Outcome, rec.Basis, rec.Cost, rec.Credits, rec.Total = 200, tally.OK, tally.Exact, tally.NanoUSD(cost), tally.NanoUSD(cost), time.Second
	rec.Tokens = tally.Tokens{Input: 5, Output: 5}
	return s.Settle(ctx, tally.Settlement{ID: r.ID, Record: rec})
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 400 {
		if is() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Errorf("it did not come that %s", what)
}

func verified(t *testing.T, s *Store) {
	t.Helper()
	r, err := s.Verify(ctx, 0)
	if err != nil || !r.OK {
		t.Errorf("verify: %+v, %v", r, err)
	}
}

// spendAll spends on nodes in turn until nothing is left, and wants so many requests to be
// admitted. What one node was lent and does not use, the others get after a moment.
func spendAll(t *testing.T, most int, cost int64, charge tally.Charge, on ...*Store) {
	t.Helper()
	admitted := 0
	for idle, i := 0, 0; idle < 100; i++ {
		if spend(on[i%len(on)], requestOf(cost, charge), cost) == nil {
			if admitted, idle = admitted+1, 0; admitted > most {
				t.Fatalf("%d requests were admitted, %d were left", admitted, most)
			}
		} else if idle++; i%len(on) == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}
	if admitted != most {
		t.Errorf("%d requests were admitted, %d were left", admitted, most)
	}
}

// What one node does, the others tell of: entities, records, sums, usage, last uses, holds
// and entries; and all of them prove it.
func TestOneTruth(t *testing.T) {
	list := nodesOf(t, 3)
	a, b, c := list[0], list[1], list[2]
	day := chargeOf("client/cl_1", tally.Cost, tally.Day, 1e9)
	var spent []tally.ID
	for i := range 30 {
		r := requestOf(100, day, chargeOf("visitor/v1", tally.Requests, tally.Hour, 100))
		if err := spend(list[i%3], r, int64(i)); err != nil {
			t.Fatal(err)
		}
		spent = append(spent, r.ID)
	}
	if err := a.Refuse(ctx, tally.Record{ID: "rf_1", At: noon, Gateway: "gw_1", Client: "cl_1",
		Outcome: tally.OutcomeDenied, Status: 401, Code: "invalid_api_key"}); err != nil {
		t.Fatal(err)
	}
	held := requestOf(77, day)
	if _, err := b.Reserve(ctx, held); err != nil {
		t.Fatal(err)
	}
	edges := []time.Time{noon.Truncate(24 * time.Hour), noon.Truncate(24*time.Hour).AddDate(0, 0, 1)}
	for _, s := range list {
		eventually(t, "every node knows all records", func() bool {
			all := 0
			for q := (storage.RecordQuery{Limit: 7}); ; {
				page, next, err := s.Records(ctx, q)
				if err != nil {
					t.Fatal(err)
				}
				if all += len(page); next == "" {
					return all == 31
				}
				q.After = next
			}
		})
		for i, id := range spent {
			page, _, err := s.Records(ctx, storage.RecordQuery{ID: id})
			if err != nil || len(page) != 1 || page[0].Cost != tally.NanoUSD(i) || len(page[0].Charges) != 2 ||
				(page[0].Node == "") != (list[i%3] == s) {
				t.Fatalf("record %d: %+v, %v", i, page, err)
			}
		}
		points, err := s.Series(ctx, storage.SeriesQuery{Family: tally.ByClient, Edges: edges})
		if err != nil || len(points) != 1 || points[0].Requests != 30 || points[0].Refused != 1 ||
			points[0].Cost != 435 {
			t.Errorf("series: %+v, %v", points, err)
		}
		u, err := s.Usage(ctx, day.Counter, chargeOf("visitor/v1", tally.Requests, tally.Hour, 0).Counter,
			chargeOf("key/ke_1", tally.TokensIO, tally.Total, 0).Counter)
		if err != nil || u[0].Used != 435 || u[1].Used != 30 || u[2].Used != 300 {
			t.Errorf("usage: %+v, %v", u, err)
		}
		if at, err := s.LastUsed(ctx, "client/cl_1", "key/ke_1", "key/ke_2"); err != nil || !at[0].Equal(noon) ||
			!at[1].Equal(noon) || !at[2].IsZero() {
			t.Errorf("last used: %v, %v", at, err)
		}
		eventually(t, "every node knows what is held", func() bool {
			h, err := s.Holds(ctx, storage.HoldQuery{Client: "cl_1"})
			if err != nil {
				t.Fatal(err)
			}
			return h.Count == 1 && h.Held.Of(tally.Cost) == 77
		})
		if st, err := s.Status(ctx); err != nil || st.Records != 31 {
			t.Errorf("status: %+v, %v", st, err)
		}
		verified(t, s)
	}
	names, err := c.Nodes(ctx)
	if err != nil || len(names) != 3 || names[0].Name != "n1" || names[2].Name != "n3" || !names[2].Me ||
		names[1].State != storage.NodeLive {
		t.Errorf("nodes: %+v, %v", names, err)
	}
}

// A change at one node is known at the others, and one that was planned on an older state is
// a conflict.
func TestChangesAreSeen(t *testing.T) {
	list := nodesOf(t, 2)
	a, b := list[0], list[1]
	client := func(id string) tally.Change {
		c := &tally.Client{Meta: tally.Meta{ID: tally.ID(id), CreatedAt: noon}, Name: id, Slug: id}
		return tally.Put(c, noon)
	}
	act := tally.Act{At: noon, Actor: "test", Op: "clients.create"}
	rev, err := a.Apply(ctx, act, client("cl_1"))
	if err != nil || rev != 1 {
		t.Fatalf("revision %d, %v", rev, err)
	}
	if _, err := b.Apply(ctx, act, client("cl_2")); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("on an older state: %v", err)
	}
	eventually(t, "the other node hears of a change", func() bool { return b.Revision() == 1 })
	if all, rev, err := b.Load(ctx); err != nil || rev != 1 || len(all) != 1 {
		t.Errorf("loaded %v at %d, %v", all, rev, err)
	}
	if rev, err := b.Apply(ctx, act, client("cl_2")); err != nil || rev != 2 {
		t.Errorf("revision %d, %v", rev, err)
	}
	if log, _, err := a.AuditLog(ctx, storage.AuditQuery{}); err != nil || len(log) != 2 || log[0].ID != "cl_2" {
		t.Errorf("audit log: %+v, %v", log, err)
	}
	if r, err := a.VerifyAudit(ctx); err != nil || !r.OK || r.Entries != 2 {
		t.Errorf("audit log: %+v, %v", r, err)
	}
}

// Money that is paid at one node can be spent at the others, to the last unit, and a fee is
// taken from what they may spend.
func TestPaidInAdvance(t *testing.T) {
	list := nodesOf(t, 3)
	balance := chargeOf("client/cl_1", tally.Balance, tally.Total, 0)
	pay := func(s *Store, id string, kind tally.EntryKind, credits, funds int64) error {
		_, err := s.Enter(ctx, tally.Record{ID: tally.ID(id), At: noon, Gateway: "gw_1", Client: "cl_1",
			Outcome: tally.Booked,
			Credits: tally.NanoUSD(credits), Entry: &tally.Entry{Kind: kind, Funds: tally.NanoUSD(funds),
				Reason: "test"}})
		return err
	}
	var limit *tally.LimitError
	for _, s := range list {
		if err := spend(s, requestOf(10, balance), 10); !errors.As(err, &limit) {
			t.Fatalf("without money: %v", err)
		}
	}
	if err := pay(list[0], "en_1", tally.TopUp, 0, 1000); err != nil {
		t.Fatal(err)
	}
	if err := pay(list[1], "en_1", tally.TopUp, 0, 1000); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("paid twice: %v", err)
	}
	spendAll(t, 100, 10, balance, list...)
	if err := pay(list[2], "en_2", tally.TopUp, 0, 500); err != nil {
		t.Fatal(err)
	}
	if err := pay(list[1], "en_3", tally.Fee, 100, 0); err != nil {
		t.Fatal(err)
	}
	spendAll(t, 40, 10, balance, list...)
	if err := pay(list[0], "en_4", tally.Expiry, 0, -10); tally.CodeOf(err) != tally.NotFound {
		t.Errorf("an expiry of nothing: %v", err)
	}
	for _, s := range list {
		eventually(t, "all nodes tell the balance", func() bool {
			u, err := s.Usage(ctx, balance.Counter)
			return err == nil && u[0].Used == 0
		})
		entries, err := s.Entries(ctx, storage.EntryQuery{Client: "cl_1"})
		if err != nil || !slices.EqualFunc(entries, []tally.ID{"en_1", "en_2", "en_3"},
			func(r tally.Record, id tally.ID) bool { return r.ID == id }) {
			t.Errorf("entries: %+v, %v", entries, err)
		}
		verified(t, s)
	}
}

// A limit that is added in mid-period counts what all nodes have used of it before.
func TestAddedInMidPeriod(t *testing.T) {
	list := nodesOf(t, 2)
	for i := range 20 {
		if err := spend(list[i%2], requestOf(10), 10); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range list {
		if _, err := s.shipAll(ctx); err != nil {
			t.Fatal(err)
		}
	}
	month := chargeOf("client/cl_1", tally.Cost, tally.Month, 250)
	spendAll(t, 5, 10, month, list...)
	verified(t, list[0])
}

// What a node that is lost was lent is free once its owner says so, but for what it has
// shipped; and it cannot come back.
func TestForgetNode(t *testing.T) {
	url := pgtest.Database(t)
	dir := t.TempDir()
	a, b := startNode(t, url, "a", t.TempDir()), startNode(t, url, "b", dir)
	limit := chargeOf("client/cl_1", tally.Requests, tally.Total, 1000)
	for range 10 {
		if err := spend(b, requestOf(1, limit), 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.shipAll(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ForgetNode(ctx, "b", false); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("of a node that serves: %v", err)
	}
	if _, err := a.ForgetNode(ctx, "c", false); tally.CodeOf(err) != tally.NotFound {
		t.Errorf("of a node that is not there: %v", err)
	}
	if _, err := a.ForgetNode(ctx, "a", true); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("of itself: %v", err)
	}
	if _, err := a.ForgetNode(ctx, "b", true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process of a node that was forgotten admits nothing",
		func() bool { return spend(b, requestOf(1, limit), 1) != nil })
	<-b.Broken()
	if err := b.Fault(); !strings.Contains(fmt.Sprint(err), "forgotten") {
		t.Errorf("it ends because %v", err)
	}
	b.Close()
	if _, err := Open(ctx, Options{URL: url, Dir: dir, Journal: badgerdb.Options{Dir: filepath.Join(dir,
		"store")}}); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("it came back: %v", err)
	}
	spendAll(t, 990, 1, limit, a)
	verified(t, a)
}

// What others have settled is read on from where the reader was, the oldest first, and the
// latest of it if there is too much.
func TestOthers(t *testing.T) {
	list := nodesOf(t, 3)
	serve := func(s *Store, n int) (ids []string) {
		t.Helper()
		for range n {
			r := requestOf(10, chargeOf("client/cl_1", tally.Cost, tally.Total, 1_000_000))
			if err := spend(s, r, 10); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, string(r.ID))
		}
		if _, err := s.shipAll(ctx); err != nil {
			t.Fatal(err)
		}
		return ids
	}
	var mark storage.Mark
	read := func(most int) (ids []string) {
		t.Helper()
		found, upTo, err := list[0].Others(ctx, noon.Add(-time.Minute), mark, most)
		if err != nil {
			t.Fatal(err)
		}
		mark = upTo
		for i := range found {
			if found[i].Node == "" || found[i].Node == list[0].Me() {
				t.Errorf("a record is of node %q", found[i].Node)
			}
			ids = append(ids, string(found[i].ID))
		}
		return ids
	}
	want := func(what string, got, want []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	before := serve(list[1], 3)
	serve(list[0], 2)
	want("at first", read(2), before[1:])
	want("nothing is new", read(2), nil)
	news := append(serve(list[2], 2), serve(list[1], 3)...)
	got := read(100)
	slices.Sort(got) // they were settled at one instant, by the clock that is set
	want("news of two", got, news)
	want("too much of it", serve(list[2], 5)[3:], read(2))
	want("and nothing of that again", read(100), nil)
}

// A record that is settled late may lie in a week whose partition the retention has dropped
// meanwhile: it is made again.
func TestShipIntoDroppedWeek(t *testing.T) {
	s := startNode(t, pgtest.Database(t), "a", t.TempDir())
	limit := chargeOf("client/cl_1", tally.Cost, tally.Total, 1000)
	for range 2 {
		if err := spend(s, requestOf(10, limit), 10); err != nil {
			t.Fatal(err)
		}
		if _, err := s.shipAll(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := s.pool.Exec(ctx, `DROP TABLE `+weekTable(dayOf(noon)/weekDays)); err != nil {
			t.Fatal(err)
		}
	}
}

// Where transactions see what was there when they began, two nodes that begin a week at once may
// both want to make its partition.
func TestShipIntoNewWeek(t *testing.T) {
	t.Parallel()
	s := startNode(t, pgtest.Database(t)+"&default_transaction_isolation=serializable", "a", t.TempDir())
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	if _, err := lock(ctx, tx); err != nil {
		t.Fatal(err)
	}
	if err := spend(s, requestOf(10, chargeOf("client/cl_1", tally.Cost, tally.Total, 1000)), 10); err != nil {
		t.Fatal(err)
	}
	shipped := make(chan error, 1)
	go func() { _, err := s.shipAll(ctx); shipped <- err }()
	eventually(t, "it waits for the lock", func() bool {
		var n int
		err := s.pool.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
		return err == nil && n > 0
	})
	if err := makeWeek(ctx, tx, dayOf(noon)/weekDays); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-shipped; err != nil {
		t.Error(err)
	}
	verified(t, s)
}

// While the database is known to be out of reach, nobody who asks a node waits for it: each is
// told what is known. It answers again once the database does.
func TestAskedWithoutDatabase(t *testing.T) {
	db := pgtest.New(t)
	s := startNode(t, db.Database(t), "first", t.TempDir())
	if err := spend(s, requestOf(10, chargeOf("client/cl_1", tally.Cost, tally.Total, 1000)), 10); err != nil {
		t.Fatal(err)
	}
	if _, err := s.shipAll(ctx); err != nil { // nothing is left to ship, by which it could not tell
		t.Fatal(err)
	}
	db.Crash()
	eventually(t, "it says what it knows", func() bool {
		_, err := s.Nodes(ctx)
		_, cause := s.Reach()
		return tally.CodeOf(err) == tally.Unavailable && cause != nil && errors.Is(err, cause)
	})
	s.apart.Store(&unreached{time.Now().Add(-time.Minute), errors.New("long ago")})
	if _, err := s.Nodes(ctx); tally.CodeOf(err) != tally.Unavailable || strings.Contains(err.Error(), "long ago") {
		t.Fatalf("a minute later it says %v", err)
	}
	if err := db.StartAgain(); err != nil {
		t.Fatal(err)
	}
	s.apart.Store(&unreached{time.Now().Add(-time.Minute), errors.New("long ago")})
	if list, err := s.Nodes(ctx); err != nil || len(list) != 1 {
		t.Fatalf("asked as soon as the database is back it says %v, %v", list, err)
	}
	if since, cause := s.Reach(); cause != nil {
		t.Fatalf("it was read, and is said to be out of reach since %v: %v", since, cause)
	}
}
