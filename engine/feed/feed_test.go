package feed

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// records makes n records of a request each, numbered from first.
func records(first, n int) []tally.Record {
	out := make([]tally.Record, n)
	for i := range out {
		out[i] = tally.Record{ID: tally.ID(fmt.Sprintf("req_%d", first+i)), At: noon, Outcome: tally.OK, Count: 1}
	}
	return out
}

// take reads n events after a sequence number.
func take(t *testing.T, f *Feed, after uint64, n int) []tally.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out []tally.Event
	for e := range f.Events(ctx, after) {
		if out = append(out, e); len(out) == n {
			return out
		}
	}
	t.Fatalf("%d events came, want %d", len(out), n)
	return nil
}

// brief writes an event in a word, for comparing.
func brief(e tally.Event) string {
	if e.Kind == tally.RecordEvent {
		return string(e.Record.ID)
	}
	return string(e.Kind)
}

func briefs(events []tally.Event) (out []string) {
	for _, e := range events {
		out = append(out, brief(e))
	}
	return out
}

func want(t *testing.T, what string, got []tally.Event, events ...string) {
	t.Helper()
	if !slices.Equal(briefs(got), events) {
		t.Errorf("%s: got %q, want %q", what, briefs(got), events)
	}
}

func TestEvents(t *testing.T) {
	f := New(8)
	f.Publish(records(1, 2))
	f.PublishConfig(7, noon)
	f.Tick(noon.Add(1500 * time.Millisecond))
	got := take(t, f, 0, 4)
	want(t, "from the beginning", got, "req_1", "req_2", "config", "tick")
	for i, e := range got {
		if e.Seq != got[0].Seq+uint64(i) {
			t.Errorf("event %d has number %d after %d", i, e.Seq, got[0].Seq)
		}
		if e.At.IsZero() || e.At.Location() != time.UTC {
			t.Errorf("%s is at %v, want a time in UTC", e.Kind, e.At)
		}
	}
	if got[2].Rev != 7 {
		t.Errorf("config event has revision %d, want 7", got[2].Rev)
	}
	if s := got[3].Second; s.Requests != 2 || !s.At.Equal(noon.Add(time.Second)) {
		t.Errorf("tick = %+v, want 2 requests in the second", s)
	}
	want(t, "resumed", take(t, f, got[1].Seq, 2), "config", "tick")
}

// What other nodes serve is in the charts and told, and is not this node's.
func TestOthers(t *testing.T) {
	f := New(8)
	for i := range 4 {
		f.Tick(noon.Add(time.Duration(i) * time.Second))
	}
	past := records(1, 3)
	past[2].At = noon.Add(-time.Hour) // before all that is kept
	past[1].At, past[1].Total = noon.Add(time.Second), 1500*time.Millisecond
	f.SeedOthers(past)
	f.Publish(records(4, 1))
	f.PublishOthers(records(5, 2))
	f.Tick(noon.Add(4 * time.Second))
	counts := func(seconds []tally.Second) (out []int64) {
		for i := range seconds {
			out = append(out, seconds[i].Requests)
		}
		return out
	}
	if got, want := counts(f.Seconds()), []int64{0, 1, 0, 1, 3}; !slices.Equal(got, want) {
		t.Errorf("all nodes have %d, want %d", got, want)
	}
	if got, want := counts(f.OwnSeconds()), []int64{0, 0, 0, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("this node has %d, want %d", got, want)
	}
	got := take(t, f, 0, 4)
	want(t, "told", got, "req_4", "req_5", "req_6", "tick")
	if n := got[3].Second.Requests; n != 3 {
		t.Errorf("the second that is told has %d requests, want 3", n)
	}
	f.SeedOthers(nil) // nobody has listened for a while
	if got, want := counts(f.Seconds()), []int64{0, 0, 0, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("begun anew it has %d, want %d", got, want)
	}
}

func TestRecordEventIsAtTheEndOfTheRequest(t *testing.T) {
	f := New(1)
	f.Publish([]tally.Record{{At: noon, Total: 3 * time.Second}})
	if got := take(t, f, 0, 1)[0].At; !got.Equal(noon.Add(3 * time.Second)) {
		t.Errorf("event at %v, want three seconds past noon", got)
	}
}

