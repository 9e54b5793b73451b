package engine

import (
	"context"
	"time"

	"tallygate/engine/config"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// diffConfig says what a config file would change, and changes nothing.
func (e *Engine) diffConfig(ctx context.Context, in control.ApplyConfig) (control.ConfigApplied, error) {
	e.reading.Lock()
	defer e.reading.Unlock()
	file, secrets, err := openConfig(ctx, &in)
	if err != nil {
		return control.ConfigApplied{}, err
	}
	plan, err := e.planConfig(e.catalog.Load(), file, secrets, &in, e.clock())
	if err != nil {
		return control.ConfigApplied{}, err
	}
	plan.out.Keys, plan.out.Gateways = nil, nil // they are made anew when it is done
	return plan.out, nil
}

// applyConfig makes what is set equal to a config file, in one act.
func (e *Engine) applyConfig(ctx context.Context, in control.ApplyConfig) (control.ConfigApplied, error) {
	e.reading.Lock()
	defer e.reading.Unlock()
	file, secrets, err := openConfig(ctx, &in)
	if err != nil {
		return control.ConfigApplied{}, err
	}
	var plan *configPlan
	err = e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		if plan, err = e.planConfig(c, file, secrets, &in, now); err != nil {
			return nil, err
		}
		return plan.changes, nil
	})
	if err != nil {
		return control.ConfigApplied{}, err
	}
	for i := range plan.out.Changes {
		if x := &plan.out.Changes[i]; x.Kind == tally.KindSettings {
			has := map[string]bool{}
			for _, f := range x.Fields {
				has[f.Field] = true
			}
			err = e.settingsChanged(ctx, has["drop_words"], has["country_file"])
		}
	}
	return plan.out, err
}

// openConfig reads a file, and decrypts what is secret in it.
func openConfig(ctx context.Context, in *control.ApplyConfig) (*config.File, *config.Secrets, error) {
	if err := ctx.Err(); err != nil { // whoever has waited may be gone
		return nil, nil, err
	}
	file, err := config.Parse([]byte(in.Text))
	if err != nil || file.Locked == "" || in.WithoutSecrets {
		return file, nil, err
	}
	secrets, err := config.Unlock(file.Locked, in.Passphrase.Reveal(), in.Identity.Reveal())
	return file, secrets, err
}

func (e *Engine) planConfig(c *tally.Catalog, file *config.File, secrets *config.Secrets, in *control.ApplyConfig,
	now time.Time) (*configPlan, error) {
	switch {
	case in.Rev != 0 && in.Rev != c.Rev:
		return nil, tally.Errorf(tally.Conflict, "something else has changed meanwhile").
			WithHint("apply the file again, and look at what it changes now")
	case in.Empty && len(c.Gateways)+len(c.Providers) > 0:
		return nil, tally.Errorf(tally.Conflict, "it is set up already").
			WithHint("tallygate config apply FILE makes it as the file says, or name another folder with --data")
	}
	p := &configPlan{e: e, file: file, secrets: secrets, by: e.configDefaults(now), prune: in.Prune, was: c, c: c, now: now}
	p.out.Rev = c.Rev
	if err := p.plan(); err != nil {
		return nil, err
	}
	nameChanges(p.was, p.changes)
	chain := &tally.AuditChain{}
	var entries []tally.AuditEntry
	for _, ch := range p.changes {
		entry, ok, err := chain.Append(tally.Act{At: now}, c.Rev, ch, c.Entity(ch.Kind, ch.ID))
		if err != nil {
			return nil, err
		}
		if ok {
			entry.Previous, entry.Hash = "", "" // it is in no log
			if entry.Action == tally.Created {
				entry.Fields = nil // the file has them
			}
			entries = append(entries, entry)
		}
	}
	p.out.Changes = viewAudit(entries)
	return p, nil
}
