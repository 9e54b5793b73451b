package process

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/storage/pgstore"
)

// A connection that leaves the machine is encrypted, unless somebody says how it is to be.
func TestReadStore(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	said := func(name string) (string, bool) { return "disable", name == "PGSSLMODE" }
	for _, test := range []struct {
		text string
		env  func(string) (string, bool)
		mode string // of TLS, that the URL has then
	}{
		{"postgres://tally@db.example.com/tally", none, "require"},
		{"postgresql://db:5433/tally?application_name=a%20b", none, "require"},
		{"postgres://127.0.0.1,db/tally", none, "require"},
		{"postgres:///tally?host=/run/postgresql,10.0.0.5", none, "require"},
		{"postgres://10.0.0.5/tally", none, "require"},
		{"postgres://db/tally?sslmode=verify-full", none, "verify-full"},
		{"postgres://db/tally?sslmode=disable", none, "disable"},
		{"postgres://db/tally", said, ""},
		{"postgres://tally@localhost:5432/tally", none, ""},
		{"postgres://127.0.0.2:5432/tally", none, ""},
		{"postgres://[::1]:5432/tally", none, ""},
		{"postgres:///tally?host=/run/postgresql", none, ""},
		{"postgres:///tally", none, ""},
	} {
		got, err := ReadStore(test.text, "fra-1", test.env)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		u, err := url.Parse(got.URL)
		if err != nil || u.Query().Get("sslmode") != test.mode || got.Node != "fra-1" {
			t.Errorf("%s: %+v, %v; want sslmode %q", test.text, got, err, test.mode)
		}
		asked, _ := url.Parse(test.text)
		for key, want := range asked.Query() {
			if u.Query().Get(key) != want[0] {
				t.Errorf("%s: %s is gone", test.text, key)
			}
		}
	}
	for _, text := range []string{"db", "postgres:db", "http://db/tally", "postgres://db", "postgres://db/",
		"host=db dbname=x", "postgres://u:Sesame99@db:x/t", "postgres://u:Sesame99@%/t", ""} {
		if got, err := ReadStore(text, "fra-1", none); tally.CodeOf(err) != tally.Invalid ||
			strings.Contains(err.Error(), "Sesame99") {
			t.Errorf("%s: %+v, %v; want invalid", text, got, err)
		}
	}
	if got, err := ReadStore("postgres://db/tally", "", none); err != nil || got.Node != "" || got.Machine == "" {
		t.Errorf("a node without a name: %+v, %v", got, err)
	}
	for _, name := range []string{" ", "a b", "ä", "..", strings.Repeat("n", 61), "a/b", "a\nb"} {
		if _, err := ReadStore("postgres://db/tally", name, none); tally.CodeOf(err) != tally.Invalid {
			t.Errorf("a node may be called %q: %v", name, err)
		}
	}
}

func TestShownStore(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://tally:Sesame99@db:5433/tally?sslmode=require&password=Sesame99": "postgres://db:5433/tally",
		"postgres://u:Sesame99@%/t": "a database",
	} {
		if got := ShownStore(text); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]bool{
		"postgres://tally:Sesame99@db/tally": true, "postgres://db/tally?password=Sesame99": true,
		"postgres://u:Sesame99@%/t": true,
		"postgres://tally@db/tally": false, "postgres://db/tally": false, "db": false,
	} {
		if Password(text) != want {
			t.Errorf("%s has a password: %v, want %v", text, !want, want)
		}
	}
}

// What is a node's folder is not opened as a store of its own.
func TestNodeFolder(t *testing.T) {
	dir := t.TempDir()
	if of, err := pgstore.ReadIdentity(dir); of != nil || err != nil {
		t.Fatalf("a folder of no node: %+v, %v", of, err)
	}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, pgstore.IdentityFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"id":"nd_1","name":"fra-2","store":"postgres://u:Sesame99@db/tally"}`)
	if there, err := HasStore(dir); !there || err != nil {
		t.Errorf("a node that was cut off as it joined has data: %v, %v", there, err)
	}
	_, err := Options{Dir: dir}.open(t.Context(), nil)
	if e := tally.AsError(err); e.Code != tally.InUse ||
		!strings.Contains(e.Message, "node fra-2 of postgres://db/tally") ||
		strings.Contains(e.Error()+e.Hint, "Sesame99") {
		t.Errorf("opened alone: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, StoreFolder)); err == nil {
		t.Error("a store was made in it")
	}
	write(`{"id":`)
	if _, err := (Options{Dir: dir}).open(t.Context(), nil); tally.CodeOf(err) != tally.Corrupt {
		t.Errorf("a damaged file: %v", err)
	}
}