// The ring forgets the oldest; who missed some is told so, once, and goes on.
func TestGap(t *testing.T) {
	f := New(4)
	f.Publish(records(1, 2))
	seen := take(t, f, 0, 1)[0].Seq
	f.Publish(records(3, 4)) // 1 and 2 are pushed out
	got := take(t, f, seen, 5)
	want(t, "after the first", got, "gap", "req_3", "req_4", "req_5", "req_6")
	if got[0].Seq+1 != got[1].Seq {
		t.Errorf("the gap has number %d, the next event %d: a reader could not resume from it", got[0].Seq, got[1].Seq)
	}
	want(t, "resumed from the gap", take(t, f, got[0].Seq, 1), "req_3")
	want(t, "who asks for what is kept misses nothing", take(t, f, 0, 4), "req_3", "req_4", "req_5", "req_6")
}

// A number of another run of the engine is told from one of this run, though
// this run may have had as many events.
func TestReaderOfAnotherRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := New(100)
		before.Publish(records(1, 50))
		last := before.last
		time.Sleep(time.Second)
		after := New(100)
		if e := take(t, after, last, 1)[0]; e.Kind != tally.GapEvent || e.At.IsZero() {
			t.Errorf("before any event: %+v, want a gap", e)
		}
		after.Publish(records(100, 60))
		want(t, "of the run before", take(t, after, last, 2), "gap", "req_100")
		// The clock was set back: the number is from the future.
		want(t, "of a later run", take(t, before, after.last, 2), "gap", "req_1")
	})
}

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(8)
		f.Publish(records(1, 3))
		ctx, cancel := context.WithCancel(t.Context())
		var got []tally.Event
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e := range f.Events(ctx, Live) {
				got = append(got, e)
			}
		}()
		synctest.Wait()
		f.Publish(records(4, 1))
		synctest.Wait()
		f.PublishConfig(2, noon)
		synctest.Wait()
		cancel()
		<-done
		want(t, "live", got, "req_4", "config")
	})
}

// A reader that is slower than the feed is cut short, not waited for.
func TestSince(t *testing.T) {
	f := New(4)
	var seen []string
	see := func(r *tally.Record) { seen = append(seen, string(r.ID)) }
	last := f.Since(0, see)
	f.Publish(records(1, 2))
	f.PublishConfig(1, noon)
	last = f.Since(last, see)
	if got := f.Since(last, see); got != last {
		t.Errorf("the latest event is %d, then %d", last, got)
	}
	f.Publish(records(3, 9)) // of which the ring keeps four
	f.Since(last, see)
	if want := []string{"req_1", "req_2", "req_8", "req_9", "req_10", "req_11"}; !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}

func TestSlowReader(t *testing.T) {
	f := New(4)
	f.Publish(records(1, 4))
	next, stop := iter.Pull(f.Events(t.Context(), 0))
	defer stop()
	first, _ := next()
	f.Publish(records(5, 100)) // returns although the reader has not moved
	var rest []tally.Event
	for len(rest) < 8 {
		e, ok := next()
		if !ok {
			t.Fatal("the stream ended")
		}
		rest = append(rest, e)
	}
	want(t, "first", []tally.Event{first}, "req_1")
	// What was read in one go is still told, then the gap, then what is kept.
	want(t, "rest", rest, "req_2", "req_3", "req_4", "gap", "req_101", "req_102", "req_103", "req_104")
}

func TestEventsEndWithTheirContext(t *testing.T) {
	f := New(8)
	f.Publish(records(1, 8))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for range f.Events(ctx, 0) {
		n++
		cancel()
	}
	if n != 1 {
		t.Errorf("%d events after the context ended at the first", n)
	}
}

// Events are the reader's own: nothing in them changes when the ring goes on.
func TestEventsAreCopies(t *testing.T) {
	f := New(1)
	f.Publish(records(1, 1))
	e := take(t, f, 0, 1)[0]
	f.Publish(records(2, 1))
	if e.Record.ID != "req_1" {
		t.Errorf("the event became %s", e.Record.ID)
	}
}

