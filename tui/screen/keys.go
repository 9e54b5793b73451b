package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Keys is the list of all clients' keys, and one of them beside it.
type Keys struct {
	list
	snap    *live.Snapshot
	order   int
	revoked bool // shows revoked ones too
	hidden  int  // revoked ones that are not shown
	soon    int  // expire within a week
	shown   []control.KeyView
}

// The orders of the list.
var keyOrders = []string{"client", "last use", "spend", "expiry"}

// soon is how long before its end a key is worth a word.
const soon = 7 * 24 * time.Hour

// NewKeys makes the screen.
func NewKeys(e *Env) *Keys {
	s := &Keys{snap: &live.Snapshot{}, list: newList(e, []widget.Column{
		{Title: "", Width: 1}, {Title: "label"}, {Title: "client"}, {Title: "state", Width: 8, Priority: 4}, {Title: "expires", Width: 9, Right: true, Priority: 2},
		{Title: "last", Width: 5, Right: true, Priority: 1}, {Title: "30 days", Width: 9, Right: true, Priority: 3},
	})}
	s.hint = "label, client, state:expired"
	s.renew = s.refresh
	s.table.Cells = s.cells
	return s
}

// Name implements Screen, as do the methods below.
func (s *Keys) Name() string { return "keys" }

func (s *Keys) Show(snap *live.Snapshot) {
	s.snap = snap
	s.refresh()
}

// refresh makes the rows of the keys that pass the filter.
func (s *Keys) refresh() {
	now := s.env.Clock()
	s.shown, s.hidden, s.soon = s.shown[:0], 0, 0
	words := s.words()
	for i := range s.snap.Keys {
		k := &s.snap.Keys[i]
		if k.State == "revoked" && !s.revoked && !strings.Contains(words, "state:") {
			s.hidden++
			continue
		}
		if expiresSoon(k, now) {
			s.soon++
		}
		if matchesKey(k, words) {
			s.shown = append(s.shown, *k)
		}
	}
	slices.SortStableFunc(s.shown, func(a, b control.KeyView) int {
		named := cmp.Or(cmp.Compare(a.ClientSlug, b.ClientSlug), cmp.Compare(a.Label, b.Label))
		switch keyOrders[s.order] {
		case "last use":
			return cmp.Or(b.LastUsedAt.Compare(a.LastUsedAt), named)
		case "spend":
			return cmp.Or(cmp.Compare(b.Last30Days.CostNanoUSD, a.Last30Days.CostNanoUSD), named)
		case "expiry":
			return cmp.Or(cmp.Compare(endOf(&a), endOf(&b)), named)
		}
		return named
	})
	rows := make([]widget.Row, len(s.shown))
	for i := range s.shown {
		rows[i].ID = string(s.shown[i].ID)
	}
	s.table.Empty = s.empty()
	s.table.SetRows(rows)
}

// endOf orders keys by when they end; those that never do come last.
func endOf(k *control.KeyView) int64 {
	if k.ExpiresAt.IsZero() {
		return 1<<63 - 1
	}
	return k.ExpiresAt.Unix()
}

func expiresSoon(k *control.KeyView, now time.Time) bool {
	return k.State == "active" && !k.ExpiresAt.IsZero() && k.ExpiresAt.Sub(now) < soon
}

func (s *Keys) cells(i int) []string {
	t, now, k := s.env.Theme, s.env.Clock(), &s.shown[i]
	sign, _ := keyState(t, k)
	return []string{sign, widget.Safe(k.Label), widget.Safe(k.ClientSlug), k.State, keyExpiry(t, k, now), widget.Ago(k.LastUsedAt, now), widget.Money(k.Last30Days.CostNanoUSD)}
}

// keyState is a key's state as a sign, and how it is painted.
func keyState(t *theme.Theme, k *control.KeyView) (sign string, role theme.Role) {
	switch k.State {
	case "active":
		return t.Paint(theme.OK, t.Glyphs.On), theme.OK
	case "expired":
		return t.Paint(theme.Warn, t.Glyphs.Half), theme.Warn
	}
	return t.Paint(theme.Faint, t.Glyphs.Off), theme.Muted
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
		return t.Paint(theme.Warn, "in "+widget.Span(k.ExpiresAt.Sub(now)))
	}
	return "in " + widget.Span(k.ExpiresAt.Sub(now))
}

