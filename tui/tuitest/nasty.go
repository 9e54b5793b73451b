package tuitest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/memory"
)

// Nasty are texts that users may put into names, and that must not reach a
// terminal as they are.
var Nasty = []string{
	"\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b]52;c;ZXZpbA==\x07", "a\rb", "two\nlines", "tab\there", "nul\x00byte", "\u202eright to left\u202c",
	"\u200bzero\u200dwidth\ufeff", "👩‍👩‍👧‍👦 family", "👍🏽 thumb", "❤️ heart", "🇵🇹 flag", "株式会社テスト", "مرحبا بالعالم", "שלום", "e\u0301\u0302\u0303\u0304\u0305zalgo",
	"\u0e01\u0e33\u0e49", "क्षि", "\u009b31mC1", "\x9bbytes\xff", "\U000e0041tag", "ｆｕｌｌ", "\u2028line\u2029", "%s%d%!v(MISSING)", strings.Repeat("w", 200), strings.Repeat("宽", 66),
}

// Hostile is Full with names made by somebody who means harm. The engine would refuse
// most of them, so they are put into its store.
func Hostile(tb testing.TB, clock func() time.Time) *World {
	t := full(tb)
	n := 0
	next := func() string {
		n++
		return Nasty[n%len(Nasty)]
	}
	rename(tb, t.store, next)
	var gateway tally.ID
	for _, e := range load(tb, t.store) {
		if g, ok := e.(*tally.Gateway); ok {
			gateway = g.ID
		}
	}
	for _, name := range Nasty {
		c := &tally.Client{Meta: tally.Meta{ID: tally.NewID("cl", Epoch)}, Gateway: gateway, Slug: name, Name: name, Email: name, Company: name, Phone: name, Note: name,
			Models: []string{name}, Origins: []string{name}, Status: tally.Active, Limits: []tally.Limit{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Month}, Max: 50e9}}}
		k := &tally.Key{Meta: tally.Meta{ID: tally.NewID("key", Epoch)}, Client: c.ID, Label: name, Prefix: name, Suffix: name}
		apply(tb, t.store, tally.Put(c, Epoch), tally.Put(k, Epoch))
		r := tally.Record{ID: tally.NewID("req", Epoch), At: Epoch.Add(-time.Minute), Gateway: gateway, Client: c.ID, Key: k.ID, Endpoint: next(), Model: next(), Upstream: next(), Answered: next(),
			Origin: next(), Country: next(), Token: next(), VisitorNet: next(), Attempts: 2, Status: 200, Outcome: tally.OK, Basis: tally.Exact, Tokens: tally.Tokens{Input: 900, Output: 90}, Cost: 3e6, Credits: 3e6, Code: next(),
			Tries: []tally.Attempt{{Cause: next(), Code: next(), Detail: next(), Request: next(), Upstream: next()}}, Total: time.Second}
		hold := tally.Reservation{ID: r.ID, At: r.At, ExpiresAt: Epoch, Draft: r, Session: &tally.SessionUse{Client: c.ID, Member: next()}}
		if _, err := t.store.Reserve(context.Background(), hold); err != nil {
			tb.Fatal(err)
		}
		if err := t.store.Settle(context.Background(), tally.Settlement{ID: r.ID, Record: r}); err != nil {
			tb.Fatal(err)
		}
		r.ID, r.Outcome, r.Status, r.Reason = tally.NewID("req", Epoch), tally.OutcomeLimited, 429, next()
		r.Reached = &tally.Reached{Subject: tally.Subject(next()), Metric: tally.Cost, Window: next(), Used: 1, Need: 1, Max: 1}
		if err := t.store.Refuse(context.Background(), r); err != nil {
			tb.Fatal(err)
		}
	}
	return run(tb, clock, t)
}

// Long is Full with names as long as the engine allows.
func Long(tb testing.TB, clock func() time.Time) *World {
	t := full(tb)
	n := 0
	rename(tb, t.store, func() string {
		n++
		return fmt.Sprintf("a-very-long-name-%d-%s", n, strings.Repeat("that-goes-on-and-", 10))
	})
	return run(tb, clock, t)
}

// rename gives everything in a store that has a name a new one.
func rename(tb testing.TB, store *memory.Store, name func() string) {
	tb.Helper()
	change(tb, store, func(e tally.Entity) {
		switch e := e.(type) {
		case *tally.Gateway:
			e.Name, e.Slug, e.PublicURL, e.TimeZone, e.DefaultModel = name(), name(), name(), name(), name()
			e.Origins, e.Aliases, e.Models = []string{name()}, map[string]string{name(): name()}, []string{name()}
			e.AllowedCountries, e.BlockedCountries = []string{name()}, []string{name()}
		case *tally.Provider:
			e.Name, e.BaseURL, e.KeyHints = name(), name(), []string{name()}
		case *tally.Model:
			e.Name, e.Upstream, e.Mode, e.ReplacedBy = name(), name(), name(), name()
			for i := range e.Prices {
				e.Prices[i].Source = name()
			}
		case *tally.Client:
			e.Name, e.Slug, e.Email, e.Company, e.Note, e.Phone = name(), name(), name(), name(), name(), name()
		case *tally.Key:
			e.Label, e.Prefix, e.Suffix = name(), name(), name()
		}
	})
}

// change changes entities in a store, in ways that no operation need allow.
func change(tb testing.TB, store *memory.Store, edit func(tally.Entity)) {
	tb.Helper()
	var changes []tally.Change
	for _, e := range load(tb, store) {
		edit(e)
		changes = append(changes, tally.Put(e, Epoch))
	}
	apply(tb, store, changes...)
}

func apply(tb testing.TB, store *memory.Store, changes ...tally.Change) {
	tb.Helper()
	if _, err := store.Apply(context.Background(), tally.Act{}, changes...); err != nil {
		tb.Fatal(err)
	}
}

func load(tb testing.TB, store *memory.Store) []tally.Entity {
	tb.Helper()
	entities, _, err := store.Load(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	return entities
}
