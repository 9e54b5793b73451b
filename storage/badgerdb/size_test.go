package badgerdb

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

var (
	size   = flag.Int("size", 0, "measure a store of so many records")
	tagged = flag.Bool("tagged", false, "with -size: of records that have two tags, and a session of ten")
)

// TestSize measures what a store of many records costs. Its figures are
// for people:
//
//	go test ./storage/badgerdb -run TestSize -v -timeout 30m -size 10000000
//
// Ten million records of 50 clients over 90 days, on two cores: 76 bytes on disk
// for each, open in 145 ms, 31 MB of memory of its own, 90 days of all clients by
// day in 170 ms in a zone that is not UTC, the newest 100 records in 6 ms, one by
// its ID in 70 ms, verify in 41 s of a processor. A search for what is not there
// takes 10 ms among a million records, where one that looked at every record took
// five seconds.
func TestSize(t *testing.T) {
	if *size == 0 {
		return
	}
	dir := filepath.Join(t.TempDir(), "s")
	s := openStore(t, dir)
	l := newLoad(s, 50)
	l.tagged = *tagged
	n := *size
	l.step = 90 * 24 * time.Hour / time.Duration(n) // as in 90 days
	began := time.Now()
	rare := newLoad(s, 1)
	rare.plans[0] = slices.Clone(rare.plans[0])
	for i := range rare.plans[0][:4] {
		kind, _ := rare.plans[0][i].Subject.Split()
		rare.plans[0][i].Subject = tally.SubjectOf(kind, tally.ID(kind+"_rare"))
	}
	rare.failing = true
	rare.run(t, 1, 3)
	l.run(t, 32, n)
	t.Logf("%d requests in %v, %v of processors", n, time.Since(began).Round(time.Millisecond), time.Duration(cpuTime()).Round(time.Millisecond))
	timed := func(what string, f func() error) {
		t.Helper()
		began, before := time.Now(), cpuTime()
		if err := f(); err != nil {
			t.Error(err)
		}
		t.Logf("%s: %v, %v of processors", what, time.Since(began).Round(100*time.Microsecond), time.Duration(cpuTime()-before).Round(100*time.Microsecond))
	}
	debug.SetMemoryLimit(80 << 20)
	timed("close", s.Close)
	timed("open", func() (err error) { s, err = Open(ctx, Options{Dir: dir}); return err })
	defer func() { s.Close() }()
	s.db.Flatten(2)
	t.Logf("%d bytes on disk for each record, %d with logs", tables(t, dir)/int64(n), folderBytes(dir)/int64(n))
	last := l.now.Add(l.step * time.Duration(n)).Truncate(24 * time.Hour)
	var edges []time.Time
	for day := -90; day <= 0; day++ {
		edges = append(edges, last.AddDate(0, 0, day).Add(-time.Hour)) // of a zone that is not UTC
	}
	timed("90 days of 50 clients, by day", func() error {
		_, err := s.Series(ctx, storage.SeriesQuery{Family: tally.ByClient, Edges: edges})
		return err
	})
	timed("the newest 100 records", func() error { _, _, err := s.Records(ctx, storage.RecordQuery{}); return err })
	timed("all records, for a client that has none", func() error {
		_, _, err := s.Records(ctx, storage.RecordQuery{Client: "cl_none"})
		return err
	})
	timed("all records, for a client that has three old ones", func() error {
		list, _, err := s.Records(ctx, storage.RecordQuery{Client: "client_rare"})
		if len(list) != 3 {
			t.Errorf("%d were found, want 3", len(list))
		}
		return err
	})
	timed("all records, for a status that three old ones have", func() error {
		list, _, err := s.Records(ctx, storage.RecordQuery{Status: 504})
		if len(list) != 3 {
			t.Errorf("%d were found, want 3", len(list))
		}
		return err
	})
	timed("all records, for what is not ok", func() error {
		list, _, err := s.Records(ctx, storage.RecordQuery{Outcomes: []tally.Outcome{tally.OutcomeDenied, tally.OutcomeLimited, tally.OutcomeFailed, tally.Canceled, tally.Lost}})
		if len(list) != 3 {
			t.Errorf("%d were found, want 3", len(list))
		}
		return err
	})
	timed("a record in the middle, by its ID", func() error {
		list, _, err := s.Records(ctx, storage.RecordQuery{Since: l.now, Until: l.now.Add(l.step * time.Duration(n/2)), Limit: 1})
		if err != nil || len(list) == 0 {
			return err
		}
		began := time.Now()
		_, _, err = s.Records(ctx, storage.RecordQuery{ID: list[0].ID})
		t.Logf("  found in %v", time.Since(began).Round(100*time.Microsecond))
		return err
	})
	month := tally.Window{Unit: tally.Month}.Period(last.Add(-24*time.Hour), time.UTC, 0)
	total := tally.Window{Unit: tally.Total}.Period(last, time.UTC, 0)
	timed("the first look at a month and a total", func() error {
		_, err := s.Usage(ctx, tally.Counter{Subject: l.plans[0][2].Subject, Metric: tally.Cost, Period: month}, tally.Counter{Subject: l.plans[0][2].Subject, Metric: tally.Cost, Period: total})
		return err
	})
	runtime.GC()
	debug.FreeOSMemory()
	t.Logf("resident: %s", resident())
	timed("verify", func() error {
		r, err := s.Verify(ctx, 0)
		if !r.OK {
			t.Errorf("%+v", r)
		}
		return err
	})
	t.Logf("resident: %s", resident())
}

func tables(t *testing.T, dir string) (total int64) {
	list, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		if info, err := os.Stat(name); err == nil {
			total += info.Size()
		}
	}
	return total
}

// resident is what Linux says of the process, the most and now.
func resident() string {
	b, _ := os.ReadFile("/proc/self/status")
	var out []string
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "RssAnon") {
			out = append(out, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(out, ", ")
}
