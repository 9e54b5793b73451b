package engine

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func TestKeyLabels(t *testing.T) {
	w := newWorld(t)
	w.setUp() // has the label default
	for _, want := range []string{"default-2", "default-3"} {
		if k := do(w, control.KeysCreate, control.CreateKey{Client: "default"}); k.Label != want || k.Client != "default" || !k.ExpiresAt.IsZero() || !regexp.MustCompile(`^llm_gw_[0-9A-Za-z]{49}$`).MatchString(k.Key) {
			t.Errorf("made %+v, want label %s", k, want)
		}
	}
	bot := do(w, control.KeysCreate, control.CreateKey{Client: "default", Label: " bot "})
	refused(w, control.KeysCreate, control.CreateKey{Client: "default", Label: "BOT"}, tally.Conflict, "bot", "tallygate keys rotate")
	refused(w, control.KeysUpdate, control.UpdateKey{PickKey: control.PickKey{Key: "bot", Client: "default"}, Label: to("default")}, tally.Conflict)
	refused(w, control.KeysCreate, control.CreateKey{Client: "default", Label: "a\x07b"}, tally.Invalid, "control character")
	do(w, control.KeysRevoke, control.PickKey{Key: "bot", Client: "default"})
	again := do(w, control.KeysCreate, control.CreateKey{Client: "default", Label: "bot"}) // free once the other is revoked
	if again.ID == bot.ID {
		t.Error("the same key again")
	}
	var labels []string
	for _, k := range do(w, control.KeysList, control.ListKeys{Client: "default"}) {
		labels = append(labels, k.Label)
	}
	slices.Sort(labels)
	if want := []string{"bot", "default", "default-2", "default-3"}; !slices.Equal(labels, want) {
		t.Errorf("labels %q, want %q", labels, want)
	}
	if all := do(w, control.KeysList, control.ListKeys{All: true}); len(all) != 5 {
		t.Errorf("%d keys with revoked ones, want 5", len(all))
	}
	// A label means the key that works, not the one that was revoked.
	if v := do(w, control.KeysUpdate, control.UpdateKey{PickKey: control.PickKey{Key: "bot", Client: "default"}, Label: to("robot")}); v.ID != again.ID || v.Label != "robot" {
		t.Errorf("renamed %+v", v)
	}
	w.consistent()
}

func TestPickingKeys(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	_, key := w.client("Other")
	refused(w, control.KeysRevoke, control.PickKey{Key: "default"}, tally.NotFound, "--client")
	refused(w, control.KeysRevoke, control.PickKey{Key: "nope", Client: "default"}, tally.NotFound, "there is default")
	refused(w, control.KeysRevoke, control.PickKey{Key: "default", Client: "nobody"}, tally.NotFound, "client")
	refused(w, control.KeysRevoke, control.PickKey{Key: string(key.ID), Client: "default"}, tally.NotFound, "other")
	if v := do(w, control.KeysRevoke, control.PickKey{Key: string(key.ID), Client: "other"}); v.State != "revoked" {
		t.Errorf("%+v", v)
	}
}

func TestKeyExpiry(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	lisbon, _ := time.LoadLocation("Europe/Lisbon")
	for _, tc := range []struct {
		expires string
		want    time.Time
	}{
		{"90d", noon.AddDate(0, 0, 90)}, {"12h", noon.Add(12 * time.Hour)}, {"1s", noon.Add(time.Second)}, {"never", time.Time{}},
		{"2027-07-01", time.Date(2027, 7, 1, 0, 0, 0, 0, lisbon)}, {"2027-07-01T10:00:00+02:00", time.Date(2027, 7, 1, 8, 0, 0, 0, time.UTC)},
	} {
		if k := do(w, control.KeysCreate, control.CreateKey{Client: "default", Expires: control.Expiry(tc.expires)}); !k.ExpiresAt.Equal(tc.want) {
			t.Errorf("%q expires at %v, want %v", tc.expires, k.ExpiresAt, tc.want)
		}
	}
	for _, bad := range []string{"yesterday", "-1d", "0d", "2020-01-01", "2026-11-21", "99999999999d", "1e9h", "2026-13-01", "2500-01-01", "90 days"} {
		refused(w, control.KeysCreate, control.CreateKey{Client: "default", Expires: control.Expiry(bad)}, tally.Invalid)
	}

	k := do(w, control.KeysCreate, control.CreateKey{Client: "default", Label: "brief", Expires: "1h"})
	pick := control.PickKey{Key: string(k.ID)}
	w.served(k.Key, "sim-small")
	w.wait(time.Hour)
	if a := w.chat(k.Key, "sim-small"); a.code != tally.CodeKeyExpired {
		t.Errorf("an expired key got %d %s", a.status, a.code)
	}
	refused(w, control.KeysRotate, control.RotateKey{PickKey: pick}, tally.Invalid, "expired", "tallygate keys update")
	if v := do(w, control.KeysUpdate, control.UpdateKey{PickKey: pick, Expires: to(control.Expiry("30d"))}); v.State != "active" {
		t.Errorf("%+v", v)
	}
	w.served(k.Key, "sim-small")
	if v := do(w, control.KeysUpdate, control.UpdateKey{PickKey: pick, Expires: to(control.Expiry("never")), Limits: edits(t, "requests=2/day")}); !v.ExpiresAt.IsZero() || v.LimitStates[0].Left != 0 || v.LimitStates[0].Of != "key" {
		t.Errorf("%+v", v)
	}
	if a := w.chat(k.Key, "sim-small"); a.code != "requests_limit" {
		t.Errorf("a key beyond its limit got %d %s", a.status, a.code)
	}
	refused(w, control.KeysUpdate, control.UpdateKey{PickKey: pick}, tally.Invalid, "nothing to change")
}

