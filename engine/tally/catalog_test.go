package tally

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestCatalogWith: a catalog after changes is the one made of what is then
// there, whatever the order.
func TestCatalogWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := map[EntityKind]map[ID]Entity{}
		cat := NewCatalog(0, nil)
		for rev := int64(1); rev <= 8; rev++ {
			kinds := []EntityKind{KindGateway, KindClient, KindKey, KindSecret, KindProvider, KindModel, KindSettings}
			kind := rapid.SampledFrom(kinds).Draw(t, "kind")
			n := rapid.IntRange(1, 3).Draw(t, "which")
			e := drawEntity(t, kind, n)
			change := Put(e, time.Unix(int64(10-n), 0))
			if all[kind] == nil {
				all[kind] = map[ID]Entity{}
			}
			if all[kind][e.Base().ID] != nil && rapid.Bool().Draw(t, "delete") {
				change = Delete(e)
				delete(all[kind], e.Base().ID)
			} else {
				all[kind][e.Base().ID] = e
			}
			before := *cat
			next := cat.With(rev, change)
			if !reflect.DeepEqual(before, *cat) {
				t.Fatal("a change changed the catalog before it")
			}
			cat = next
			var list []Entity
			for _, of := range all {
				for _, e := range of {
					list = append(list, e)
				}
			}
			if want := NewCatalog(rev, list); !reflect.DeepEqual(cat, want) {
				t.Fatalf("after %s %s:\ngot  %+v\nwant %+v", kind, change.ID, cat, want)
			}
		}
	})
}

func drawEntity(t *rapid.T, kind EntityKind, n int) Entity {
	e := NewEntity(kind)
	e.Base().ID = ID(fmt.Sprintf("%s_%d", kind, n))
	switch e := e.(type) {
	case *Gateway:
		e.TimeZone = rapid.SampledFrom([]string{"UTC", "Europe/Lisbon", "Mars/Olympus"}).Draw(t, "zone")
	case *Client:
		e.Slug = fmt.Sprint("c", n)
	case *Key:
		e.Client = ID(fmt.Sprintf("client_%d", rapid.IntRange(1, 2).Draw(t, "client")))
	case *Secret:
		e.Of = ID(fmt.Sprintf("key_%d", n))
		e.Digest = Digest{byte(n), byte(rapid.IntRange(1, 3).Draw(t, "digest"))}
	case *Model:
		e.Name = rapid.SampledFrom([]string{"small", "large"}).Draw(t, "name")
	case *Settings:
		e.Base().ID = SettingsID
		e.RetentionDays = n
	}
	return e
}

func TestCatalogIndexes(t *testing.T) {
	at := func(n int64) Meta { return Meta{ID: ID(fmt.Sprint("id_", n)), CreatedAt: time.Unix(n, 0)} }
	gw, cl := &Gateway{Meta: at(1), TimeZone: "Asia/Kathmandu"}, &Client{Meta: at(2), Slug: "acme"}
	late, early, other := &Key{Meta: at(9), Client: cl.ID}, &Key{Meta: at(3), Client: cl.ID}, &Key{Meta: at(4), Client: "cl_other"}
	b, a := &Model{Meta: at(6), Name: "m", Provider: "pr_2"}, &Model{Meta: at(5), Name: "m", Provider: "pr_1"}
	se := &Secret{Meta: at(7), Of: early.ID, Digest: Digest{1}}
	c := NewCatalog(5, []Entity{late, b, gw, se, cl, other, early, a})
	if c.Gateway(gw.ID) != gw || c.Client(cl.ID) != cl || c.Key(late.ID) != late || c.Model(a.ID) != a || c.Secret(early.ID) != se {
		t.Error("an entity is not found")
	}
	if c.Gateway(cl.ID) != nil || c.Provider("pr_1") != nil || c.Secret(late.ID) != nil || c.Entity(KindKey, "none") != nil {
		t.Error("an entity is found that is not there")
	}
	if got := c.KeysOf(cl.ID); len(got) != 2 || got[0] != early || got[1] != late {
		t.Errorf("keys: %v", got)
	}
	if got := c.ModelsNamed("m"); len(got) != 2 || got[0] != a || got[1] != b {
		t.Errorf("models: %v", got)
	}
	if c.Zone(gw.ID).String() != "Asia/Kathmandu" || c.Zone("none") != time.UTC {
		t.Errorf("zones: %v, %v", c.Zone(gw.ID), c.Zone("none"))
	}
	if c.Settings.Unpriced != RefuseUnpriced || *c.Settings.HoldWait != DefaultHoldWait || c.Settings.OnLeave != LeaveAuto || c.Settings.ID != SettingsID {
		t.Errorf("default settings: %+v", c.Settings)
	}
}

// TestOwner: a credential that was rotated works until its grace ends.
func TestOwner(t *testing.T) {
	now := time.Unix(1000, 0)
	c := NewCatalog(1, []Entity{
		&Secret{Meta: Meta{ID: "se_1"}, Of: "ke_1", Digest: Digest{1}, Previous: Digest{2}, PreviousUntil: now},
		&Secret{Meta: Meta{ID: "se_2"}, Of: "pr_1", Sealed: Sealed("sealed")}, // has no digest
	})
	for _, tc := range []struct {
		digest Digest
		at     time.Time
		of     ID
		ok     bool
	}{
		{Digest{1}, now.Add(-time.Hour), "ke_1", true},
		{Digest{1}, now.Add(time.Hour), "ke_1", true},
		{Digest{2}, now.Add(-1), "ke_1", true},
		{Digest{2}, now, "ke_1", false}, // known, and over
		{Digest{3}, now, "", false},
		{Digest{}, now, "", false},
	} {
		if of, ok := c.Owner(tc.digest, tc.at); of != tc.of || ok != tc.ok {
			t.Errorf("digest %d at %v: %q, %v; want %q, %v", tc.digest[0], tc.at, of, ok, tc.of, tc.ok)
		}
	}
}

func TestChange(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("", 3600))
	e := &Client{Meta: Meta{ID: "cl_1", Rev: 7}}
	first := Put(e, now)
	if want := (Change{Kind: KindClient, ID: "cl_1", Entity: e, IfRev: 7}); first != want || !e.CreatedAt.Equal(now) || e.CreatedAt.Location() != time.UTC {
		t.Errorf("%+v of %+v", first, e)
	}
	Put(e, now.Add(time.Hour))
	if !e.CreatedAt.Equal(now) || !e.UpdatedAt.Equal(now.Add(time.Hour)) {
		t.Errorf("after a second change: %+v", e)
	}
	if got := Delete(e); got != (Change{Kind: KindClient, ID: "cl_1", IfRev: 7}) {
		t.Errorf("%+v", got)
	}
}

// The names of what was deleted are found both ways; of two alike the latest.
func TestDeleted(t *testing.T) {
	at := func(n int64) Meta { return Meta{CreatedAt: time.Unix(n, 0)} }
	stone := func(id ID, n int64, of EntityKind, name string) *Tombstone {
		m := at(n)
		m.ID = id
		return &Tombstone{Meta: m, Of: of, Name: name}
	}
	c := NewCatalog(1, []Entity{stone("cl_1", 1, KindClient, "acme"), stone("cl_3", 3, KindClient, "acme"), stone("cl_2", 2, KindClient, "acme"), stone("gw_1", 4, KindGateway, "acme")})
	if got := c.DeletedAs(KindClient, "acme"); got != "cl_3" || c.Deleted("cl_1") != "acme" || c.DeletedAs(KindKey, "acme") != "" || c.Deleted("cl_4") != "" {
		t.Errorf("found %q", got)
	}
}
