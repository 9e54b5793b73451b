package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/backup"
)

// Records implements storage.History. A cursor is the Seq of the last record
// of the page.
func (s *Store) Records(ctx context.Context, q storage.RecordQuery) ([]tally.Record, string, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, "", err
	}
	defer leave()
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Limit < 1 || q.Limit > 1000 {
		return nil, "", tally.Errorf(tally.Invalid, "a page has 1 to 1,000 records, not %d", q.Limit)
	}
	before := uint64(len(s.records)) + 1
	if q.After != "" {
		if before, err = strconv.ParseUint(q.After, 10, 64); err != nil {
			return nil, "", tally.Errorf(tally.Invalid, "%q is not a cursor", q.After)
		}
	}
	var out []tally.Record
	for _, r := range slices.Backward(s.records) {
		if r.pruned || r.Seq >= before || !q.Match(&r.Record) {
			continue
		}
		if len(out) == q.Limit {
			return out, strconv.FormatUint(out[len(out)-1].Seq, 10), nil
		}
		out = append(out, clone(&r.Record))
	}
	return out, "", nil
}

// Entries implements storage.History.
func (s *Store) Entries(ctx context.Context, q storage.EntryQuery) ([]tally.Record, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []tally.Record
	for i := range s.records {
		if r := &s.records[i].Record; q.Match(r) {
			out = append(out, clone(r))
		}
	}
	return out, nil
}

// Series implements storage.History.
func (s *Store) Series(ctx context.Context, of ...storage.SeriesQuery) ([]storage.Point, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []storage.Point
	for i := range of {
		points, err := s.series(i, &of[i])
		if err != nil {
			return nil, err
		}
		out = append(out, points...)
	}
	return out, nil
}

func (s *Store) series(of int, q *storage.SeriesQuery) ([]storage.Point, error) {
	if !slices.Contains(tally.Families, q.Family) {
		return nil, tally.Errorf(tally.Invalid, "%q is not a family", q.Family)
	}
	for i, e := range q.Edges {
		if e.UnixNano()%int64(tally.Bucket) != 0 || i > 0 && !e.After(q.Edges[i-1]) {
			return nil, tally.Errorf(tally.Invalid, "the edges of a series ascend and are multiples of 15 minutes")
		}
	}
	var out []storage.Point
	for i := 0; i+1 < len(q.Edges); i++ {
		span := map[tally.Dim]*tally.Sums{}
		from, to := s.snap(q.Edges[i]), s.snap(q.Edges[i+1])
		if q.Family.Days() {
			from, to = from.Truncate(24*time.Hour), to.Truncate(24*time.Hour)
		}
		for j := range s.records {
			r := &s.records[j].Record
			if r.At.Before(from) || !r.At.Before(to) {
				continue
			}
			q.Family.Dims(r, func(dim tally.Dim) {
				if q.First != "" && dim[0] != q.First {
					return
				}
				if span[dim] == nil {
					span[dim] = &tally.Sums{}
				}
				span[dim].Count(r)
			})
		}
		first := len(out)
		for dim, sums := range span {
			if *sums == (tally.Sums{}) {
				continue // entries that change no amount, or take each other back
			}
			out = append(out, storage.Point{Of: of, At: utc(q.Edges[i]), Dim: dim, Sums: *sums})
		}
		slices.SortFunc(out[first:], func(a, b storage.Point) int {
			return cmp.Or(cmp.Compare(a.Dim[0], b.Dim[0]), cmp.Compare(a.Dim[1], b.Dim[1]))
		})
	}
	return out, nil
}

// Prune implements storage.History.
func (s *Store) Prune(ctx context.Context, before storage.Horizons, _ int) (int, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	s.forget(before.All)
	n := 0
	for i := range s.records {
		x := &s.records[i]
		past := x.settledAt.Before(day(before.All))
		for kind := range tally.NumRecordKinds {
			// The last day that records were settled on may still grow.
			past = past || x.settledAt.Before(day(before.Of[kind])) && x.settledAt.Before(day(s.records[len(s.records)-1].settledAt)) && x.IsOf(kind)
		}
		if past && !x.pruned {
			x.pruned = true
			n++
		}
	}
	s.pruned += n
	return n, nil
}

