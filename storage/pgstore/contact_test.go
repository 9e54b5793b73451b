package pgstore

import (
	"context"
	"errors"
	"net"
	neturl "net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/lease"
	"tallygate/storage/pgstore/pgtest"
)

// A node with nothing to ship does not take the database for one that answers: others may be
// given what it was lent.
func TestAloneAndIdle(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	s := startNode(t, server.Database(t), "n1", t.TempDir())
	eventually(t, "it has shipped", func() bool { return s.shippedAt.Load() > 0 })
	server.Crash()
	eventually(t, "it knows that the database is gone", func() bool { _, err := s.Reach(); return err != nil })
	shipped, contact := s.shippedAt.Load(), s.contact.Load()
	eventually(t, "it has looked for what to ship", func() bool { return s.shippedAt.Load() > shipped })
	if _, err := s.Reach(); err == nil || s.contact.Load() != contact {
		t.Error("it says that the database answers")
	}
}

// A clock that is set while the node runs is compared at once: before the next request is
// admitted, if it might spend another day's budget, and within a second in any case. A machine
// that has slept shows the same, and is right.
func TestClockSet(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	s := startNode(t, server.Database(t), "n1", t.TempDir())
	setBy := func(d time.Duration) {
		was := *s.compared.Load()
		was.shown = was.shown.Add(-d)
		s.compared.Store(&was)
	}
	setBy(time.Hour)
	if err := s.admits(true); err != nil {
		t.Errorf("the machine has slept for an hour: %v", err)
	}
	setBy(-30 * time.Second)
	eventually(t, "it is compared", func() bool { _, set := s.compared.Load().skew(time.Now()); return !set })
	server.Crash()
	setBy(45 * time.Second)
	if err := s.admits(true); err != nil {
		t.Errorf("it is 45 s ahead: %v", err)
	}
	setBy(30 * time.Second)
	if err := s.admits(true); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("it is 75 s ahead: %v", err)
	}
}

