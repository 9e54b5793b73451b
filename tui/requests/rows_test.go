package requests

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/screen"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// history is an engine that has so many requests, one every second.
type history struct {
	n     int
	calls int
}

func (h *history) Stream(context.Context, string, any, io.Writer) error { return nil }

func (h *history) Events(context.Context, uint64) iter.Seq2[control.Event, error] { return nil }

func (h *history) Call(_ context.Context, op string, in, out any) error {
	if op != control.RequestsList.Name {
		return tally.Errorf(tally.Internal, "%s was called", op)
	}
	h.calls++
	q := in.(control.RequestQuery)
	from := h.n
	fmt.Sscan(q.After, &from)
	var page control.RequestPage
	for seq := from; seq > 0 && len(page.Requests) < q.Limit; seq-- {
		page.Requests = append(page.Requests, request(uint64(seq)))
		if seq > 1 {
			page.Next = fmt.Sprint(seq - 1)
		} else {
			page.Next = ""
		}
	}
	b, _ := json.Marshal(page)
	return json.Unmarshal(b, out)
}

func request(seq uint64) control.RequestView {
	r := control.RequestView{ID: tally.ID(fmt.Sprintf("req_%d", seq)), Seq: seq, At: noon.Add(time.Duration(seq) * time.Second), Client: "aurora", Model: "gpt-4.1", Status: 200, Outcome: tally.OK, Count: 1}
	if seq%100 == 0 {
		r.Status, r.Outcome, r.Code = 429, tally.OutcomeLimited, "cost_limit"
	}
	return r
}

// seenBy is the snapshot of an engine of whose n requests the latest kept are in
// the tail.
func seenBy(n, kept int) *live.Snapshot {
	s := &live.Snapshot{Loaded: true, Seen: uint64(n)}
	for i := range min(n, kept) {
		s.Tail = append(s.Tail, new(request(uint64(n-i))))
	}
	return s
}

// every passes all requests.
func every(*control.RequestView) bool { return true }

// descending checks that the rows go down without a hole or a repetition.
func descending(t *testing.T, got []*control.RequestView, from uint64, n int) {
	t.Helper()
	if len(got) != n {
		t.Fatalf("%d rows, want %d", len(got), n)
	}
	for i, v := range got {
		if v.Seq != from-uint64(i) {
			t.Fatalf("row %d is request %d, want %d", i, v.Seq, from-uint64(i))
		}
	}
}

func TestTheTailGoesOnIntoHistory(t *testing.T) {
	h := &history{n: 3000}
	e := &screen.Env{Caller: h}
	var r rows
	r.take(seenBy(3000, 40))
	descending(t, r.all(every), 3000, 40)
	for range 2 {
		r.add(r.fetch(e, "requests", 1, control.RequestQuery{})().(screen.Answer).Value.(olderPage))
	}
	descending(t, r.all(every), 3000, 1000)
	// What comes in meanwhile is above, and only once.
	h.n = 3010
	r.take(seenBy(3010, 50))
	descending(t, r.all(every), 3010, 1010)
	for !r.end {
		r.add(r.fetch(e, "requests", 1, control.RequestQuery{})().(screen.Answer).Value.(olderPage))
	}
	descending(t, r.all(every), 3010, 3010)
}

// Requests of other nodes come through the tail and are in the history, too: each is shown
// once, whichever comes first.
func TestTheTailOfSeveralNodes(t *testing.T) {
	theirs := func(seq uint64) *control.RequestView {
		v := request(seq)
		v.ID, v.Node = tally.ID(fmt.Sprintf("req_n2_%d", seq)), "n2"
		return &v
	}
	var r rows
	tail := []*control.RequestView{theirs(7), new(request(30))}
	r.take(&live.Snapshot{Seen: 2, Tail: tail})
	r.add(olderPage{rows: []*control.RequestView{theirs(7), theirs(6), new(request(30)), new(request(29))}})
	tail = append([]*control.RequestView{theirs(6), theirs(8)}, tail...)
	r.take(&live.Snapshot{Seen: 4, Tail: tail})
	var got []string
	for _, v := range r.all(every) {
		got = append(got, string(v.ID))
	}
	if want := []string{"req_n2_6", "req_n2_8", "req_n2_7", "req_30", "req_29"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheTailIsBounded(t *testing.T) {
	var r rows
	for n := 100; n <= 5000; n += 100 {
		r.take(seenBy(n, 2000))
	}
	descending(t, r.all(every), 5000, keptRows)
	// A burst that the source has not kept whole replaces the tail.
	r.take(seenBy(50_000, 2000))
	descending(t, r.all(every), 50_000, keptRows)
	// Another source begins anew.
	r.take(seenBy(3, 3))
	descending(t, r.all(every), 3, 3)
}

// What has been read of the history goes when the tail leaves a hole above it.
func TestAHoleBetweenTailAndHistory(t *testing.T) {
	e := &screen.Env{Caller: &history{n: 2000}}
	var r rows
	r.take(seenBy(2000, 2000))
	for !r.end {
		r.add(r.fetch(e, "requests", 1, control.RequestQuery{})().(screen.Answer).Value.(olderPage))
	}
	r.take(seenBy(2100, 2000))
	descending(t, r.all(every), 2100, keptRows)
	if r.end || r.next != "" {
		t.Error("the history is not read again")
	}
}

func TestWhereARequestStopped(t *testing.T) {
	for _, tc := range []struct {
		outcome tally.Outcome
		code    string
		want    string // "" if it passed all, "?" if it is not known
	}{
		{tally.OK, "", ""}, {tally.Canceled, tally.CodeClientClosed, ""}, {tally.OutcomeDenied, tally.CodeKeyExpired, "key"}, {tally.OutcomeDenied, tally.CodeClientSuspended, "client"},
		{tally.OutcomeDenied, tally.CodeModelUnpriced, "model"}, {tally.OutcomeLimited, tally.LimitCode(tally.Cost), "limits"}, {tally.OutcomeLimited, tally.CodeRate, "limits"},
		{tally.OutcomeFailed, tally.CodeProviderTimeout, "provider"}, {tally.OutcomeFailed, "something_new", "provider"}, {tally.OutcomeDenied, tally.CodeStopping, "?"},
	} {
		got := "?"
		switch i := stoppedAt(&control.RequestView{Outcome: tc.outcome, Code: tc.code}); {
		case i == len(checks):
			got = ""
		case i >= 0:
			got = checks[i].name
		}
		if got != tc.want {
			t.Errorf("%s %s stopped at %q, want %q", tc.outcome, tc.code, got, tc.want)
		}
	}
}
