package tally

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSecretsDoNotPrint: no verb, wrapping or log shows a secret's bytes.
func TestSecretsDoNotPrint(t *testing.T) {
	digest := Digest{}
	copy(digest[:], "a digest of exactly 32 bytes. ok")
	s := Secret{Of: "ke_1", Digest: digest, Previous: digest, Sealed: Sealed("a sealed secret"), SealedBefore: Sealed("a sealed secret")}
	forms := []string{"a digest", "sealed secret"}
	for _, b := range [][]byte{digest[:6], s.Sealed[:6]} {
		forms = append(forms, fmt.Sprintf("%x", b), fmt.Sprintf("%X", b), strings.Trim(fmt.Sprint(b), "[]"), strings.Trim(fmt.Sprintf("%#v", b), "[]byte{}"), base64.StdEncoding.EncodeToString(b))
	}
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%08b", "% x", "%t", "%e"} {
		for _, v := range []any{s, &s, s.Digest, &s.Digest, s.Sealed, &s.Sealed, []Digest{digest}, map[string]Sealed{"k": s.Sealed}, []any{s}, struct{ S *Secret }{&s}} {
			printed = append(printed, fmt.Sprintf(verb, v))
		}
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Error("x", "secret", s, "pointer", &s, "digest", s.Digest, "sealed", s.Sealed)
	}
	printed = append(printed, log.String(), fmt.Sprint(s), Errorf(Internal, "%v %s", s, s.Digest).Error())
	for _, text := range printed {
		for _, form := range forms {
			if strings.Contains(text, form) {
				t.Errorf("%q contains %q", text, form)
			}
		}
	}
	if got := fmt.Sprintf("%v %s %#v", s.Digest, s.Sealed, s.Digest); got != "[redacted] [redacted] [redacted]" {
		t.Error(got)
	}
}