// Without the database for so long that others may have been given what a node was lent, nobody
// takes more of it: not a new request, nor one that is under way.
func TestTooLongAlone(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	s := startNode(t, server.Database(t), "n1", t.TempDir())
	charge := chargeOf("client/cl_1", tally.Cost, tally.Day, 1e9)
	r := requestOf(100, charge)
	if _, err := s.Reserve(ctx, r); err != nil {
		t.Fatal(err)
	}
	server.Crash()
	eventually(t, "it knows that the database is gone", func() bool { _, err := s.Reach(); return err != nil })
	more := func() map[string]error {
		_, reserved := s.Reserve(ctx, requestOf(1, charge))
		_, raised := s.Raise(ctx, r.ID, 1, 1, requestOf(101, charge).Bounds)
		return map[string]error{"a new one": reserved, "one under way": raised,
			"one that counts on more": s.Join(ctx, r.ID, []tally.Charge{charge}, nil)}
	}
	for what, err := range more() {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.contact.Store(new(time.Now().Add(-aloneFor - time.Second)))
	for what, err := range more() {
		if tally.CodeOf(err) != tally.Unavailable || !strings.Contains(err.Error(), "may be others' by now") {
			t.Errorf("%s takes more: %v", what, err)
		}
	}
}

// A server that takes no changes, as one that is a standby since a failover, is out of reach
// for all a node wants of it, although it answers: who only looks must not take it for the
// database. Once it takes changes the node goes on by itself.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	url := server.Database(t)
	becomes := func(readOnly string) {
		t.Helper()
		for _, sql := range []string{"ALTER SYSTEM SET default_transaction_read_only = " + readOnly,
			"SELECT pg_reload_conf()"} {
			if err := server.Run("postgres", sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := startNode(t, url, "n1", t.TempDir())
	charge := chargeOf("client/cl_1", tally.Cost, tally.Day, 1e9)
	if err := spend(s, requestOf(100, charge), 80); err != nil {
		t.Fatal(err)
	}
	becomes("on")
	eventually(t, "it knows", func() bool { _, err := s.Reach(); return errors.Is(err, errReadOnly) })
	since, _ := s.Reach()
	for range 5 {
		_, _, err := s.Records(ctx, storage.RecordQuery{})
		if tally.CodeOf(err) != tally.Unavailable || !strings.Contains(err.Error(), errReadOnly.Error()) {
			t.Errorf("a question is answered by: %v", err)
		}
		if is, _ := s.Reach(); is != since {
			t.Errorf("it is out of reach since %s, and was since %s", is, since)
		}
	}
	_, err := Open(ctx, Options{URL: url, Dir: t.TempDir(), Name: "n2"})
	if e := tally.AsError(err); e.Code != tally.Unavailable || !strings.Contains(e.Hint, "name the primary") {
		t.Errorf("another node starts: %v, %s", err, e.Hint)
	}
	_, err = s.act(ctx, func(context.Context, pgx.Tx, *state) (int64, error) { return 1, nil })
	if e := tally.AsError(err); e.Code != tally.Unavailable || !strings.Contains(e.Hint, "nothing was changed") {
		t.Errorf("a change: %v, %s", err, e.Hint)
	}
	becomes("off")
	eventually(t, "it is back", func() bool { _, err := s.Reach(); return err == nil })
	if err := spend(s, requestOf(100, charge), 80); err != nil {
		t.Error(err)
	}
	verified(t, s)
}

// Who changes something where the database does not answer is told whether that may have been
// done: only what was asked to be committed can have been.
func TestFateOfAnAct(t *testing.T) {
	t.Parallel()
	s := startNode(t, pgtest.Database(t), "n1", t.TempDir())
	for sql, want := range map[string]string{
		"SELECT pg_sleep(60)": "nothing was changed",
		`CREATE FUNCTION rest() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
		CREATE TABLE bed (one int8);
		CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON bed DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION rest();
		INSERT INTO bed (one) VALUES (1)`: "may have been done",
	} {
		_, err := s.actFor(ctx, 2*time.Second, func(ctx context.Context, tx pgx.Tx, _ *state) (int64, error) {
			_, err := tx.Conn().PgConn().Exec(ctx, sql).ReadAll()
			return 1, err
		})
		if e := tally.AsError(err); e.Code != tally.Unavailable || !strings.Contains(e.Hint, want) {
			t.Errorf("%v, %s, want %q", err, e.Hint, want)
		}
	}
}

// line is the way to a database on which answers do not come, and nothing else is noticed.
type line struct {
	url  string
	mute atomic.Bool  // until it is not any more
	born atomic.Int64 // connections
	dead atomic.Int64 // up to this one there is no answer ever
}

func listen(t *testing.T, database string) *line {
	t.Helper()
	u, err := neturl.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	ear, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := u.Host
	u.Host = ear.Addr().String()
	l := &line{url: u.String()}
	pass := func(to, from net.Conn, silent func() bool) {
		defer to.Close()
		piece := make([]byte, 1<<16)
		for {
			n, err := from.Read(piece)
			for silent() {
				time.Sleep(time.Millisecond)
			}
			if _, failed := to.Write(piece[:n]); err != nil || failed != nil {
				return
			}
		}
	}
	go func() {
		for {
			client, err := ear.Accept()
			if err != nil {
				return
			}
			if server, err := net.Dial("tcp", to); err == nil {
				number := l.born.Add(1)
				go pass(server, client, func() bool { return false })
				go pass(client, server, func() bool { return l.mute.Load() || number <= l.dead.Load() })
			}
		}
	}()
	t.Cleanup(func() { l.mute.Store(false); l.dead.Store(0); ear.Close() })
	return l
}

// forget has nothing come on the connections that there are.
func (l *line) forget() { l.dead.Store(l.born.Load()) }

// A database whose machine has vanished, or a firewall that has forgotten the connections, leaves
// them open, and no answer comes on any of them. A node that has found that out on one takes new
// ones for all it does: it knows of changes as soon as it is in touch.
func TestDeadConnections(t *testing.T) {
	t.Parallel()
	l := listen(t, pgtest.Database(t))
	s := startNode(t, l.url, "n1", t.TempDir())
	var reading sync.WaitGroup // so that it has several
	for range cap(s.readers) {
		reading.Go(func() {
			if err := s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "SELECT pg_sleep(0.3)")
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	reading.Wait()
	l.forget()
	began := time.Now()
	eventually(t, "it is in touch anew", func() bool { return s.contact.Load().After(began.Add(patience)) })
	late, stop := context.WithTimeout(ctx, readPatience/2) // it was asked on a dead one otherwise
	defer stop()
	if _, _, err := s.Load(late); err != nil {
		t.Errorf("what was changed cannot be read: %v", err)
	}
}

// Where no answers come nobody waits for long, not even for that of a rollback: other changes,
// and what keeps the node up to date, would wait for it.
func TestNoAnswers(t *testing.T) {
	t.Parallel()
	l := listen(t, pgtest.Database(t))
	s := startNode(t, l.url, "n1", t.TempDir())
	defer l.mute.Store(false)
	refused := tally.Errorf(tally.Conflict, "it is refused")
	for what, do := range map[string]func() error{
		"a change that is refused": func() error {
			_, err := s.act(ctx, func(context.Context, pgx.Tx, *state) (int64, error) {
				l.mute.Store(true)
				return 0, refused
			})
			return err
		},
		"a sweep": func() error {
			l.mute.Store(true)
			_, err := s.bank.sweep(s.life)
			return err
		},
	} {
		l.mute.Store(false)
		done := make(chan error, 1)
		go func() { done <- do() }()
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%s is said to be done", what)
			}
		case <-time.After(time.Minute): // none takes a quarter of that
			t.Errorf("%s waits for an answer", what)
		}
	}
}

// A node was heard when it asked. An answer that has waited, as for a process that stood still,
// does not say that it is heard now: what it was lent may be others' by then.
func TestContactIsWhenAsked(t *testing.T) {
	t.Parallel()
	l := listen(t, pgtest.Database(t))
	s := startNode(t, l.url, "n1", t.TempDir())
	s.lending() // it asks nothing by itself
	s.lends.Wait()
	for what, ask := range map[string]func() error{
		"a poll": func() error {
			_, err := (&watched{bank: s.bank, of: s}).Poll(ctx, s.id.ID)
			return err
		},
		"an exchange": func() error {
			_, err := (&watched{bank: s.bank, of: s}).Exchange(ctx, &lease.Exchange{Node: s.id.ID})
			return err
		},
		"a glimpse": s.glimpse,
	} {
		const still = 300 * time.Millisecond
		l.mute.Store(true)
		time.AfterFunc(still, func() { l.mute.Store(false) })
		err := ask()
		if alone := s.alone(time.Now()); err != nil || alone < still {
			t.Errorf("by the answer to %s of %v ago it was heard %v ago, %v", what, still, alone, err)
		}
	}
}
