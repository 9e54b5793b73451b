package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// record is what is read of one.
type record struct {
	ID      string
	Outcome string
	Basis   string
	Cost    int64 `json:"cost_nano_usd"`
	Tries   []struct{ Cause string }
}

// audit holds what callers saw, what the upstreams charged, and what the program has written
// against each other.
func (f *fire) audit(ctx context.Context) error {
	charged := map[string]int64{}
	for _, u := range f.ups {
		text, err := os.ReadFile(u.book)
		if err != nil {
			return err
		}
		for id := range strings.FieldsSeq(string(text)) {
			charged[id] += (u.price[0]*inputTokens + u.price[1]*outputTokens) * 1000
		}
	}
	records, err := f.settled(ctx)
	if err != nil {
		return err
	}
	var lost, wrong []string
	cut, retried, held, seen := 0, 0, 0, map[string]bool{}
	var times []time.Duration
	for _, a := range f.load.done {
		seen[a.id] = true
		switch r := records[a.id]; {
		case r == nil:
			wrong = append(wrong, fmt.Sprintf("request %s has no record", a.id))
		case len(r.Tries) > 1:
			retried++
		}
		switch {
		case a.whole:
			times = append(times, a.end.Sub(a.begin))
		case a.began && !f.wasWell(&a):
			cut++
		default:
			lost = append(lost, fmt.Sprintf("%s at %s, status %d of %q, stream %v: %.300s", a.id,
				a.begin.Format("15:04:05.000"), a.status, a.provider, a.stream, a.text))
		}
	}
	for id, r := range records {
		switch {
		case !seen[id]:
			wrong = append(wrong, fmt.Sprintf("record %s is of no request", id))
		case r.Cost < charged[id], r.Basis != "held" && r.Cost != charged[id]:
			wrong = append(wrong, fmt.Sprintf("request %s: recorded %d, basis %s, charged %d", id, r.Cost, r.Basis, charged[id]))
		case r.Basis == "held":
			held++
		}
		delete(charged, id)
	}
	for id := range charged {
		wrong = append(wrong, fmt.Sprintf("request %s was charged, and has no record", id))
	}
	slices.Sort(times)
	at := func(share float64) time.Duration {
		return times[min(int(share*float64(len(times))), len(times)-1)].Round(time.Millisecond)
	}
	fmt.Printf("seed %d: %d requests, %d lost, %d streams cut with their upstream, %d asked more than one, %d booked at what was held, %d wrong", f.seed, len(f.load.done), len(lost), cut, retried, held, len(wrong))
	if len(times) > 0 {
		fmt.Printf("; answered in %v (p50), %v (p99), %v at most", at(0.5), at(0.99), at(1))
	}
	fmt.Println()
	for _, u := range f.ups {
		for _, s := range u.faults {
			fmt.Printf("  %s %s: %s until %s\n", s.begin.Format("15:04:05.000"), u.name, s.what, s.end.Format("15:04:05.000"))
		}
	}
	if len(times) == 0 || len(lost)+len(wrong) > 0 {
		all := append(lost, wrong...)
		return fmt.Errorf("%d requests lost, %d wrong:\n  %s", len(lost), len(wrong),
			strings.Join(all[:min(len(all), 20)], "\n  "))
	}
	_, err = f.gate.Verify(ctx)
	return err
}

// wasWell reports whether nothing befell the upstream of a request meanwhile.
func (f *fire) wasWell(a *asked) bool {
	for _, u := range f.ups {
		if u.name == a.provider {
			return u.wasWell(a.begin, a.end)
		}
	}
	return true
}

// settled waits until nothing is held any more, and reads all records.
func (f *fire) settled(ctx context.Context) (map[string]*record, error) {
	if err := f.gate.Settled(ctx); err != nil {
		return nil, err
	}
	var list []*record
	if err := f.gate.Ask(ctx, &list, "requests", "export", "--format", "json"); err != nil {
		return nil, err
	}
	records := map[string]*record{}
	for _, r := range list {
		if records[r.ID] != nil {
			return nil, fmt.Errorf("two records of request %s", r.ID)
		}
		records[r.ID] = r
	}
	return records, nil
}
