package engine

import (
	"context"
	"errors"
	"os"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// openSealer opens the key file of a store. A store in which nothing is sealed
// gets a new one. One whose sealed secrets it cannot open is refused, since its
// providers would fail one request after the other: the file is lost, or a
// backup has come back without it. With ForgetSecrets it returns the secrets
// that do not open instead.
// Nodes that share a store have the same key: whoever has another one is refused, and a key
// that was made only now is not left lying about.
func openSealer(ctx context.Context, o *Options, c storage.Cluster, entities []tally.Entity) (*auth.Sealer, []*tally.Secret, error) {
	before, err := auth.Print(o.Keys)
	if err != nil && c != nil {
		return nil, nil, err
	}
	sealer, lost, err := findSealer(o, entities)
	if err != nil && c != nil && before == "" {
		return nil, nil, tally.Errorf(tally.Denied, "this node has no key yet, and the nodes have one that opens what is sealed: there is no %s", o.Keys.Path).
			WithHint("copy secrets.key of another node to %s, with mode 0600", tally.ShellWord(o.Keys.Path))
	}
	if err != nil || c == nil {
		return sealer, lost, err
	}
	if err := c.KeepKey(ctx, sealer.Print()); err != nil {
		if before == "" {
			err = errors.Join(err, os.Remove(o.Keys.Path))
		}
		return nil, nil, err
	}
	return sealer, lost, nil
}

func findSealer(o *Options, entities []tally.Entity) (_ *auth.Sealer, lost []*tally.Secret, _ error) {
	var sealed []*tally.Secret
	for _, e := range entities {
		if s, ok := e.(*tally.Secret); ok && len(s.Sealed)+len(s.SealedBefore) > 0 {
			sealed = append(sealed, s)
		}
	}
	sealer, err := auth.OpenSealer(o.Keys)
	missing := tally.CodeOf(err) == tally.NotFound
	switch {
	case err != nil && !missing:
		return nil, nil, err
	case missing && len(sealed) > 0 && !o.ForgetSecrets:
		return nil, nil, tally.Errorf(tally.Corrupt, "%s is gone, and without it the keys of providers and gateways in this store cannot be read", o.Keys.String()).
			WithHint("put it back from your copy, or give the key as you did before; if there is none: tallygate serve --forget-secrets, then enter the provider keys again. Clients' keys and all figures stay")
	case missing:
		if sealer, err = auth.CreateSealer(o.Keys); err != nil {
			return nil, nil, err
		}
		return sealer, sealed, nil
	}
	for _, s := range sealed {
		if !opens(sealer, s) {
			lost = append(lost, s)
		}
	}
	switch {
	case o.ForgetSecrets:
		return sealer, lost, nil
	case len(lost) > 0 && len(lost) == len(sealed):
		return nil, nil, tally.Errorf(tally.Corrupt, "%s belongs to another store: it opens no key of a provider or gateway in this one", o.Keys.String()).
			WithHint("put the right one back: after a rotation, a backup of before needs the key file of before; if it is lost: tallygate serve --forget-secrets, then enter the provider keys again. Clients' keys and all figures stay")
	}
	return sealer, nil, nil
}

func opens(sealer *auth.Sealer, s *tally.Secret) bool {
	for _, box := range []tally.Sealed{s.Sealed, s.SealedBefore} {
		if len(box) > 0 {
			if _, err := sealer.Open(s.Of, box); err != nil {
				return false
			}
		}
	}
	return true
}

// forget removes what the lost key file had sealed, and returns the entities
// that are left. Digests stay: the credentials they stand for go on working.
func forget(ctx context.Context, o *Options, entities []tally.Entity, lost []*tally.Secret, now time.Time) ([]tally.Entity, int64, error) {
	byID := map[tally.ID]tally.Entity{}
	for _, e := range entities {
		byID[e.Base().ID] = e
	}
	var changes []tally.Change
	for _, s := range lost {
		bare := *s
		bare.Sealed, bare.SealedBefore = nil, nil
		changes = append(changes, tally.Put(&bare, now))
		if p, ok := byID[s.Of].(*tally.Provider); ok {
			keyless := *p
			keyless.KeyHints = nil
			changes = append(changes, tally.Put(&keyless, now))
			o.Logger.Error("a provider has lost its API key", "provider", p.Name, "hint", "enter it again: tallygate providers update "+tally.ShellWord(p.Name)+" --api-key-stdin")
		}
	}
	if _, err := o.Store.Apply(ctx, tally.Act{At: now, Actor: "engine", Op: "forget secrets"}, changes...); err != nil {
		return nil, 0, err
	}
	return o.Store.Load(ctx)
}
