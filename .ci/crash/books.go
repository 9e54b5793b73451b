package main

import (
	"context"
	"encoding/json"
	"fmt"

	"tallygate/.ci/proc"
)

// record is what the loop reads of a record.
type record struct {
	ID      string `json:"id"`
	Seq     int64  `json:"seq"`
	Outcome string `json:"outcome"`
	Count   int64  `json:"count"`
	Tokens  struct {
		Input, Output int64
		CachedInput   int64 `json:"cached_input"`
		CacheWrite    int64 `json:"cache_write"`
		Reasoning     int64
	} `json:"tokens"`
	Cost    int64 `json:"cost_nano_usd"`
	Credits int64 `json:"credits_nano_usd"`
	Charges []struct {
		Subject, Metric, Window string
		Amount, Used, Max       int64
	} `json:"charges"`
}

func (r *record) refused() bool { return r.Outcome == "denied" || r.Outcome == "limited" }

// totals are sums over records, by the names that `usage` gives them.
type totals struct {
	Requests int64 `json:"requests"`
	Refused  int64 `json:"refused"`
	Input    int64 `json:"input_tokens"`
	Output   int64 `json:"output_tokens"`
	Cost     int64 `json:"cost_nano_usd"`
	Credits  int64 `json:"credits_nano_usd"`
}

// books are the loop's own accounts of what the program has recorded.
type books struct {
	seen    map[string]bool  // IDs
	used    map[string]int64 // by subject, metric, window and limit
	sums    totals
	records int64 // the latest number, too
	lost    int64
	faults  int64

	answered, acknowledged []string // in the latest round, to be found
}

// audit looks at everything that the rounds so far have left behind.
func (l *loop) audit(ctx context.Context) error {
	if err := l.gate.Settled(ctx); err != nil {
		return err
	}
	b := &l.books
	found, err := l.read(ctx)
	if err != nil {
		return err
	}
	if err := b.enter(found); err != nil {
		return err
	}
	var usage struct{ Total totals }
	if err := l.gate.Ask(ctx, &usage, "usage", "--since", "90d"); err != nil {
		return err
	}
	if usage.Total != b.sums {
		return fmt.Errorf("usage tells %+v; the records add up to %+v", usage.Total, b.sums)
	}
	if err := b.proven(ctx, l.gate); err != nil {
		return err
	}
	var client struct{ Note string }
	if err := l.gate.Ask(ctx, &client, "clients", "show", "by-nothing"); err != nil {
		return err
	}
	if client.Note != l.note && client.Note != l.nextNote {
		return fmt.Errorf("the owner's change is gone: %q, want %q or %q", client.Note, l.note, l.nextNote)
	}
	l.note, l.nextNote = client.Note, client.Note
	return nil
}

// read returns the records that are newer than those in the books, the latest
// first.
func (l *loop) read(ctx context.Context) (found []record, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := l.gate.Command(ctx, "requests", "export", "--format", "json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer cmd.Wait() // older ones are in the books already, so it need not end by itself
	defer cancel()
	list := json.NewDecoder(out)
	if _, err := list.Token(); err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	for list.More() {
		var r record
		if err := list.Decode(&r); err != nil {
			return nil, fmt.Errorf("read the export: %w", err)
		}
		if r.Seq <= l.books.records {
			return found, nil
		}
		found = append(found, r)
	}
	if _, err := list.Token(); err != nil {
		return nil, fmt.Errorf("read the export to its end: %w", err)
	}
	return found, nil
}

// enter puts records into the books, and looks whether what must be among them
// is, and nothing that must not.
func (b *books) enter(found []record) error {
	if b.seen == nil {
		b.seen, b.used = map[string]bool{}, map[string]int64{}
	}
	ok := map[string]bool{}
	for i := len(found) - 1; i >= 0; i-- {
		r := &found[i]
		if r.Seq != b.records+1 {
			return fmt.Errorf("record %d follows record %d", r.Seq, b.records)
		}
		b.records++
		if b.seen[r.ID] {
			return fmt.Errorf("request %s is recorded twice", r.ID)
		}
		b.seen[r.ID] = true
		ok[r.ID] = r.Outcome == "ok"
		if err := b.count(r); err != nil {
			return err
		}
	}
	for _, id := range b.answered {
		if !b.seen[id] {
			return fmt.Errorf("the answer to request %s began, and it is not recorded", id)
		}
	}
	for _, id := range b.acknowledged {
		if !ok[id] {
			return fmt.Errorf("request %s was answered to its end, and is not recorded as ok", id)
		}
	}
	b.answered, b.acknowledged = nil, nil
	return nil
}

func (b *books) count(r *record) error {
	if r.refused() {
		b.sums.Refused += r.Count
		return nil
	}
	if r.Outcome == "lost" {
		b.lost++
	}
	b.sums.Requests++
	b.sums.Input += r.Tokens.Input
	b.sums.Output += r.Tokens.Output
	b.sums.Cost += r.Cost
	b.sums.Credits += r.Credits
	for _, c := range r.Charges {
		key := fmt.Sprintln(c.Subject, c.Metric, c.Window, c.Max) // an hour and its first minute have one label
		if b.used[key] += c.Amount; b.used[key] > c.Max || c.Used > c.Max {
			return fmt.Errorf("%s used %d of %s in %s with record %d, which says %d; the limit is %d", c.Subject, b.used[key], c.Metric, c.Window, r.Seq, c.Used, c.Max)
		}
	}
	return nil
}

// proven lets the program prove its own books.
func (b *books) proven(ctx context.Context, p *proc.Program) error {
	v, err := p.Verify(ctx)
	b.faults += int64(len(v.Faults))
	if err == nil && v.Records != b.records {
		err = fmt.Errorf("verify: %d records; there are %d", v.Records, b.records)
	}
	return err
}
