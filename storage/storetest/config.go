package storetest

import (
	"reflect"
	"slices"
	"sync"
	"time"

	"tallygate/engine/tally"
)

func meta(id tally.ID) tally.Meta { return tally.Meta{ID: id} }

// entities are one of each kind, with something in every sort of field.
func entities() []tally.Entity {
	rate := tally.NanoUSD(150_000_000)
	return []tally.Entity{
		&tally.Gateway{Meta: meta("gw_1"), PublicID: "abc123def", Slug: "main", Name: "Main ✓", TimeZone: "Europe/Lisbon", CycleDay: 15, Access: tally.AccessByKey,
			Providers: []tally.ID{"pr_1"}, Aliases: map[string]string{"fast": "m_1"}, NotBefore: start, Enabled: true,
			Limits: []tally.Limit{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Month, Day: 15}, Max: 50e9, Warn: true}},
			Raises: []tally.Raise{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Month, Day: 15}, By: 20e9, Until: start.Add(72 * time.Hour)}}},
		&tally.Client{Meta: meta("cl_1"), Gateway: "gw_1", Slug: "acme", Name: "Acme", Status: tally.Active, Origins: []string{"https://a.example"},
			Session: tally.SessionRule{Length: time.Hour, Mode: tally.Fixed, Missing: tally.MissingRefuse}, Tariffs: []tally.Tariff{{Added: 2000}}},
		&tally.Key{Meta: meta("ke_1"), Client: "cl_1", Label: "web", Prefix: "llm_gw_7Qz1", Suffix: "f3a9", ExpiresAt: start.Add(time.Hour)},
		&tally.Secret{Meta: meta("se_1"), Of: "ke_1", Digest: tally.Digest{1, 2, 31: 255}, PreviousUntil: start, Sealed: tally.Sealed{0, 1, 2}},
		&tally.Provider{Meta: meta("pr_1"), Name: "sim", ProviderKind: "sim", Timeout: time.Minute, Enabled: true},
		&tally.Model{Meta: meta("m_1"), Provider: "pr_1", Name: "m_1", Prices: []tally.Price{{Input: &rate, AboveTokens: 7}}},
		&tally.Settings{Meta: meta(tally.SettingsID), Unpriced: tally.AllowAtZero, RetentionDays: 30},
		&tally.Tombstone{Meta: meta("cl_gone"), Of: tally.KindClient, Name: "acme-old"},
	}
}

// loaded returns what the store has, by ID, and its revision.
func (b *bench) loaded() (map[tally.ID]tally.Entity, int64) {
	b.Helper()
	list, rev, err := b.Load(ctx)
	if err != nil {
		b.Fatalf("load: %v", err)
	}
	out := map[tally.ID]tally.Entity{}
	for _, e := range list {
		out[e.Base().ID] = e
	}
	if len(out) != len(list) {
		b.Errorf("load: %d entities with %d IDs", len(list), len(out))
	}
	return out, rev
}

// act is whose the changes of the suite are.
func (b *bench) act() tally.Act { return tally.Act{At: b.now, Actor: "uid 7", Op: "test"} }

func (b *bench) apply(changes ...tally.Change) int64 {
	b.Helper()
	rev, err := b.Apply(ctx, b.act(), changes...)
	if err != nil {
		b.Fatalf("apply: %v", err)
	}
	return rev
}

func config(b *bench) {
	if all, rev := b.loaded(); len(all) != 0 || rev != 0 {
		b.Errorf("a new store has %d entities at revision %d", len(all), rev)
	}
	list := entities()
	var changes []tally.Change
	for _, e := range list {
		changes = append(changes, tally.Put(e, b.now))
	}
	rev := b.apply(changes...)
	all, at := b.loaded()
	if rev != 1 || at != rev || len(all) != len(list) {
		b.Errorf("%d entities at revision %d after revision %d", len(all), at, rev)
	}
	for _, e := range list {
		if e.Base().Rev != rev {
			b.Errorf("%s was passed in and has revision %d, want %d", e.Kind(), e.Base().Rev, rev)
		}
		b.wantEqual(string(e.Kind()), all[e.Base().ID], e)
	}

	second := b.apply(tally.Delete(list[2]), tally.Put(list[1], b.now.Add(time.Hour)))
	all, at = b.loaded()
	if second <= rev || at != second || all["ke_1"] != nil || all["cl_1"].Base().Rev != second || all["gw_1"].Base().Rev != rev {
		b.Errorf("after a deletion and a change at revision %d: revision %d, %+v", second, at, all)
	}
	list[2].Base().Rev = 0
	third := b.apply(tally.Put(list[2], b.now)) // what was deleted may come again
	if again := b.apply(); again != third {
		b.Errorf("no change at all made revision %d of %d", again, third)
	}
}

