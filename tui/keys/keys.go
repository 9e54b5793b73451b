// Package keys is the screen of all clients' keys, and one of them beside the list.
package keys

import (
	"fmt"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Screen is the list of all clients' keys, and one of them beside it.
type Screen struct {
	*screen.List[*control.KeyView]
	revoked bool // shows revoked ones too
}

// soon is how long before its end a key is worth a word.
const soon = 7 * 24 * time.Hour

// New makes the screen.
func New(e *screen.Env) *Screen {
	s := &Screen{}
	s.List = screen.NewList(e, screen.ListOf[*control.KeyView]{
		Screen: "keys", Heading: "Keys", Table: control.KeyTable, Columns: []string{"label", "client", "state", "expires", "last", "cost"}, Share: 58, Marking: true,
		Of: func(snap *live.Snapshot) []*control.KeyView { return control.Pointers(snap.Keys) },
		Keep: func(k *control.KeyView) bool {
			return s.revoked || k.State != "revoked" || strings.Contains(s.Words(), "state:")
		},
		Cell: func(k *control.KeyView, column string) (string, bool) {
			return keyExpiry(e.Theme, k, e.Clock()), column == "expires"
		},
		Note: s.note, Empty: s.none, Detail: s.explain,
		Recent: func(k *control.KeyView) control.RequestQuery { return control.RequestQuery{Key: string(k.ID)} },
	})
	return s
}

// count counts the keys that are in a state.
func (s *Screen) count(is func(*control.KeyView) bool) (n int) {
	for i := range s.Snap.Keys {
		if is(&s.Snap.Keys[i]) {
			n++
		}
	}
	return n
}

func (s *Screen) note(shown int) string {
	notes := []string{fmt.Sprintf("%d by %s", shown, s.SortedBy())}
	if n := s.count(func(k *control.KeyView) bool { return expiresSoon(k, s.Env.Clock()) }); n > 0 {
		notes = append(notes, fmt.Sprintf("%d soon expire", n))
	}
	if n := s.count(func(k *control.KeyView) bool { return k.State == "revoked" }); n > 0 && !s.revoked && s.Words() == "" {
		notes = append(notes, fmt.Sprintf("%d revoked: space", n))
	}
	if n := s.count(func(k *control.KeyView) bool { return capturing(k, s.Env.Clock()) }); n > 0 {
		notes = append(notes, fmt.Sprintf("%d captured", n))
	}
	return strings.Join(notes, " · ")
}

func (s *Screen) none() []string {
	switch {
	case len(s.Snap.Keys) > 0:
		return []string{part.Plural(int64(len(s.Snap.Keys)), "key") + ", all revoked: space shows them.", "", "n  issues a new one"}
	case len(s.Snap.Clients) == 0:
		return []string{"A key lets a client in. It belongs to a client, and there is none yet.", "", "3  goes to Clients, where n makes the first one"}
	}
	return []string{"A key lets a client in: apps send it as their API key.", "", "n  issues the first one",
		"tallygate keys create --client " + s.Snap.Clients[0].Slug}
}

func expiresSoon(k *control.KeyView, now time.Time) bool {
	return k.State == "active" && !k.ExpiresAt.IsZero() && k.ExpiresAt.Sub(now) < soon
}

func keyExpiry(t *theme.Theme, k *control.KeyView, now time.Time) string {
	switch {
	case k.State == "revoked":
		return t.Paint(theme.Muted, "–")
	case k.ExpiresAt.IsZero():
		return t.Paint(theme.Muted, "never")
	case !k.ExpiresAt.After(now):
		return t.Paint(theme.Warn, widget.Ago(k.ExpiresAt, now)+" ago")
	case expiresSoon(k, now):
		return t.Paint(theme.Warn, "in "+control.Ago(k.ExpiresAt.Sub(now)))
	}
	return "in " + control.Ago(k.ExpiresAt.Sub(now))
}

func (s *Screen) explain(k *control.KeyView, width, rows int) screen.Detail {
	t, now := s.Env.Theme, s.Env.Clock()
	day := func(at time.Time) string { return at.In(s.Env.Zone).Format("2 Jan 2006 15:04") }
	ends := "never"
	switch {
	case k.State == "revoked":
		ends = "revoked " + day(k.RevokedAt)
	case !k.ExpiresAt.IsZero() && k.ExpiresAt.After(now):
		ends = day(k.ExpiresAt) + ", in " + widget.Until(k.ExpiresAt, now)
	case !k.ExpiresAt.IsZero():
		ends = day(k.ExpiresAt) + ", " + widget.Ago(k.ExpiresAt, now) + " ago"
	}
	used := "never"
	if !k.LastUsedAt.IsZero() {
		used = day(k.LastUsedAt) + ", " + widget.Ago(k.LastUsedAt, now) + " ago"
	}
	facts := []part.Fact{{"client", widget.Safe(k.ClientName)}, {"key", widget.Safe(k.Masked)}, {"created", day(k.CreatedAt)}, {"last used", used}, {"expires", ends}}
	if k.OldUntil.After(now) {
		facts = append(facts, part.Fact{"before it", t.Paint(theme.Warn, "the key that it replaced works until "+day(k.OldUntil))})
	}
	if capturing(k, now) {
		facts = append(facts, part.Fact{"captured", t.Paint(theme.Warn, "what is sent with it can be read, until "+day(k.CapturedUntil))})
	}
	tone := control.KeyTable.Tone(k)
	lines := append([]string{part.ToneSign(t, tone) + " " + t.Paint(part.ToneRole(tone), k.State), ""}, part.Refused(t, k.Refused, "key", s.Env.Zone, width)...)
	lines = append(lines, part.Facts(t, facts, width)...)
	lines = append(lines, "", part.Heading(t, "Limits of this key", "", width))
	if len(k.LimitStates) == 0 {
		lines = append(lines, t.Paint(theme.Muted, "none: those of its client hold"))
	} else {
		lines = append(lines, part.Gauges(t, k.LimitStates, width, now, s.Env.Zone)...)
	}
	lines = append(lines, "", part.Heading(t, "This month", part.Charged(&k.Month), width))
	lines = append(lines, part.Sums(t, &k.Month, width)...)
	lines = append(lines, "", part.Heading(t, "Last requests", "v all of them", width))
	lines = append(lines, s.Latest.Lines(s.Snap, width, max(rows-len(lines), 5), func(r *control.RequestView) string { return r.Model })...)
	return screen.Detail{Title: widget.Safe(k.Label), Note: string(k.ID), Lines: lines}
}