// TestEntitiesInJSON: a store keeps entities as JSON; each comes back as it was.
func TestEntitiesInJSON(t *testing.T) {
	price := rate(150_000_000)
	for _, e := range []Entity{
		&Gateway{TimeZone: "UTC", Limits: []Limit{{Cost, Window{Unit: Month, Day: 15}, 5, true, 50}}, Aliases: map[string]string{"a": "b"}},
		&Client{Slug: "acme", Session: SessionRule{Length: time.Hour, Mode: Fixed, Missing: MissingRefuse}, Status: Suspended},
		&Key{Label: "web", RevokedAt: time.Unix(5, 0).UTC()},
		&Secret{Of: "ke_1", Digest: Digest{1, 31: 255}, Previous: Digest{2}, Sealed: Sealed{0, 1}, SealedBefore: Sealed{2}},
		&Provider{Name: "p", ProviderKind: "openai", ChunkTimeout: time.Second},
		&Model{Name: "m", Prices: []Price{{ID: "pr_1", Input: price, Output: rate(0), Source: "owner", Hours: Hours{{Days: [7]bool{1: true}, From: 60, To: 120}}, Pieces: map[Piece]NanoUSD{Search: 5}}}},
		&Settings{Unpriced: AllowAtZero, OnLeave: LeaveDrain}, &Tombstone{Of: KindClient, Name: "acme"},
	} {
		*e.Base() = Meta{ID: "id", Rev: 3, CreatedAt: time.Unix(1, 0).UTC(), UpdatedAt: time.Unix(2, 5).UTC()}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		again := NewEntity(e.Kind())
		if err := json.Unmarshal(text, again); err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%s came back from %s as %+v, %v", e.Kind(), text, again, err)
		}
	}
	var old Settings
	if err := json.Unmarshal([]byte(`{"id":"settings","drain_on_cancel":true,"default_max_output":4096}`), &old); err != nil || old.OnLeave != LeaveDrain || old.DefaultMaxOutput != 4096 {
		t.Errorf("settings of before are %+v, %v", old, err)
	}
	if NewEntity("planet") != nil {
		t.Error("an unknown kind has an entity")
	}
	for _, bad := range []string{`{"digest":"00"}`, `{"digest":"zz"}`, `{"digest":7}`} {
		if err := json.Unmarshal([]byte(bad), &Secret{}); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestSlugs(t *testing.T) {
	for _, bad := range []string{"", "-", "a-", "-a", "A", "a b", "a_b", "é", strings.Repeat("x", 64), "a\n"} {
		if CodeOf(CheckSlug(bad)) != Invalid {
			t.Errorf("%q is a slug", bad)
		}
	}
}

func TestChecks(t *testing.T) {
	for _, tc := range []struct {
		check     func(string) error
		good, bad []string
	}{
		{func(s string) error { return CheckName("name", s) },
			[]string{"Acme", "Ünï ✓", strings.Repeat("x", 200), "a\u00a0b"},
			[]string{"", "  ", "a\nb", "a\x00", "\x1b[31m", "\u009b31m", "a\x7f", "\xff", strings.Repeat("x", 201)}},
		{CheckZone,
			[]string{"UTC", "Europe/Lisbon", "America/Argentina/Buenos_Aires"},
			[]string{"", "Local", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe"}},
		{CheckBaseURL,
			[]string{"https://api.openai.com/v1", "http://127.0.0.1:11434/v1", "http://[::1]:80"},
			[]string{"", "api.openai.com", "ftp://a", "https://", "https://u:p@a/v1", "https://a/v1?key=1", "https://a/v1#x", "https://a b/", "javascript:alert(1)"}},
	} {
		for _, s := range tc.good {
			if err := tc.check(s); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
		for _, s := range tc.bad {
			if err := tc.check(s); CodeOf(err) != Invalid {
				t.Errorf("%q: %v, want Invalid", s, err)
			}
		}
	}
}

func TestNames(t *testing.T) {
	if got := (&Key{Prefix: "llm_gw_7Qz1", Suffix: "f3a9"}).Masked(); got != "llm_gw_7Qz1…f3a9" {
		t.Error(got)
	}
	if a, b := (&Model{Name: "fast"}).UpstreamName(), (&Model{Name: "fast", Upstream: "gpt"}).UpstreamName(); a != "fast" || b != "gpt" {
		t.Error(a, b)
	}
}

// TestNewID: IDs tell their kind, differ, and sort by time.
func TestNewID(t *testing.T) {
	pattern := regexp.MustCompile(`^cl_[0-9a-hjkmnp-tv-z]{26}$`)
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(0, 1<<48-2).Draw(t, "ms"))
		list := []ID{NewID("cl", at), NewID("cl", at), NewID("cl", at.Add(time.Millisecond))}
		for _, id := range list {
			if !pattern.MatchString(string(id)) {
				t.Fatalf("%q", id)
			}
		}
		if list[0] == list[1] || slices.Max(list) != list[2] || list[0][:13] != list[1][:13] {
			t.Fatalf("%q do not sort by time", list)
		}
	})
}

func TestErrors(t *testing.T) {
	cause := io.ErrUnexpectedEOF
	e := Errorf(Corrupt, "read %s: %w", "x", cause)
	wrapped := fmt.Errorf("on the way: %w", e)
	hinted := e.WithHint("restore %d", 1)
	for _, tc := range []struct {
		err  error
		want Code
	}{{nil, ""}, {cause, Internal}, {e, Corrupt}, {wrapped, Corrupt}, {hinted, Corrupt}, {&LimitError{}, Internal}} {
		if got := CodeOf(tc.err); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.err, got, tc.want)
		}
	}
	if e.Error() != "read x: unexpected EOF" || e.Unwrap() != cause || e.Hint != "" || hinted.Hint != "restore 1" || hinted.Unwrap() != cause {
		t.Errorf("%+v, %+v", e, hinted)
	}
	if AsError(wrapped) != e {
		t.Errorf("%+v", AsError(wrapped))
	}
	if got := AsError(cause); got.Code != Internal || got.Message != cause.Error() || got.Unwrap() != cause {
		t.Errorf("%+v", got)
	}
	text, err := json.Marshal(hinted)
	if err != nil || string(text) != `{"code":"corrupt","message":"read x: unexpected EOF","hint":"restore 1"}` {
		t.Errorf("%s, %v", text, err)
	}
}