func configConflict(b *bench) {
	list := entities()
	b.apply(tally.Put(list[0], b.now), tally.Put(list[1], b.now))
	b.apply(tally.Put(list[0], b.now))
	before, rev := b.loaded()

	stale, gone, twice := *list[0].(*tally.Gateway), *list[1].(*tally.Client), *list[0].(*tally.Gateway)
	stale.Rev, gone.ID, twice.Rev = 1, "cl_2", 0
	key := list[2]
	for what, c := range map[string]tally.Change{
		"a change of an older revision":    tally.Put(&stale, b.now),
		"a change of what does not exist":  tally.Put(&gone, b.now),
		"a new one where there is one":     tally.Put(&twice, b.now),
		"a deletion of an older revision":  tally.Delete(&stale),
		"a deletion of what never existed": tally.Delete(&gone),
	} {
		var had int64
		if c.Entity != nil {
			had = c.Entity.Base().Rev
		}
		_, err := b.Apply(ctx, b.act(), tally.Put(key, b.now), c)
		b.wantCode(what, err, tally.Conflict)
		if key.Base().Rev != 0 || c.Entity != nil && c.Entity.Base().Rev != had {
			b.Errorf("%s: a revision was passed back", what)
		}
	}
	for what, changes := range map[string][]tally.Change{
		"one entity twice":    {tally.Put(key, b.now), tally.Put(key, b.now)},
		"of another kind":     {{Kind: tally.KindModel, ID: "ke_1", Entity: key}},
		"of another ID":       {{Kind: tally.KindKey, ID: "ke_2", Entity: key}},
		"of an unknown kind":  {{Kind: "planet", ID: "x"}},
		"of nothing that is":  {{Kind: tally.KindKey}},
		"good, and then none": {tally.Put(key, b.now), {Kind: "planet", ID: "x"}},
	} {
		_, err := b.Apply(ctx, b.act(), changes...)
		b.wantCode(what, err, tally.Invalid)
	}
	after, at := b.loaded()
	if at != rev || !reflect.DeepEqual(before, after) {
		b.Errorf("refused changes left a trace: revision %d of %d, %+v of %+v", at, rev, after, before)
	}
}

func configIsolation(b *bench) {
	list := entities()
	gw := list[0].(*tally.Gateway)
	b.apply(tally.Put(gw, b.now))
	kept, _ := b.loaded()
	gw.Name, gw.Providers[0], gw.Aliases["fast"], gw.Limits[0].Max = "changed", "changed", "changed", 1
	again, _ := b.loaded()
	b.wantEqual("after the one passed in was changed", again, kept)
	got := again["gw_1"].(*tally.Gateway)
	got.Name, got.Providers[0], got.Aliases["fast"], got.Limits[0].Max = "changed", "changed", "changed", 1
	third, _ := b.loaded()
	b.wantEqual("after a loaded one was changed", third, kept)
}

// configRace: of many changes of the same revision one is made.
func configRace(b *bench) {
	gw := entities()[0].(*tally.Gateway)
	b.apply(tally.Put(gw, b.now))
	var all sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		all.Go(func() {
			mine := *gw
			mine.Name = string(rune('a' + i))
			_, errs[i] = b.Apply(ctx, b.act(), tally.Put(&mine, b.now))
		})
	}
	all.Wait()
	won := slices.Index(errs, nil)
	for i, err := range errs {
		if i != won {
			b.wantCode("a change that came too late", err, tally.Conflict)
		}
	}
	if now, rev := b.loaded(); won < 0 || rev != 2 || now["gw_1"].(*tally.Gateway).Name != string(rune('a'+won)) {
		b.Errorf("change %d won; revision %d, %+v", won, rev, now["gw_1"])
	}
}