func TestRotatingKeys(t *testing.T) {
	w := newWorld(t)
	first := w.setUp().Key
	pick := control.PickKey{Key: "default", Client: "default"}
	second := do(w, control.KeysRotate, control.RotateKey{PickKey: pick, Grace: time.Hour})
	if second.Key == first || !second.OldUntil.Equal(noon.Add(time.Hour)) {
		t.Errorf("rotated %+v", second)
	}
	v := do(w, control.KeysList, control.ListKeys{})[0]
	if !v.OldUntil.Equal(noon.Add(time.Hour)) || v.Masked != second.Key[:11]+"…"+second.Key[len(second.Key)-4:] {
		t.Errorf("view %+v", v)
	}
	w.served(first, "sim-small")
	w.served(second.Key, "sim-small")
	w.wait(time.Hour)
	if a := w.chat(first, "sim-small"); a.code != tally.CodeKeyRevoked {
		t.Errorf("the old key after its grace got %d %s", a.status, a.code)
	}
	if v := do(w, control.KeysList, control.ListKeys{})[0]; !v.OldUntil.IsZero() {
		t.Errorf("the old key is shown to work until %v", v.OldUntil)
	}
	third := do(w, control.KeysRotate, control.RotateKey{PickKey: pick, Grace: time.Hour})
	w.served(second.Key, "sim-small")
	if v := do(w, control.KeysUpdate, control.UpdateKey{PickKey: pick, EndGrace: true}); !v.OldUntil.IsZero() {
		t.Errorf("after its end the grace is shown until %v", v.OldUntil)
	}
	if a := w.chat(second.Key, "sim-small"); a.code != tally.CodeKeyRevoked {
		t.Errorf("the old key after the end of its grace got %d %s", a.status, a.code)
	}
	refused(w, control.KeysUpdate, control.UpdateKey{PickKey: pick, EndGrace: true}, tally.Conflict, "no old key")
	fourth := do(w, control.KeysRotate, control.RotateKey{PickKey: pick})
	if !fourth.OldUntil.IsZero() {
		t.Errorf("rotated %+v", fourth)
	}
	for name, key := range map[string]string{"second": second.Key, "third": third.Key} {
		if a := w.chat(key, "sim-small"); a.status != 401 {
			t.Errorf("the %s key got %d %s", name, a.status, a.code)
		}
	}
	w.served(fourth.Key, "sim-small")
	for _, grace := range []time.Duration{-1, time.Millisecond, 91 * 24 * time.Hour, 1<<63 - 1} {
		refused(w, control.KeysRotate, control.RotateKey{PickKey: pick, Grace: grace}, tally.Invalid, "still works")
	}
	// All of its usage is that of one key; of the one before the last nothing is
	// known any more. Refusals that are alike are recorded once their minute is
	// over.
	w.wait(time.Minute)
	if err := w.engine.second(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := do(w, control.KeysList, control.ListKeys{})[0]; v.Last30Days.Requests != 4 || v.Last30Days.Refused != 3 {
		t.Errorf("usage %+v", v.Last30Days)
	}

	do(w, control.KeysRevoke, pick)
	if a := w.chat(fourth.Key, "sim-small"); a.code != tally.CodeKeyRevoked {
		t.Errorf("a revoked key got %d %s", a.status, a.code)
	}
	id := control.PickKey{Key: string(fourth.ID)}
	revokedAt := do(w, control.KeysList, control.ListKeys{All: true})[0].RevokedAt
	w.wait(time.Minute)
	if v := do(w, control.KeysRevoke, id); !v.RevokedAt.Equal(revokedAt) {
		t.Error("revoked twice")
	}
	refused(w, control.KeysRotate, control.RotateKey{PickKey: id}, tally.Invalid, "revoked for good")
	refused(w, control.KeysUpdate, control.UpdateKey{PickKey: id, Expires: to(control.Expiry("never"))}, tally.Invalid, "revoked for good")
	w.consistent()
}
