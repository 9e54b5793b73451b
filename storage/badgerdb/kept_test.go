package badgerdb

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

const keptDir = "testdata/schema1"

// keptFolder unpacks the store of schema 1 that is kept, and returns its folder.
func keptFolder(t testing.TB) string { return unpack(t, keptDir) }

// keptFile is a file of a store that is kept, or a folder. Logs are allocated in advance:
// what is behind content up to size is zero.
type keptFile struct {
	name    string
	folder  bool
	content []byte
	size    int64
}

// keptFiles are the files of the kept stores, read once.
var keptFiles sync.Map // folder in testdata → func() ([]keptFile, error)

func readKept(dir string) ([]keptFile, error) {
	f, err := os.Open(filepath.Join(dir, "folder.tar.gz"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var all []keptFile
	for files := tar.NewReader(plain); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		b := make([]byte, head.Size)
		if _, err := io.ReadFull(files, b); err != nil {
			return nil, err
		}
		all = append(all, keptFile{filepath.FromSlash(head.Name), head.FileInfo().IsDir(), bytes.TrimRight(b, "\x00"), head.Size})
	}
}

// unpack unpacks a store that is kept, and returns its folder.
func unpack(t testing.TB, dir string) string {
	t.Helper()
	read, _ := keptFiles.LoadOrStore(dir, sync.OnceValues(func() ([]keptFile, error) { return readKept(dir) }))
	files, err := read.(func() ([]keptFile, error))()
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	for _, f := range files {
		name := filepath.Join(to, f.name)
		if f.folder {
			err = os.MkdirAll(name, 0o700)
		} else if err = os.WriteFile(name, f.content, 0o600); err == nil {
			err = os.Truncate(name, f.size)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(to, "data", "store")
}

// keptStore is the kept store as it is opened, and what its own program said of
// it.
type keptStore struct {
	*testing.T
	*Store
	options Options
}

func openKept(t *testing.T) *keptStore {
	k := &keptStore{T: t, options: Options{Dir: keptFolder(t), Version: "2.0.0", upgradeRecords: 400, chunkBits: 6}}
	k.start()
	t.Cleanup(func() { k.Store.Close() })
	return k
}

func (k *keptStore) start() {
	k.Helper()
	s, err := Open(ctx, k.options)
	if err != nil {
		k.Fatal(err)
	}
	k.Store = s
}

func (k *keptStore) restart() {
	k.Helper()
	if err := k.Store.Close(); err != nil {
		k.Fatal(err)
	}
	k.start()
}

// sound wants a verification without faults, after so many prunings.
func (k *keptStore) sound() tally.Report {
	k.Helper()
	r, err := k.Verify(ctx, 0)
	if err != nil || !r.OK {
		k.Fatalf("verify: %+v, %v", r, err)
	}
	return r
}

// keptJSON reads one of the kept files.
func keptJSON[T any](t *testing.T, file string) (out T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(keptDir, file))
	if err == nil && strings.HasSuffix(file, ".gz") {
		var plain *gzip.Reader
		if plain, err = gzip.NewReader(bytes.NewReader(b)); err == nil {
			b, err = io.ReadAll(plain)
		}
	}
	if err == nil && strings.Contains(file, ".jsonl") {
		b = []byte("[" + strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", ",") + "]")
	}
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return out
}

type keptFacts struct {
	Entities    map[tally.EntityKind]int
	Rev         int64
	Expired     int
	LastUsed    map[tally.Subject]time.Time `json:"last_used"`
	AfterOpen   keptState                   `json:"after_open"`
	AfterExpire keptState                   `json:"after_expire"`
}

type keptState struct {
	Holds    int
	LastSeen time.Time `json:"last_seen"`
	Records  int64
	Verify   tally.Report
}

type keptCounter struct {
	tally.Counter
	Label      string
	Start      int64 `json:"start_unix"`
	End        int64 `json:"end_unix"`
	Used, Held int64
}

// keptEdges are those of the kept series: days of UTC.
func keptEdges() (out []time.Time) {
	for day := range 60 {
		out = append(out, time.Date(2026, 10, 15+day, 0, 0, 0, 0, time.UTC))
	}
	return out
}

// says compares what the store says with what the program of schema 1 said.
func (k *keptStore) says(state string, want keptState) {
	k.Helper()
	if st, err := k.Status(ctx); err != nil || st.Records != want.Records || !st.LastSeen.Equal(want.LastSeen) {
		k.Errorf("%s: %+v, %v; want %+v", state, st, err, want)
	}
	if n, err := k.Holds(ctx, storage.HoldQuery{}); err != nil || n.Count != want.Holds {
		k.Errorf("%s: %d holds, %v; want %d", state, n.Count, err, want.Holds)
	}
	r := k.sound()
	if r.Records != want.Verify.Records || r.Pruned != want.Verify.Pruned || r.Holds != want.Verify.Holds || r.Rollups <= want.Verify.Rollups {
		k.Errorf("%s: verify: %+v; want as %+v, and more rollups", state, r, want.Verify)
	}
	k.counters(state)
	records := keptJSON[[]tally.Record](k.T, "records_"+state+".jsonl.gz")
	k.same(records)
	k.series(state, records)
}

// same wants these records in the store.
func (k *keptStore) same(records []tally.Record) {
	k.Helper()
	var got []tally.Record
	for q := (storage.RecordQuery{Limit: 300}); ; {
		page, next, err := k.Records(ctx, q)
		if err != nil {
			k.Fatal(err)
		}
		got = append(got, page...)
		if q.After = next; next == "" {
			break
		}
	}
	if len(got) != len(records) {
		k.Fatalf("%d records, want %d", len(got), len(records))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], records[i]) {
			k.Fatalf("record %d:\ngot  %+v\nwant %+v", i, got[i], records[i])
		}
	}
}

