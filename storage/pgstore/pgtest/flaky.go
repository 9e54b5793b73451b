package pgtest

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Line is the way to a database on which things go wrong. Of what is sent on it, now and
// then a piece
//
//   - is lost, or arrives in part, and the connection ends;
//   - arrives, and the connection ends instead of an answer;
//   - arrives after the connection has ended, when it may have been sent again already;
//   - is answered by a serialization failure instead of being carried out;
//   - is carried out, and answered by a serialization failure.
type Line struct {
	URL    string // of the database by way of this line
	to     string
	every  int
	faults [numFaults]atomic.Int64
}

type fault int

const (
	loses fault = iota
	cutsShort
	losesAnswer
	isLate
	aborts
	abortsLate
	numFaults
)

// Flaky makes a line to the database with a URL. Something goes wrong with about one in every
// so many pieces. The line lasts as long as the test, and who uses it has to be done by then.
func Flaky(t testing.TB, database string, every int) *Line {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	ear, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{to: u.Host, every: every}
	u.Host = ear.Addr().String()
	l.URL = u.String()
	var calls sync.WaitGroup
	calls.Go(func() {
		for {
			client, err := ear.Accept()
			if err != nil {
				return
			}
			calls.Go(func() { l.serve(client) })
		}
	})
	t.Cleanup(func() {
		ear.Close()
		calls.Wait()
	})
	return l
}

// Faults is how many faults of each kind there were, in the order in which [Line] has them.
func (l *Line) Faults() (out [numFaults]int64) {
	for i := range out {
		out[i] = l.faults[i].Load()
	}
	return out
}

// call is a connection.
type call struct {
	client, server net.Conn
	instead        atomic.Int64 // one more than the fault that takes the place of the next answer
}

func (l *Line) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer server.Close()
	c := &call{client: client, server: server}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.answers()
	}()
	defer func() {
		server.SetReadDeadline(time.Now().Add(time.Second)) // what came late is carried out
		<-done
	}()
	piece := make([]byte, 1<<16)
	for left := l.lasts(); ; left-- {
		n, err := client.Read(piece)
		if err != nil {
			server.Close()
			return
		}
		if left > 0 {
			server.Write(piece[:n])
		} else if l.fail(c, piece[:n]) {
			return
		} else {
			left = l.lasts()
		}
	}
}

func (l *Line) lasts() int { return 2 + l.every/2 + rand.IntN(l.every) }

var (
	asked    = []byte{'S', 0, 0, 0, 4} // the end of what is sent at once
	answered = []byte{'Z', 0, 0, 0, 5} // the end of the answer, but for the state of the transaction
)

const reason = "SERROR\x00VERROR\x00C40001\x00Mthe test has aborted it\x00\x00"

// refusal is the answer of a server that has aborted a transaction.
func refusal(state byte) []byte {
	out := append([]byte{'E', 0, 0, 0, byte(4 + len(reason))}, reason...)
	return append(append(out, answered...), state)
}

// fail does something wrong with a piece, and reports whether the connection has ended.
func (l *Line) fail(c *call, piece []byte) (ended bool) {
	f := fault(rand.IntN(int(numFaults)))
	if whole := (piece[0] == 'P' || piece[0] == 'B') && bytes.HasSuffix(piece, asked); f >= aborts && !whole {
		f = loses // one cannot answer a part of a batch for the server
	}
	l.faults[f].Add(1)
	switch f {
	case loses:
		c.server.Close()
	case cutsShort:
		c.server.Write(piece[:rand.IntN(len(piece))])
		c.server.Close()
	case losesAnswer, abortsLate:
		c.instead.Store(int64(f) + 1)
		c.server.Write(piece)
		return false
	case isLate:
		c.client.Close()
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		c.instead.Store(int64(losesAnswer) + 1)
		c.server.Write(piece)
	case aborts:
		c.client.Write(refusal('I'))
		return false
	}
	return true
}

// answers passes on what the server says, or what takes its place.
func (c *call) answers() {
	defer c.client.Close()
	piece := make([]byte, 1<<16)
	for {
		n, err := c.server.Read(piece)
		if err != nil {
			return
		}
		last := n > len(answered) && bytes.HasSuffix(piece[:n-1], answered)
		switch f := fault(c.instead.Load() - 1); {
		case f < 0:
			c.client.Write(piece[:n])
		case !last:
		case f == losesAnswer:
			return
		default:
			c.instead.Store(0)
			c.client.Write(refusal(piece[n-1]))
		}
	}
}
