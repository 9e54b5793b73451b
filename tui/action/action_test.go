package action

import (
	"strings"
	"testing"
)

var some = []Action{
	{ID: "clients.new", Title: "new client", Keys: []string{"n"}},
	{ID: "keys.new", Title: "new key", Keys: []string{"n", "ctrl+n"}},
	{ID: "clients.suspend", Title: "suspend or activate the client", Keys: []string{"s"}},
	{ID: "messages", Title: "latest messages"},
}

func TestSearch(t *testing.T) {
	for _, tc := range []struct{ words, want string }{
		{"", "clients.new keys.new clients.suspend messages"}, {"client", "clients.new clients.suspend"}, {"CLIENT susp", "clients.suspend"}, {"new", "clients.new keys.new"},
		{"suspend", "clients.suspend"}, {"key new", "keys.new"}, {"latest", "messages"}, {"nothing such", ""},
	} {
		var got []string
		for _, a := range Search(some, tc.words) {
			got = append(got, a.ID)
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("Search(%q) = %q, want %q", tc.words, s, tc.want)
		}
	}
}

func TestFindAndKey(t *testing.T) {
	if a := Find(some, "ctrl+n"); a == nil || a.ID != "keys.new" {
		t.Errorf("ctrl+n is %v", a)
	}
	if a := Find(some, "z"); a != nil {
		t.Errorf("z is %s", a.ID)
	}
	for key, want := range map[string]string{"up": "↑", "pgdown": "PgDn", "shift+tab": "shift+tab", "x": "x"} {
		if got := (&Action{Keys: []string{key, "y"}}).Key(); got != want {
			t.Errorf("the key %s is shown as %q, want %q", key, got, want)
		}
	}
	if a := (&Action{}); a.Key() != "" || a.Why() != "" {
		t.Error("an action without keys or needs has some")
	}
}
