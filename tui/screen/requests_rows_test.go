package screen

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
)

// history is an engine that has so many requests, one every second.
type history struct {
	n     int
	calls int
}

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
	e := &Env{Caller: h}
	var r rows
	none := requestFilter{}
	r.take(seenBy(3000, 40))
	descending(t, r.all(&none), 3000, 40)
	for range 2 {
		r.add(r.fetch(e, "requests", 1, none)().(Answer).Value.(olderPage))
	}
	descending(t, r.all(&none), 3000, 1000)
	// What comes in meanwhile is above, and only once.
	h.n = 3010
	r.take(seenBy(3010, 50))
	descending(t, r.all(&none), 3010, 1010)
	for !r.end {
		r.add(r.fetch(e, "requests", 1, none)().(Answer).Value.(olderPage))
	}
	descending(t, r.all(&none), 3010, 3010)
}

func TestTheTailIsBounded(t *testing.T) {
	var r rows
	none := requestFilter{}
	for n := 100; n <= 5000; n += 100 {
		r.take(seenBy(n, 2000))
	}
	descending(t, r.all(&none), 5000, keptRows)
	// A burst that the source has not kept whole replaces the tail.
	r.take(seenBy(50_000, 2000))
	descending(t, r.all(&none), 50_000, keptRows)
	// Another source begins anew.
	r.take(seenBy(3, 3))
	descending(t, r.all(&none), 3, 3)
}

// What has been read of the history goes when the tail leaves a hole above it.
func TestAHoleBetweenTailAndHistory(t *testing.T) {
	e := &Env{Caller: &history{n: 2000}}
	var r rows
	none := requestFilter{}
	r.take(seenBy(2000, 2000))
	for !r.end {
		r.add(r.fetch(e, "requests", 1, none)().(Answer).Value.(olderPage))
	}
	r.take(seenBy(2100, 2000))
	descending(t, r.all(&none), 2100, keptRows)
	if r.end || r.next != "" {
		t.Error("the history is not read again")
	}
}

func TestARareFilterLooksFarBackInOneGo(t *testing.T) {
	h := &history{n: 30_000}
	var r rows
	f := requestFilter{failures: true}
	r.add(r.fetch(&Env{Caller: h}, "requests", 1, f)().(Answer).Value.(olderPage))
	if len(r.older) != maxPages*perPage/100 || h.calls != maxPages || r.end {
		t.Errorf("%d rows in %d calls, end %v", len(r.older), h.calls, r.end)
	}
	for _, v := range r.older {
		if v.Outcome == tally.OK {
			t.Fatalf("request %d is no failure", v.Seq)
		}
	}
}

func TestRequestFilter(t *testing.T) {
	s := &live.Snapshot{Clients: []control.ClientView{{Client: tally.Client{Slug: "aurora"}}}, Models: []control.ModelView{{Model: tally.Model{Name: "gpt-4.1"}}}}
	v := control.RequestView{ID: "req_1", Client: "aurora", Model: "gpt-4.1-mini", Provider: "OpenAI", Key: "Bot", Status: 429, Outcome: tally.OutcomeLimited, Code: "cost_limit", Country: "PT", Endpoint: "chat/completions"}
	for words, want := range map[string]bool{
		"": true, "client:aurora": true, "client:aur": true, "client:other": false, "client:aurora-2": false,
		"model:gpt-4.1": false /* there is such a model, and it is another one */, "model:gpt-4": true, "provider:openai": true, "key:bot": true,
		"status:429": true, "status:4xx": true, "status:4": true, "status:5xx": false, "outcome:limited": true, "outcome:ok": false, "code:cost": true,
		"country:pt": true, "endpoint:chat": true, "COST": true, "aurora mini": true, "aurora maxi": false, "req_1": true, "429": true,
		"client:": true, "unknown:aurora": false,
	} {
		f := newRequestFilter(words, false, s)
		if got := f.match(&v); got != want {
			t.Errorf("%q: %v, want %v", words, got, want)
		}
	}
	f := newRequestFilter("client:aurora model:gpt-4.1 status:429 outcome:limited words", true, s)
	if want := (control.RequestQuery{Client: "aurora", Model: "gpt-4.1", Status: 429, Outcome: "limited"}); f.query != want {
		t.Errorf("the engine is asked for %+v, want %+v", f.query, want)
	}
	if f := newRequestFilter("client:aur status:4xx", false, s); f.query != (control.RequestQuery{}) {
		t.Errorf("the engine is asked for %+v by what names nothing whole", f.query)
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

func TestSheets(t *testing.T) {
	s := sheet{header: []string{"name", "n"}, rows: func(_ context.Context, yield func([]string, any) error) error {
		for _, name := range []string{"=SUM(A1)", "a, \"b\"\nc"} {
			if err := yield([]string{name, "1"}, map[string]string{"name": name}); err != nil {
				return err
			}
		}
		return nil
	}}
	none := sheet{header: []string{"name"}, rows: func(context.Context, func([]string, any) error) error { return nil }}
	for _, tc := range []struct {
		s            sheet
		format, want string
	}{
		{s, "csv", "name,n\n'=SUM(A1),1\n\"a, \"\"b\"\"\nc\",1\n"}, {s, "json", "[\n{\"name\":\"=SUM(A1)\"},\n{\"name\":\"a, \\\"b\\\"\\nc\"}\n]\n"},
		{none, "csv", "name\n"}, {none, "json", "[\n]\n"},
	} {
		var out strings.Builder
		if _, err := writeSheet(t.Context(), &out, tc.format, tc.s); out.String() != tc.want || err != nil {
			t.Errorf("%s: %q, %v", tc.format, out.String(), err)
		}
	}
}
