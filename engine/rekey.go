package engine

import (
	"context"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (e *Engine) showSecrets(context.Context, control.None) (control.SecretsState, error) {
	var out control.SecretsState
	out.Kept, out.Wrapped, out.Rotating = e.sealer.State()
	for s := range e.catalog.Load().Secrets() {
		if len(s.Sealed)+len(s.SealedBefore) > 0 {
			out.Sealed++
		}
	}
	return out, nil
}

func (e *Engine) wrapSecrets(ctx context.Context, in control.WrapSecrets) (control.SecretsState, error) {
	return e.rekey(ctx, "wrapped", func() error { return e.sealer.Wrap(in.Passphrase.Reveal(), in.Current.Reveal()) })
}

func (e *Engine) unwrapSecrets(ctx context.Context, in control.UnwrapSecrets) (control.SecretsState, error) {
	return e.rekey(ctx, "unwrapped", func() error { return e.sealer.Unwrap(in.Current.Reveal()) })
}

// rotateSecrets replaces the key, but for nodes that share a store: between the first node
// that seals by a new key and the last one that has it, the others could not open what the
// first has sealed, and the files are on as many machines. One rotation that was cut short is
// ended first: the file has room for one key of before.
func (e *Engine) rotateSecrets(ctx context.Context, in control.RotateSecrets) (control.SecretsState, error) {
	if e.cluster != nil {
		return control.SecretsState{}, tally.Errorf(tally.Invalid, "the key file is that of all nodes, and one of them cannot replace it for the others").
			WithHint("wrap it on each node: tallygate secrets wrap; if somebody may have read it, " +
				"replace what it opens: new API keys by tallygate providers update, and tallygate gateways rotate")
	}
	return e.rekey(ctx, "rotated", func() error {
		if err := e.endRotation(ctx); err != nil {
			return err
		}
		if err := e.sealer.Rotate(in.Visitors); err != nil {
			return err
		}
		return e.endRotation(ctx)
	})
}

// rekey changes how the key is kept, which nothing in the store tells: the log does.
func (e *Engine) rekey(ctx context.Context, what string, change func() error) (control.SecretsState, error) {
	e.rekeying.Lock()
	defer e.rekeying.Unlock()
	if err := change(); err != nil {
		return control.SecretsState{}, err
	}
	actor, _, _ := control.Acting(ctx)
	e.log.Info("the key that seals secrets was "+what, "by", actor)
	return e.showSecrets(ctx, control.None{})
}

// lookAfterKeys ends a rotation that the process before was killed in.
func (e *Engine) lookAfterKeys(ctx context.Context) error {
	e.rekeying.Lock()
	defer e.rekeying.Unlock()
	return e.endRotation(ctx)
}

// endRotation seals under the new key all that is sealed, in one act, and then drops the
// key before. What opens with neither stays as it is: nothing would be gained.
func (e *Engine) endRotation(ctx context.Context) error {
	if _, _, rotating := e.sealer.State(); !rotating {
		return nil
	}
	err := e.act(ctx, func(c *tally.Catalog, by *tally.Act) (changes []tally.Change, err error) {
		by.Op = control.SecretsRotate.Name // also where nobody has asked
		for old := range c.Secrets() {
			s := *old
			if opens(e.sealer, old) && len(s.Sealed)+len(s.SealedBefore) > 0 {
				for _, box := range []*tally.Sealed{&s.Sealed, &s.SealedBefore} {
					if len(*box) == 0 {
						continue
					}
					plain, err := e.sealer.Open(s.Of, *box)
					if err != nil {
						return nil, err
					}
					*box = e.sealer.Seal(s.Of, plain)
				}
				changes = append(changes, tally.Put(&s, by.At))
			}
		}
		return changes, nil
	})
	if err != nil {
		return err
	}
	e.captures.Reseal()
	return e.sealer.Rotated()
}

// HandKeys is what a process that goes on in the place of this one needs to open the key,
// "" if it finds all by itself. It is as secret as the key.
func (e *Engine) HandKeys() string { return e.sealer.Hand() }
