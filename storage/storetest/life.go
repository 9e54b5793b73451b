package storetest

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

func status(b *bench) {
	st, err := b.Status(ctx)
	if err != nil || st.Records != 0 || !st.LastSeen.IsZero() || !st.Admitting {
		b.Errorf("a new store: %+v, %v", st, err)
	}
	r := b.request()
	b.reserve(r)
	if st, err = b.Status(ctx); err != nil || !st.LastSeen.Equal(b.now) {
		b.Errorf("after an admission: %+v, %v", st, err)
	}
	b.settle(r, 1)
	if st, err = b.Status(ctx); err != nil || st.Records != 1 || !st.LastSeen.Equal(b.now.Add(time.Second)) {
		b.Errorf("after a settlement: %+v, %v", st, err)
	}
	// An upstream's nonsense must not push time ahead for good.
	r = b.request()
	b.reserve(r)
	rec := answered(r, 1)
	rec.Total = 1 << 62
	b.settleAs(r, rec)
	if st, err = b.Status(ctx); err != nil || st.LastSeen.After(b.now.AddDate(0, 0, 2)) {
		b.Errorf("after a request of 146 years: %+v, %v", st, err)
	}
	b.reserve(b.request())
	if v := b.verified(); v.Records != 2 || v.Holds != 1 || v.Pruned != 0 {
		b.Errorf("verify: %+v", v)
	}
	var copy bytes.Buffer
	if _, err := b.Backup(ctx, nil, &copy); err != nil || copy.Len() == 0 {
		b.Errorf("a backup of %d bytes, %v", copy.Len(), err)
	}
}

// hook: every record is told once, in order, as it is kept.
func hook(b *bench) {
	var all sync.WaitGroup
	for i := range 16 {
		reqs := make([]tally.Reservation, 10)
		for j := range reqs {
			reqs[j] = b.request(b.charge(client, tally.Requests, tally.Day, 1000))
		}
		all.Go(func() {
			for j, r := range reqs {
				if _, err := b.Reserve(ctx, r); err != nil {
					b.Errorf("reserve: %v", err)
					return
				}
				switch {
				case j == 3 && i == 3: // left behind
				case j%5 == 4:
					refusal := tally.Record{ID: "rf" + r.ID, At: r.At, Outcome: tally.OutcomeDenied}
					if err := b.Refuse(ctx, refusal); err != nil {
						b.Errorf("refuse: %v", err)
					}
					fallthrough
				default:
					if err := b.Settle(ctx, tally.Settlement{ID: r.ID, Record: answered(r, int64(j))}); err != nil {
						b.Errorf("settle: %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	if n, err := b.Expire(ctx, b.now.Add(time.Hour), 10); n != 1 || err != nil {
		b.Errorf("expired %d, %v", n, err)
	}
	kept := b.all(storage.RecordQuery{})
	slices.SortFunc(kept, bySeq)
	b.verified()
	b.close() // after it no hook runs
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, r := range kept {
		if r.Seq != uint64(i+1) {
			b.Fatalf("record %d has Seq %d", i+1, r.Seq)
		}
	}
	if len(kept) != 16*10+16*2 {
		b.Errorf("%d records", len(kept))
	}
	b.wantEqual("what the hook was told", b.told, kept)
}

// closed: a store that is closed says so to everyone.
func closed(b *bench) {
	r := b.request()
	b.reserve(r)
	b.verified()
	s := b.Store
	b.close()
	for what, act := range map[string]func() error{
		"Load":        func() error { _, _, err := s.Load(ctx); return err },
		"Apply":       func() error { _, err := s.Apply(ctx, b.act(), tally.Put(entities()[0], b.now)); return err },
		"AuditLog":    func() error { _, _, err := s.AuditLog(ctx, storage.AuditQuery{}); return err },
		"VerifyAudit": func() error { _, err := s.VerifyAudit(ctx); return err },
		"Reserve":     func() error { _, err := s.Reserve(ctx, b.request()); return err },
		"Settle":      func() error { return s.Settle(ctx, tally.Settlement{ID: r.ID, Record: answered(r, 1)}) },
		"Refuse":      func() error { return s.Refuse(ctx, tally.Record{ID: "rq", At: b.now, Outcome: tally.OutcomeDenied}) },
		"Extend":      func() error { return s.Extend(ctx, r.ID, b.now) },
		"Expire":      func() error { _, err := s.Expire(ctx, b.now.Add(time.Hour), 1); return err },
		"Usage":       func() error { _, err := s.Usage(ctx, b.counter(client, tally.Requests, tally.Day)); return err },
		"LastUsed":    func() error { _, err := s.LastUsed(ctx, client); return err },
		"Holds":       func() error { _, err := s.Holds(ctx, storage.HoldQuery{}); return err },
		"Records":     func() error { _, _, err := s.Records(ctx, storage.RecordQuery{}); return err },
		"Series": func() error {
			_, err := s.Series(ctx, storage.SeriesQuery{Family: tally.ByTotal, Edges: []time.Time{start.Truncate(time.Hour), start.Truncate(time.Hour).Add(time.Hour)}})
			return err
		},
		"Prune":  func() error { _, err := s.Prune(ctx, storage.Before(b.now), 0); return err },
		"Status": func() error { _, err := s.Status(ctx); return err },
		"Backup": func() error { _, err := s.Backup(ctx, nil, &bytes.Buffer{}); return err },
		"Verify": func() error { _, err := s.Verify(ctx, 0); return err },
	} {
		b.wantCode(what+" of a closed store", act(), tally.Unavailable)
	}
}
