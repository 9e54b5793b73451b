package storetest

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// What a random history does: each act to the store and to its specification.

func (h *history) clock(t *rapid.T) {
	unit := pick(t, "unit", time.Millisecond, time.Second, time.Minute, time.Hour, 24*time.Hour)
	h.bench.now = h.bench.now.Add(unit * time.Duration(1+upTo(t, "steps", 40)))
}

// acceptClock takes the time back, but not behind what was pruned: of minutes before
// that nobody knows.
func (h *history) acceptClock(t *rapid.T) {
	unit := pick(t, "unit", time.Second, time.Minute, time.Hour, 24*time.Hour)
	to := h.bench.now.Add(-unit * time.Duration(1+upTo(t, "steps", 40)))
	if to.Before(h.horizon) {
		to = h.horizon
	}
	err := h.bench.AcceptClock(ctx, to)
	h.same(nil, nil, err, h.want.AcceptClock(ctx, to), "accept the clock at %v", to)
	if err == nil {
		h.bench.now = to
	}
}

func (h *history) reserve(t *rapid.T) {
	r := h.bench.request()
	r.Draft.Client, r.Draft.Key = pick[tally.ID](t, "client", "cl_1", "cl_2", ""), pick[tally.ID](t, "key", "ke_1", "ke_2")
	r.Draft.Token, r.Draft.Country = pick(t, "token", "", "to_1"), pick(t, "country", "", "PT")
	r.Draft.Model = pick(t, "asked", "m_1", "m_2", "")
	r.Draft.Tags = pick[tally.Tags](t, "tags", "", "project=a", "project=b,run=1")
	r.ExpiresAt = h.bench.now.Add(time.Duration(upTo(t, "deadline", 600)) * time.Second)
	r.WantOutput = upTo(t, "most output", 200)
	r.MinOutput = upTo(t, "least output", r.WantOutput)
	r.Bounds = tally.Bounds{{Base: 1}, {Base: upTo(t, "prompt", 50), PerMillion: 1e6},
		{Base: upTo(t, "price", 300), PerMillion: upTo(t, "rate", 5e6)}, {Base: 7, PerMillion: 999_999}}
	if r.Draft.Client != "" && rapid.Bool().Draw(t, "session") {
		r.Session = &tally.SessionUse{Client: r.Draft.Client, Member: pick(t, "member", "me", "you"), Fixed: rapid.Bool().Draw(t, "fixed"),
			Until: h.bench.now.Add(time.Duration(1+upTo(t, "session", 5000)) * time.Second)}
		if upTo(t, "only named", 4) == 0 {
			r.Session.Until = time.Time{}
		}
	} else if rapid.Bool().Draw(t, "overtaken") {
		// Two requests may come to the store in another order than to the clock.
		r.At = h.bench.now.Add(-time.Duration(upTo(t, "by", 50)) * time.Millisecond)
	}
	for range upTo(t, "charges", 4) {
		r.Charges = append(r.Charges, tally.Charge{Counter: h.counter(t, r.At), Max: upTo(t, "limit", 2000)})
	}
	got, err := h.bench.Reserve(ctx, r)
	want, wantErr := h.want.Reserve(ctx, r)
	h.same(got, want, err, wantErr, "reserve %+v", r)
	if err == nil {
		h.held = append(h.held, r)
	}
	if len(h.held) > 0 && rapid.Bool().Draw(t, "twice") {
		again := pick(t, "again", h.held...)
		_, err := h.bench.Reserve(ctx, again)
		_, wantErr := h.want.Reserve(ctx, again)
		h.same(nil, nil, err, wantErr, "reserve %s again", again.ID)
	}
}

// one picks a request, sometimes one that is over; false if there is none.
func (h *history) one(t *rapid.T) (r tally.Reservation, ok bool) {
	from := h.held
	if len(from) == 0 || len(h.past) > 0 && upTo(t, "late", 7) == 7 {
		from = h.past
	}
	if len(from) == 0 {
		return r, false
	}
	return pick(t, "request", from...), true
}

// over forgets the holds that the specification no longer has.
func (h *history) over() {
	h.held = slices.DeleteFunc(h.held, func(r tally.Reservation) bool {
		list, _, err := h.want.Records(ctx, storage.RecordQuery{ID: r.ID})
		gone := err == nil && len(list) == 1
		if gone {
			h.past = append(h.past, r)
		}
		return gone
	})
}