func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// Coarsen implements storage.History.
func (s *Store) Coarsen(ctx context.Context, before time.Time, edges func(day time.Time) []time.Time, _ int) (time.Time, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return time.Time{}, err
	}
	defer leave()
	const chunk = storage.CoarseDays * 24 * 60 * 60
	end := time.Unix(before.Unix()/chunk*chunk, 0).UTC()
	for i := range s.records { // chunks without records stay as they are
		first := time.Unix(s.records[i].At.Unix()/chunk*chunk, 0).UTC()
		if !first.Before(end) || s.coarse[first] != nil {
			continue
		}
		for n := range storage.CoarseDays {
			day := first.AddDate(0, 0, n)
			s.coarse[day] = []time.Time{day}
			for _, edge := range edges(day) {
				if edge = utc(edge.Truncate(tally.Bucket)); !edge.Before(day) && edge.Before(day.AddDate(0, 0, 1)) {
					s.coarse[day] = append(s.coarse[day], edge)
				}
			}
		}
	}
	return end, nil
}

// snap is the latest instant up to one that sums can be told from.
func (s *Store) snap(at time.Time) time.Time {
	edges := s.coarse[at.UTC().Truncate(24*time.Hour)]
	if len(edges) == 0 {
		return at
	}
	last := edges[0]
	for _, edge := range edges {
		if !edge.After(at) && edge.After(last) {
			last = edge
		}
	}
	return last
}

// Forget implements storage.History.
func (s *Store) Forget(ctx context.Context, before time.Time) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	s.forget(before)
	return nil
}

func (s *Store) forget(before time.Time) {
	horizon := before.UTC().Truncate(24 * time.Hour)
	for i := range s.records {
		if x := &s.records[i]; x.At.Before(horizon) {
			for j := range x.Tries {
				x.Tries[j].Detail = ""
			}
		}
	}
}

// AcceptClock implements storage.Store.
func (s *Store) AcceptClock(ctx context.Context, now time.Time) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	switch {
	case !now.Before(s.lastSeen):
		return tally.Errorf(tally.Invalid, "the clock is not behind")
	case len(s.holds)+len(s.line) > 0:
		return tally.Errorf(tally.Conflict, "requests are under way").WithHint("try again when they have been answered")
	}
	s.lastSeen, s.ended = utc(now), len(s.records)
	for subject, at := range s.lastAt {
		if at.After(s.lastSeen) {
			s.lastAt[subject] = s.lastSeen
		}
	}
	return nil
}

// Status implements storage.Store.
func (s *Store) Status(ctx context.Context) (storage.Status, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return storage.Status{}, err
	}
	defer leave()
	return storage.Status{Records: int64(len(s.records) - s.pruned), LastSeen: s.lastSeen, Admitting: true, Waiting: len(s.line)}, nil
}

// Verify implements storage.Store. There is nothing that could disagree with
// the records.
func (s *Store) Verify(ctx context.Context, _ time.Duration) (tally.Report, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return tally.Report{}, err
	}
	defer leave()
	return tally.Report{OK: true, Records: int64(len(s.records) - s.pruned), Pruned: int64(s.pruned), Holds: int64(len(s.holds))}, nil
}

// Backup implements storage.Store. The copy is for people; nothing reads it.
func (s *Store) Backup(ctx context.Context, since *backup.Info, w io.Writer) (backup.Info, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return backup.Info{}, err
	}
	defer leave()
	info := backup.Info{ID: backup.NewID("bk"), Store: "memory", Records: uint64(len(s.records)), At: time.Now().UTC()}
	if since != nil {
		if since.Store != info.Store || since.Records > info.Records {
			return info, tally.Errorf(tally.Conflict, "the backup %s is not of this store", since.ID)
		}
		info.Base, info.After = since.ID, since.Records
	}
	out, err := backup.NewWriter(w, info)
	if err != nil {
		return info, err
	}
	row := func(name string, n int, v any) {
		if text, failed := json.Marshal(v); err == nil {
			err = cmp.Or(failed, out.Row(fmt.Appendf(nil, "%s %d", name, n), text))
		}
	}
	n := 0
	for _, e := range s.entities {
		row("entity", n, e)
		n++
	}
	for i := range s.log {
		row("audit", i, &s.log[i])
	}
	for i := range s.records {
		if uint64(i) >= info.After {
			row("record", i, &s.records[i].Record)
			out.Blocks++
		}
	}
	return info, cmp.Or(err, out.Close())
}