// A second counts records as rollups do.
func TestTicksAddUp(t *testing.T) {
	all := []tally.Record{
		{At: noon, Outcome: tally.OK, Count: 1, Tokens: tally.Tokens{Input: 10, Output: 5}, Cost: 100, Total: time.Second},
		{At: noon, Outcome: tally.OutcomeFailed, Count: 1, Total: 2 * time.Second},
		{At: noon, Outcome: tally.Canceled, Count: 1, Tokens: tally.Tokens{Input: 1}, Cost: 1, Total: time.Second},
		{At: noon, Outcome: tally.OutcomeLimited, Count: 40},
		{At: noon, Outcome: tally.OutcomeDenied, Count: 2},
	}
	f := New(16)
	f.Publish(all)
	f.Tick(noon.Add(time.Second))
	var sums tally.Sums
	for i := range all {
		sums.Count(&all[i])
	}
	want := tally.Second{At: noon.Add(time.Second), Requests: sums.Requests, Refused: sums.Refused, Errors: sums.Errors, Tokens: sums.Tokens.Total(), Cost: sums.Cost, Total: 4 * time.Second}
	if got := f.Seconds(); len(got) != 1 || got[0] != want {
		t.Errorf("Seconds = %+v, want %+v", got, want)
	}
	if want.Requests != 3 || want.Refused != 42 || want.Errors != 1 {
		t.Errorf("the second is %+v, want 3 requests, 42 refused, 1 error", want)
	}
}

// What was before the first tick counts in its second, and ticks go on behind it.
func TestSeed(t *testing.T) {
	at := func(ago time.Duration) tally.Record {
		return tally.Record{At: noon.Add(-ago - time.Second), Total: time.Second, Outcome: tally.OK, Count: 1}
	}
	f := New(8)
	f.Seed(noon.Add(-time.Hour), noon, []tally.Record{at(0), at(time.Millisecond), at(10 * time.Second), at(20 * time.Minute)})
	f.Tick(noon.Add(time.Second))
	f.Seed(noon.Add(-time.Hour), noon, []tally.Record{at(time.Millisecond)}) // too late
	got := f.Seconds()
	if len(got) != kept {
		t.Fatalf("%d seconds, want %d", len(got), kept)
	}
	for i, s := range got {
		want := tally.Second{At: noon.Add(time.Duration(i-kept+2) * time.Second)}
		if ago := noon.Sub(want.At); ago == 0 || ago == 9*time.Second {
			want.Requests, want.Total = 1, time.Second
		}
		if s != want {
			t.Errorf("got %+v, want %+v", s, want)
		}
	}
}

// A quiet night is told once, and pushes nothing out of the ring.
func TestQuietSecondsAreToldOnce(t *testing.T) {
	f := New(8)
	f.Tick(noon)
	f.Publish(records(1, 1))
	for s := range 1000 {
		f.Tick(noon.Add(time.Duration(s) * time.Second))
	}
	f.Publish(records(2, 1))
	want(t, "a night", take(t, f, 0, 4), "req_1", "tick", "tick", "req_2")
	seconds := f.Seconds()
	if len(seconds) != kept {
		t.Fatalf("%d seconds are kept, want %d", len(seconds), kept)
	}
	for i, s := range seconds {
		if want := noon.Add(time.Duration(1000-kept+i) * time.Second); !s.At.Equal(want) {
			t.Fatalf("second %d is of %v, want %v", i, s.At, want)
		}
	}
}

// Many readers follow many writers: each sees every number in order, or a gap
// in its place, and nobody is left waiting at the end.
func TestManyReaders(t *testing.T) {
	const writers, each, batch = 4, 200, 5
	f := New(256)
	first := f.last
	last := first + writers*each*batch
	var readers, all sync.WaitGroup
	for range 16 {
		readers.Go(func() {
			at := first
			for e := range f.Events(t.Context(), first) {
				switch {
				case e.Kind == tally.GapEvent && e.Seq > at:
				case e.Kind == tally.RecordEvent && e.Seq == at+1 && e.Record.ID != "":
				default:
					t.Errorf("event %d (%s) follows %d", e.Seq, e.Kind, at)
					return
				}
				if at = e.Seq; at == last {
					return
				}
			}
		})
	}
	for range writers {
		all.Go(func() {
			for i := range each {
				f.Publish(records(i, batch))
			}
		})
	}
	all.Go(func() {
		for range 100 {
			f.Seconds()
		}
	})
	all.Wait()
	readers.Wait()
}

func TestPublishAllocatesNothing(t *testing.T) {
	f := New(64)
	some := records(1, 10)
	if n := testing.AllocsPerRun(100, func() { f.Publish(some) }); n != 0 {
		t.Errorf("%v allocations per publish", n)
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, readers := range []int{0, 8} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			f := New(1024)
			ctx, cancel := context.WithCancel(b.Context())
			var all sync.WaitGroup
			for range readers {
				all.Go(func() {
					for range f.Events(ctx, Live) {
					}
				})
			}
			some := records(1, 1)
			b.ReportAllocs()
			for b.Loop() {
				f.Publish(some)
			}
			cancel()
			all.Wait()
		})
	}
}