func (h *history) settle(t *rapid.T) {
	r, ok := h.one(t)
	if !ok {
		t.Skip()
	}
	rec := h.answer(t, r)
	in := tally.Settlement{ID: r.ID, Record: rec}
	h.same(nil, nil, h.bench.Settle(ctx, in), h.want.Settle(ctx, in), "settle %+v", rec)
	h.over()
}

func (h *history) refuse(t *rapid.T) {
	h.bench.ids++
	rec := tally.Record{ID: tally.ID(fmt.Sprintf("rf_%06d", h.bench.ids)), At: h.bench.now, Gateway: "gw_1", Client: pick[tally.ID](t, "client", "cl_1", "cl_2"),
		Outcome: pick(t, "outcome", tally.OutcomeDenied, tally.OutcomeLimited, tally.OK), Status: 429, Code: "cost_limit", Count: upTo(t, "count", 3),
		Model: pick(t, "model", "", "m_1", "m_2"), Waited: time.Duration(upTo(t, "waited", 2)) * time.Second}
	h.same(nil, nil, h.bench.Refuse(ctx, rec), h.want.Refuse(ctx, rec), "refuse %+v", rec)
}

func (h *history) extend(t *rapid.T) {
	r, ok := h.one(t)
	if !ok {
		t.Skip()
	}
	until := h.bench.now.Add(time.Duration(upTo(t, "by", 600)) * time.Second)
	if h.orphans[r.ID] {
		until = h.bench.now // it is overdue whatever it is extended to
	}
	h.same(nil, nil, h.bench.Extend(ctx, r.ID, until), h.want.Extend(ctx, r.ID, until), "extend %s until %v", r.ID, until)
}

func (h *history) expire(t *rapid.T) {
	most := int(upTo(t, "most", 5))
	got, err := h.bench.Expire(ctx, h.bench.now, most)
	want, wantErr := h.want.Expire(ctx, h.bench.now, most)
	h.same(got, want, err, wantErr, "expire %d", most)
	h.over()
}

func (h *history) usage(t *rapid.T) {
	var counters []tally.Counter
	for range 1 + upTo(t, "counters", 5) {
		at := h.bench.now.Add(-time.Duration(upTo(t, "hours ago", 72)) * time.Hour)
		c := h.counter(t, at)
		if h.forgotten(&c) {
			continue
		}
		counters = append(counters, c)
	}
	got, err := h.bench.Usage(ctx, counters...)
	want, wantErr := h.want.Usage(ctx, counters...)
	h.same(got, want, err, wantErr, "usage %+v", counters)
}

// forgotten reports whether a store may not know what a counter has used: of minutes that is
// known from their records only, and those may be pruned.
func (h *history) forgotten(c *tally.Counter) bool {
	return c.Period.End.Sub(c.Period.Start) < tally.Bucket && c.Period.Start.Before(h.horizon)
}

func (h *history) lastUsed(*rapid.T) {
	subjects := []tally.Subject{gateway, client, "client/cl_2", key, "key/ke_2", "token/to_1", "visitor/v1", "visitor/v2"}
	got, err := h.bench.LastUsed(ctx, subjects...)
	want, wantErr := h.want.LastUsed(ctx, subjects...)
	h.same(got, want, err, wantErr, "last used")
}

func (h *history) status(t *rapid.T) {
	got, err := h.bench.Status(ctx)
	want, wantErr := h.want.Status(ctx)
	got.DiskBytes, got.FreeBytes, got.Tables, got.Unsynced = 0, 0, 0, 0 // a disk's
	want.Records = h.counted(want.Records)
	h.same(got, want, err, wantErr, "status")
	q := pick(t, "holds", storage.HoldQuery{}, storage.HoldQuery{Client: "cl_1"}, storage.HoldQuery{Until: h.bench.now})
	n, err := h.bench.Holds(ctx, q)
	m, wantErr := h.want.Holds(ctx, q)
	h.same(n, m, err, wantErr, "holds")
	r := h.bench.verified()
	w, wantErr := h.want.Verify(ctx, 0)
	kept := h.counted(w.Records)
	h.same([]int64{r.Records, r.Pruned, r.Holds}, []int64{kept, w.Pruned - h.entriesGone(w.Records-kept), w.Holds}, nil, wantErr, "verify")
}