func (k *keptStore) counters(state string) {
	k.Helper()
	kept := keptJSON[map[string][]keptCounter](k.T, "counters.json.gz")[state]
	var list []tally.Counter
	for _, c := range kept {
		c.Period = tally.Period{Label: c.Label, Start: time.Unix(c.Start, 0).UTC(), End: time.Unix(c.End, 0).UTC()}
		list = append(list, c.Counter)
	}
	usage, err := k.Usage(ctx, list...)
	if err != nil || len(list) < 1000 {
		k.Fatalf("%s: %d counters, %v", state, len(list), err)
	}
	for i, c := range kept {
		if usage[i] != (tally.Usage{Used: c.Used, Held: c.Held}) {
			k.Errorf("%s: %s %s %s: %+v, want %d used and %d held", state, c.Subject, c.Metric, c.Label, usage[i], c.Used, c.Held)
		}
	}
}

// series compares the families that schema 1 had with what its program said, the
// others with the records that are there.
func (k *keptStore) series(state string, records []tally.Record) {
	k.Helper()
	kept := keptJSON[map[string]map[tally.Family][]storage.Point](k.T, "series.json.gz")[state]
	edges := keptEdges()
	for i, f := range tally.Families {
		want := kept[f]
		if i >= familiesOf[1] {
			want = pointsOf(f, edges, records)
		}
		got, err := k.Series(ctx, storage.SeriesQuery{Family: f, Edges: edges})
		if err != nil || len(got) == 0 && len(want) > 0 || len(want) > 0 && !reflect.DeepEqual(got, want) {
			k.Errorf("%s: series by %s:\ngot  %+v, %v\nwant %+v", state, f, got, err, want)
		}
	}
}

func pointsOf(f tally.Family, edges []time.Time, records []tally.Record) []storage.Point {
	spans := make([]map[tally.Dim]*tally.Sums, len(edges)-1)
	for i := range spans {
		spans[i] = map[tally.Dim]*tally.Sums{}
		for j := range records {
			r := &records[j]
			if r.At.Before(edges[i]) || !r.At.Before(edges[i+1]) {
				continue
			}
			f.Dims(r, func(dim tally.Dim) {
				one := tally.Sums{}
				one.Count(r)
				addSums(spans[i], dim, &one, false)
			})
		}
	}
	return (&series{SeriesQuery: storage.SeriesQuery{Edges: edges}, spans: spans}).points(0)
}

// keptValues are the payloads of a table as schema 1 has written them.
func keptValues(t testing.TB, table byte) (out [][]byte) {
	t.Helper()
	s, err := newStore(ctx, Options{Dir: keptFolder(t)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.View(func(txn *badger.Txn) error {
		return each(txn, []byte{table}, func(_, payload []byte) error {
			out = append(out, bytes.Clone(payload))
			return nil
		})
	})
	if err := errors.Join(err, s.db.Close()); err != nil || len(out) == 0 {
		t.Fatalf("%d values, %v", len(out), err)
	}
	return out
}