func (s *Keys) empty() []string {
	switch {
	case !s.snap.Loaded:
		return []string{"loading…"}
	case s.words() != "":
		return []string{"No key matches. esc clears the filter."}
	case s.hidden > 0:
		return []string{fmt.Sprintf("%d keys, all revoked: space shows them.", s.hidden), "", "n  issues a new one"}
	case len(s.snap.Clients) == 0:
		return []string{"A key lets a client in. It belongs to a client, and there is none yet.", "", "3  goes to Clients, where n makes the first one"}
	}
	return []string{"A key lets a client in: apps send it as their API key.", "", "n  issues the first one",
		"tallygate keys create --client " + s.snap.Clients[0].Slug}
}

// matchesKey looks for words in label, client, mask and id.
func matchesKey(k *control.KeyView, words string) bool {
	text := strings.ToLower(k.Label + "\n" + k.ClientSlug + "\n" + k.Masked + "\n" + string(k.ID))
	for _, w := range strings.Fields(strings.ToLower(words)) {
		state, isState := strings.CutPrefix(w, "state:")
		client, isClient := strings.CutPrefix(w, "client:")
		switch {
		case isState && !strings.HasPrefix(k.State, state),
			isClient && !strings.HasPrefix(strings.ToLower(k.ClientSlug), client),
			!isState && !isClient && !strings.Contains(text, w):
			return false
		}
	}
	return true
}

func (s *Keys) selected() *control.KeyView { return chosen(&s.list, s.shown) }

func (s *Keys) Update(msg tea.Msg) tea.Cmd {
	cmd, _ := s.take(msg)
	return cmd
}

func (s *Keys) Draw() widget.Block {
	notes := []string{fmt.Sprintf("%d by %s", len(s.shown), keyOrders[s.order])}
	if s.soon > 0 {
		notes = append(notes, fmt.Sprintf("%d to expire soon", s.soon))
	}
	if s.hidden > 0 {
		notes = append(notes, fmt.Sprintf("%d revoked hidden", s.hidden))
	}
	return s.draw("Keys", strings.Join(notes, " · "), 58, s.drawDetail)
}

func (s *Keys) drawDetail(width, height int) widget.Block {
	t, now := s.env.Theme, s.env.Clock()
	k := s.selected()
	if k == nil {
		return widget.Box{Title: "No key", Focused: s.detail}.Draw(t, width, height, nil)
	}
	inner, rows := widget.Inner(width, height)
	day := func(at time.Time) string { return at.In(s.env.Zone).Format("2 Jan 2006 15:04") }
	sign, role := keyState(t, k)
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
	facts := []fact{{"client", widget.Safe(k.ClientSlug)}, {"key", widget.Safe(k.Masked)}, {"created", day(k.CreatedAt)}, {"last used", used}, {"expires", ends}}
	if k.OldUntil.After(now) {
		facts = append(facts, fact{"before it", t.Paint(theme.Warn, "the key that it replaced works until "+day(k.OldUntil))})
	}
	lines := append([]string{sign + " " + t.Paint(role, k.State), ""}, factLines(t, facts, inner)...)
	lines = append(lines, "", heading(t, "Limits of this key", "", inner))
	if len(k.LimitStates) == 0 {
		lines = append(lines, t.Paint(theme.Muted, "none: those of its client hold"))
	} else {
		lines = append(lines, gauges(t, k.LimitStates, inner, now)...)
	}
	lines = append(lines, "", heading(t, "30 days", widget.Money(k.Last30Days.CostNanoUSD), inner))
	lines = append(lines, sumLines(t, &k.Last30Days, inner)...)
	lines = append(lines, "", heading(t, "Last requests", "", inner))
	lines = append(lines, tailLines(s.env, s.snap, inner, max(rows-len(lines), 5), func(r *control.RequestView) bool { return r.KeyID == k.ID })...)
	return s.box(widget.Safe(k.Label), string(k.ID), width, height, lines)
}