func (h *history) records(t *rapid.T) {
	q := storage.RecordQuery{Limit: 1 + int(upTo(t, "limit", 9)), Client: pick[tally.ID](t, "client", "", "cl_1"),
		Outcomes: pick(t, "outcomes", nil, []tally.Outcome{tally.OK}, []tally.Outcome{tally.Lost, tally.OutcomeDenied}),
		Key:      pick[tally.ID](t, "key", "", "ke_2"),
		Token:    pick(t, "token", "", "", "to_1"),
		Models:   pick(t, "models", nil, nil, []string{"m_1"}, []string{"m_1", "m_2"})}
	if rapid.Bool().Draw(t, "since") {
		q.Since = h.bench.now.Add(-time.Duration(upTo(t, "hours ago", 72)) * time.Hour)
	}
	if rapid.Bool().Draw(t, "until") {
		q.Until = h.bench.now.Add(-time.Duration(upTo(t, "hours ago", 72)) * time.Hour)
	}
	h.compareRecords(q)
}

// compareRecords compares all pages.
func (h *history) compareRecords(q storage.RecordQuery) {
	h.Helper()
	want := (&bench{tester: h.T, Store: h.want}).all(q)
	h.same(h.numbered(h.bench.all(q)), h.numbered(want), nil, nil, "records %+v", q)
}

// counted is how many records the store should count, if the specification counts so many.
func (h *history) counted(all int64) int64 {
	if !h.bench.subject.Apart {
		return all
	}
	return int64(len((&bench{tester: h.T, Store: h.want}).all(storage.RecordQuery{})))
}

// entriesGone is how many entries the specification has pruned, of those that it no longer
// counts and the store does not.
func (h *history) entriesGone(kept int64) int64 {
	if !h.bench.subject.Apart {
		return 0
	}
	list, err := h.want.Entries(ctx, storage.EntryQuery{})
	if err != nil {
		h.Fatalf("entries: %v", err)
	}
	return int64(len(list)) - kept
}

// numbered takes the numbers of records away, if the store may have others than the
// specification, and what counters had used by then: of entries, a store that was just opened
// may not have heard. Their order stays. What was used of minutes goes where the store may have
// forgotten it by the time that a request was settled.
func (h *history) numbered(list []tally.Record) []tally.Record {
	for i := range list {
		r := &list[i]
		r.Charges = slices.Clone(r.Charges)
		if h.bench.subject.Apart {
			r.Seq = 0
		}
		of := slices.IndexFunc(h.past, func(x tally.Reservation) bool { return x.ID == r.ID })
		for k := range r.Charges {
			if h.bench.subject.Apart || of >= 0 && slices.ContainsFunc(h.past[of].Charges, func(c tally.Charge) bool {
				return c.Subject == r.Charges[k].Subject && c.Metric == r.Charges[k].Metric && c.Period.Label == r.Charges[k].Window && h.forgotten(&c.Counter)
			}) {
				r.Charges[k].Used = 0
			}
		}
	}
	return list
}

func (h *history) series(t *rapid.T) {
	q := storage.SeriesQuery{Family: pick(t, "family", tally.Families...), First: pick(t, "first", "", "cl_1", "gw_1", "to_1", "up_1")}
	at := h.bench.now.Truncate(24 * time.Hour).Add(-time.Duration(upTo(t, "hours ago", 96)) * time.Hour)
	if rapid.Bool().Draw(t, "long ago") {
		at = at.AddDate(0, 0, -int(upTo(t, "days ago", 120)))
	}
	for range upTo(t, "edges", 5) {
		q.Edges = append(q.Edges, at)
		at = at.Add(tally.Bucket * time.Duration(1+upTo(t, "buckets", 200)))
	}
	total := storage.SeriesQuery{Family: tally.ByTotal, Edges: q.Edges}
	got, err := h.bench.Series(ctx, q, total)
	want, wantErr := h.want.Series(ctx, q, total)
	h.same(got, want, err, wantErr, "series %+v", q)
}

func (h *history) forget(t *rapid.T) {
	before := h.bench.now.AddDate(0, 0, -int(upTo(t, "days", 3)))
	h.same(0, 0, h.bench.Forget(ctx, before), h.want.Forget(ctx, before), "forget before %v", before)
}

