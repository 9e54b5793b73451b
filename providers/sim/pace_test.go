package sim_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/providers"
	"tallygate/providers/sim"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sim.Open(sim.Options{FirstByte: 20 * time.Millisecond, PerChunk: 5 * time.Millisecond})
		start := time.Now()
		r, err := p.Do(t.Context(), call(t, providers.Chat, "sim-small", chat("Say hello.", `,"stream":true`)))
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 20*time.Millisecond {
			t.Errorf("the head took %v", took)
		}
		o := read(t, r)
		// Of the events read one is dropped: the usage, which was not asked for.
		events := strings.Count(o.body, "data: ")
		if took, want := time.Since(start), 20*time.Millisecond+time.Duration(events+1)*5*time.Millisecond; took != want || o.blocks != events {
			t.Errorf("%d events in %d reads took %v, want %v", events, o.blocks, took, want)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sim.Open(sim.Options{FirstByte: time.Second, PerChunk: time.Second})
		c := call(t, providers.Chat, "sim-small", chat("Say hello.", `,"stream":true`))
		for after, head := range map[time.Duration]bool{500 * time.Millisecond: false, 2500 * time.Millisecond: true} {
			ctx, cancel := context.WithCancel(t.Context())
			start := time.Now()
			time.AfterFunc(after, cancel)
			r, err := p.Do(ctx, c)
			for n := 0; err == nil; n++ {
				if _, err = r.Body.Next(); err == nil && n > 0 {
					t.Fatal("an event after the end")
				}
			}
			up, ok := errors.AsType[*providers.UpstreamError](err)
			if !ok || up.Fault != providers.Gone || head != (r != nil) || time.Since(start) != after {
				t.Errorf("canceled after %v: %v after %v", after, err, time.Since(start))
			}
		}
	})
}

func BenchmarkPlain(b *testing.B) { bench(b, "Say hello to everybody.", "") }

func BenchmarkStream(b *testing.B) { bench(b, "Say hello to everybody.", `,"stream":true`) }

func BenchmarkLongStream(b *testing.B) { bench(b, "Tell me a long story.", `,"stream":true`) }

func bench(b *testing.B, prompt, more string) {
	p := sim.Open(sim.Options{})
	c := call(b, providers.Chat, "sim-small", chat(prompt, more))
	events := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.Do(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = r.Body.Next()
		}
		events += r.Body.Delivered()
		r.Body.Close()
	}
	b.ReportMetric(float64(events)/float64(b.N), "tokens/op")
}
