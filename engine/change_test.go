package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// Of many who want the same name at once, one gets it.
func TestOneOfManyWins(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	const callers = 16
	race := func(name string, call func(i int) error) {
		t.Helper()
		var wg sync.WaitGroup
		results := make([]error, callers)
		for i := range callers {
			wg.Go(func() { results[i] = call(i) })
		}
		wg.Wait()
		won := 0
		for _, err := range results {
			switch {
			case err == nil:
				won++
			case tally.CodeOf(err) != tally.Conflict:
				t.Errorf("%s: %v", name, err)
			}
		}
		if won != 1 {
			t.Errorf("%s: %d won, want 1", name, won)
		}
		w.consistent()
	}
	ctx := context.Background()
	race("client slug", func(i int) error {
		_, err := control.ClientsCreate.Do(ctx, w.owner, control.CreateClient{Slug: "aurora", ClientFields: control.ClientFields{Name: to(fmt.Sprint("Aurora ", i))}})
		return err
	})
	race("client name", func(int) error {
		_, err := control.ClientsCreate.Do(ctx, w.owner, control.CreateClient{ClientFields: control.ClientFields{Name: to("Borealis")}})
		return err
	})
	race("key label", func(int) error {
		_, err := control.KeysCreate.Do(ctx, w.owner, control.CreateKey{Client: "aurora", Label: "bot"})
		return err
	})
	race("gateway", func(int) error {
		_, err := control.GatewaysCreate.Do(ctx, w.owner, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Second")}})
		return err
	})
	race("provider", func(int) error {
		_, err := control.ProvidersCreate.Do(ctx, w.owner, control.CreateProvider{Name: "p", ProviderKind: "sim"})
		return err
	})
	race("model", func(int) error {
		_, err := control.ModelsCreate.Do(ctx, w.owner, control.CreateModel{Provider: "p", Name: "m"})
		return err
	})
}

func TestOneOfManySetups(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	keys := make(chan string, 8)
	for range cap(keys) {
		wg.Go(func() {
			done, err := control.EngineSetup.Do(context.Background(), w.owner, control.Setup{})
			if err == nil {
				keys <- done.Key
			} else if tally.CodeOf(err) != tally.Conflict || !strings.Contains(err.Error(), "set up already") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(keys)
	if len(keys) != 1 {
		t.Fatalf("%d set-ups were made", len(keys))
	}
	w.served(<-keys, "sim-small")
	w.consistent()
}

// Changes of all kinds at the same time, under requests, leave what is in force
// as it is stored.
func TestChangesAtOnce(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	do(w, control.ClientsUpdate, control.UpdateClient{Client: "default", ClientFields: control.ClientFields{Limits: edits(t, "requests=none/minute", "requests=none/month")}})
	ctx := context.Background()
	var wg, asking sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					w.served(key, "sim-small")
				}
			}
		})
	}
	for i := range 6 {
		wg.Go(func() {
			name := fmt.Sprintf("client-%d", i)
			cl, err := control.ClientsCreate.Do(ctx, w.owner, control.CreateClient{ClientFields: control.ClientFields{Name: &name}})
			if err != nil {
				t.Error(err)
				return
			}
			for n := range 10 {
				if _, err := control.KeysCreate.Do(ctx, w.owner, control.CreateKey{Client: cl.Slug}); err != nil {
					t.Error(err)
				}
				if _, err := control.ClientsUpdate.Do(ctx, w.owner, control.UpdateClient{Client: "default", ClientFields: control.ClientFields{Note: to(fmt.Sprint(i, n))}}); err != nil {
					t.Error(err)
				}
				if _, err := control.ProvidersUpdate.Do(ctx, w.owner, control.UpdateProvider{Provider: "sim", ProviderFields: control.ProviderFields{MaxInFlight: to(100 + n)}}); err != nil {
					t.Error(err)
				}
			}
			if i%2 == 0 {
				if _, err := control.ClientsDelete.Do(ctx, w.owner, control.Named{Name: cl.Slug}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	asking.Wait()
	w.consistent()
	if c := w.engine.catalog.Load(); len(c.Clients) != 4 || len(c.Keys) != 31 {
		t.Errorf("%d clients and %d keys, want 4 and 31", len(c.Clients), len(c.Keys))
	}
	if s := do(w, control.EngineStatus, control.None{}); s.InFlight != 0 || s.Holds != 0 {
		t.Errorf("status %+v", s)
	}
}

// Somebody else has changed the store: the change is refused once, and then
// made on what is there.
func TestAStaleCatalogIsReadAgain(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	theirs := *w.engine.catalog.Load().Clients[0]
	theirs.Note = "theirs"
	if _, err := w.store.Apply(context.Background(), tally.Act{At: noon}, tally.Put(&theirs, noon)); err != nil {
		t.Fatal(err)
	}
	change := control.UpdateClient{Client: "default", ClientFields: control.ClientFields{Company: to("Ours")}}
	refused(w, control.ClientsUpdate, change, tally.Conflict)
	w.consistent()
	if got := do(w, control.ClientsUpdate, change); got.Note != "theirs" || got.Company != "Ours" {
		t.Errorf("changed %+v", got)
	}
	w.consistent()
}

// broken is a store that refuses to write.
type broken struct{ storage.Store }

func (broken) Apply(context.Context, tally.Act, ...tally.Change) (int64, error) {
	return 0, tally.Errorf(tally.Unavailable, "the disk is full")
}

func TestAFailingStoreChangesNothing(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	before := w.engine.catalog.Load()
	w.engine.store = broken{w.store}
	refused(w, control.ClientsSuspend, control.Named{Name: "default"}, tally.Unavailable, "disk is full")
	refused(w, control.KeysRotate, control.RotateKey{PickKey: control.PickKey{Key: "default", Client: "default"}}, tally.Unavailable)
	if w.engine.catalog.Load() != before {
		t.Error("what is in force has changed")
	}
	w.served(key, "sim-small")
}

// A caller that has left before its turn changes nothing.
func TestALateCallerIsRefused(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := w.engine.change(ctx, func(*tally.Catalog, time.Time) ([]tally.Change, error) {
		t.Error("the change was planned")
		return nil, nil
	})
	if tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("got %v", err)
	}
}

// Every change is told to whoever follows along, with its revision.
func TestChangesAreTold(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	rev := w.engine.catalog.Load().Rev
	for e, err := range w.owner.Events(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == tally.ConfigEvent && e.Rev == rev {
			return
		}
	}
}