func (h *history) prune(t *rapid.T) {
	ago := func(what string) time.Time {
		return h.bench.now.Add(-time.Duration(upTo(t, what+" hours ago", 72)) * time.Hour)
	}
	before := storage.Before(ago("all").AddDate(0, 0, -int(upTo(t, "days more", 5))))
	for kind := range before.Of {
		if rapid.Bool().Draw(t, "of kind") {
			before.Of[kind] = ago("kind")
		}
	}
	kept := h.counted(0)
	got, err := h.bench.Prune(ctx, before, 0)
	want, wantErr := h.want.Prune(ctx, before, 0)
	if h.bench.subject.Apart {
		want = int(kept - h.counted(0))
	}
	h.same(got, want, err, wantErr, "prune before %v", before)
	for _, at := range append(before.Of[:], before.All) {
		if at.After(h.horizon) {
			h.horizon = at
		}
	}
}

// coarsen makes days coarse in which no period begins that is counted, or that a request
// under way counts in.
func (h *history) coarsen(t *rapid.T) {
	before := h.bench.now
	for i := range h.held {
		if at := h.held[i].At; at.Before(before) {
			before = at
		}
	}
	before = before.AddDate(0, 0, -int(longest+upTo(t, "days ago", 40)))
	hours := rapid.SliceOfN(rapid.IntRange(0, 95), 0, 3).Draw(t, "quarters")
	edges := func(day time.Time) (out []time.Time) {
		for i, n := range hours {
			out = append(out, day.Add(tally.Bucket*time.Duration(n)+time.Duration(i)*time.Minute))
		}
		return append(out, day.AddDate(0, 0, 1))
	}
	got, err := h.bench.Coarsen(ctx, before, edges, 0)
	want, wantErr := h.want.Coarsen(ctx, before, edges, 0)
	h.same(got, want, err, wantErr, "coarsen before %v, edges %v", before, hours)
	if got.After(h.horizon) {
		h.horizon = got
	}
}

func (h *history) apply(t *rapid.T) {
	var mine, theirs []tally.Change
	for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]tally.ID{"cl_1", "cl_2", "cl_3"}), 0, 3, rapid.ID).Draw(t, "entities") {
		rev := h.revs[id]
		if rev > 0 && upTo(t, "stale", 7) == 7 {
			rev--
		}
		name := pick(t, "name", "a", "b")
		change := func() tally.Change {
			return tally.Change{Kind: tally.KindClient, ID: id, IfRev: rev, Entity: &tally.Client{Meta: meta(id), Name: name, Slug: string(id)}, Name: string(id)}
		}
		a, b := change(), change()
		if rapid.Bool().Draw(t, "delete") {
			a.Entity, b.Entity = nil, nil
		}
		mine, theirs = append(mine, a), append(theirs, b)
	}
	got, err := h.bench.Apply(ctx, h.bench.act(), mine...)
	want, wantErr := h.want.Apply(ctx, h.bench.act(), theirs...)
	h.same(got, want, err, wantErr, "apply %+v", mine)
	list, rev := h.bench.loaded()
	wantList, wantRev := (&bench{tester: h.T, Store: h.want}).loaded()
	h.same(rev, wantRev, nil, nil, "load")
	h.same(list, wantList, nil, nil, "load")
	q := storage.AuditQuery{Things: pick(t, "things", nil, []string{"cl_1"}, []string{"CL_2", "cl_3"}), Limit: 1 + int(upTo(t, "audit limit", 3))}
	wantLog := (&bench{tester: h.T, Store: h.want}).audit(q)
	h.same(h.bench.audit(q), wantLog, nil, nil, "audit log %+v", q)
	clear(h.revs)
	for id, e := range wantList {
		h.revs[id] = e.Base().Rev
	}
}

// reopen ends the store's process. Its holds are then overdue whatever their
// deadline, which the specification, that never ends, must be told.
func (h *history) reopen(end func(*bench)) {
	h.Logf("%s reopen", h.bench.now.Format("Jan 02 15:04:05.000"))
	end(h.bench)
	for _, r := range h.held {
		h.orphans[r.ID] = true
		h.same(nil, nil, h.bench.Extend(ctx, r.ID, h.bench.now), h.want.Extend(ctx, r.ID, h.bench.now), "extend %s to be overdue", r.ID)
	}
}
