package engine

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage/memory"
)

// looking is a store that lets somebody look at what lies on the disk before and after
// each change.
type looking struct {
	*memory.Store
	look func()
}

func (l looking) Apply(ctx context.Context, by tally.Act, changes ...tally.Change) (int64, error) {
	l.look()
	defer l.look()
	return l.Store.Apply(ctx, by, changes...)
}

// onDisk is a store and its key file as they were at an instant.
type onDisk struct {
	key      []byte
	entities []tally.Entity
}

func (w *world) stop(dir string) onDisk {
	w.Helper()
	key, err := os.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		w.Fatal(err)
	}
	entities, _, err := w.store.Load(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	var copies []tally.Entity
	for _, e := range entities {
		b, err := json.Marshal(e)
		if err != nil {
			w.Fatal(err)
		}
		c := tally.NewEntity(e.Kind())
		if err := json.Unmarshal(b, c); err != nil {
			w.Fatal(err)
		}
		copies = append(copies, c)
	}
	return onDisk{key, copies}
}

// Whenever the process is killed during a rotation, the store opens with the key file that
// lies there, its provider has its key, its tokens count, and the next start ends the
// rotation.
func TestRotationIsKilled(t *testing.T) {
	w := newWorld(t)
	dir := w.engine.opts.Data
	done := w.setUp()
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	w.provider("up", u, upstreamKey)
	token := do(w, control.TokensMint, control.MintToken{}).Token
	hash := w.engine.sealer.Hash("gw", "ana")
	all := []onDisk{w.stop(dir)}
	w.engine.store = looking{w.store, func() { all = append(all, w.stop(dir)) }}
	state := do(w, control.SecretsRotate, control.RotateSecrets{})
	if state.Rotating || state.Sealed != 2 {
		t.Errorf("after a rotation %+v", state)
	}
	all = append(all, w.stop(dir))
	if len(all) != 4 {
		t.Fatalf("%d states were looked at", len(all))
	}
	w.served(done.Key, "gpt-mini") // with the key that the router has opened anew
	w.served(token, "gpt-mini")
	for i, s := range all {
		at := t.TempDir()
		if err := os.WriteFile(filepath.Join(at, "key"), s.key, 0o600); err != nil {
			t.Fatal(err)
		}
		n := &world{TB: t, log: &lockedBuffer{}, now: noon}
		n.open(at, s.entities...)
		up, err := findProvider(n.engine.catalog.Load(), "up")
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := n.engine.providerKeys(up.ID); err != nil || len(keys) != 1 || keys[0] != upstreamKey {
			t.Errorf("killed at %d: provider keys %v", i, err)
		}
		n.served(token, "gpt-mini")
		if is := do(n, control.SecretsStatus, control.None{}); is.Rotating != (i == 1 || i == 2) {
			t.Errorf("killed at %d: %+v", i, is)
		}
		if err := n.engine.lookAfterKeys(context.Background()); err != nil {
			t.Fatal(err)
		}
		if is := do(n, control.SecretsStatus, control.None{}); is.Rotating || n.engine.sealer.Hash("gw", "ana") != hash {
			t.Errorf("killed at %d, and ended: %+v", i, is)
		}
		n.consistent()
		n.restart()
		n.served(token, "gpt-mini")
		if report := do(n, control.EngineVerify, control.None{}); !report.OK {
			t.Errorf("killed at %d: %+v", i, report)
		}
	}
	// With the key of before alone, the store as it is now does not open.
	at := t.TempDir()
	if err := os.WriteFile(filepath.Join(at, "key"), all[0].key, 0o600); err != nil {
		t.Fatal(err)
	}
	n := &world{TB: t, log: &lockedBuffer{}, now: noon}
	if err := n.tryOpen(at, false, all[3].entities...); tally.CodeOf(err) != tally.Corrupt || tally.AsError(err).Hint == "" {
		t.Errorf("the key before opens what was sealed anew: %v", err)
	}
}

// A rotation that the disk refuses leaves all that is sealed open, and the next one ends it.
func TestRotationFails(t *testing.T) {
	w := newWorld(t)
	done := w.setUp()
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	w.provider("up", u, upstreamKey)
	w.engine.store = broken{w.store}
	refused(w, control.SecretsRotate, control.RotateSecrets{}, tally.Unavailable, "disk is full")
	if is := do(w, control.SecretsStatus, control.None{}); !is.Rotating {
		t.Errorf("after a rotation that has failed %+v", is)
	}
	w.served(done.Key, "gpt-mini")
	w.engine.store = w.store
	w.restart()
	w.served(done.Key, "gpt-mini")
	if is := do(w, control.SecretsRotate, control.RotateSecrets{Visitors: true}); is.Rotating {
		t.Errorf("after the next one %+v", is)
	}
	w.served(done.Key, "gpt-mini")
	w.restart()
	w.served(done.Key, "gpt-mini")
}

// Limits of visitors and sessions go on over a rotation.
func TestRotationKeepsVisitors(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	token := do(w, control.TokensMint, control.MintToken{TokenFields: control.TokenFields{IPQuota: "1/day"}}).Token
	w.served(token, "sim-small")
	do(w, control.SecretsRotate, control.RotateSecrets{})
	if a := w.chat(token, "sim-small"); a.status != 429 {
		t.Errorf("after a rotation: status %d %s", a.status, a.text)
	}
	do(w, control.SecretsRotate, control.RotateSecrets{Visitors: true})
	w.served(token, "sim-small")
}
