package engine

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// undo takes back an act by putting everything that it has changed back to what it
// was. That is an act of its own, and can be undone in its turn.
func (e *Engine) undo(ctx context.Context, in control.UndoChange) ([]control.AuditView, error) {
	var entries []tally.AuditEntry
	err := e.act(ctx, func(c *tally.Catalog, by *tally.Act) (changes []tally.Change, err error) {
		if entries, changes, err = e.undoing(ctx, c, in, by.At); err == nil {
			by.Undoes = entries[len(entries)-1].Seq
		}
		return changes, err
	})
	if err != nil {
		return nil, err
	}
	for _, x := range entries {
		if x.Kind == tally.KindSettings {
			has := func(field string) bool {
				return slices.ContainsFunc(x.Fields, func(f tally.FieldChange) bool { return f.Field == field })
			}
			err = e.settingsChanged(ctx, has("drop_words"), has("country_file"))
		}
	}
	return viewAudit(entries), err
}

// undoable is what undo would take back now.
func (e *Engine) undoable(ctx context.Context, in control.UndoChange) ([]control.AuditView, error) {
	entries, _, err := e.undoing(ctx, e.catalog.Load(), in, e.clock())
	return viewAudit(entries), err
}

// undoing finds the entries of the act that is to be undone, the latest first, and makes
// the changes that take them back.
func (e *Engine) undoing(ctx context.Context, c *tally.Catalog, in control.UndoChange,
	now time.Time) ([]tally.AuditEntry, []tally.Change, error) {
	var seq uint64
	if text := strings.TrimSpace(in.Entry); text != "" {
		var err error
		if seq, err = strconv.ParseUint(text, 10, 64); err != nil || seq == 0 {
			return nil, nil, tally.Errorf(tally.Invalid, "%q is not the number of an entry of the audit log", shown(text)).
				WithHint("see: tallygate audit list")
		}
	}
	entries, latest, err := e.actToUndo(ctx, seq)
	if err != nil {
		return nil, nil, err
	}
	changes, err := e.planUndo(ctx, c, entries, latest, now)
	if err != nil {
		first := entries[len(entries)-1]
		err := tally.AsError(err)
		return nil, nil, tally.Errorf(err.Code, "change %d, %s of %s %s, cannot be undone: %w", first.Seq, first.Op,
			first.Kind, first.Name, err).WithHint("%s", err.Hint)
	}
	return entries, changes, nil
}

// actToUndo finds the entries of an act, the latest first: the one that an entry is
// part of, or the latest that has changed something, was not undone and is no undoing itself.
// latest are the revisions at which things were last changed since, by their IDs.
func (e *Engine) actToUndo(ctx context.Context, seq uint64) (act []tally.AuditEntry, latest map[tally.ID]int64, err error) {
	latest = map[tally.ID]int64{}
	undone := map[uint64]bool{}
	wanted := func() bool {
		if len(act) == 0 {
			return false
		}
		first, last := act[len(act)-1], act[0]
		if seq != 0 {
			return first.Seq <= seq && seq <= last.Seq
		}
		return first.Undoes == 0 && !undone[first.Seq] && slices.ContainsFunc(act, hasChanged)
	}
	for q := (storage.AuditQuery{}); ; {
		list, next, err := e.store.AuditLog(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		for _, x := range list {
			if len(act) > 0 && x.Rev != act[0].Rev {
				if wanted() {
					return act, latest, nil
				}
				act = nil
			}
			if latest[x.ID] == 0 && hasChanged(x) {
				latest[x.ID] = x.Rev
			}
			if x.Undoes != 0 {
				undone[x.Undoes] = true
			}
			act = append(act, x)
		}
		if q.After = next; next == "" {
			break
		}
	}
	switch {
	case wanted():
		return act, latest, nil
	case seq != 0:
		return nil, nil, tally.Errorf(tally.NotFound, "the audit log has no entry %d", seq).WithHint("see: tallygate audit list")
	}
	return nil, nil, tally.Errorf(tally.NotFound, "there is no change to undo").WithHint("see: tallygate audit list")
}

// hasChanged reports whether an entry is of a change, and does not only tell who has looked at
// something, or has captured it.
func hasChanged(x tally.AuditEntry) bool { return x.Action != tally.Changed || len(x.Fields) > 0 }

// planUndo makes the changes that take entries back.
func (e *Engine) planUndo(ctx context.Context, c *tally.Catalog, entries []tally.AuditEntry, latest map[tally.ID]int64,
	now time.Time) ([]tally.Change, error) {
	var changes []tally.Change
	for i := range entries {
		x := &entries[i]
		is := c.Entity(x.Kind, x.ID)
		switch {
		case !hasChanged(*x):
			return nil, tally.Errorf(tally.Invalid, "it has changed nothing").WithHint("see: tallygate audit list")
		case x.Action == tally.Deleted && is != nil:
			return nil, tally.Errorf(tally.Conflict, "there is one again")
		case x.Action != tally.Deleted && is == nil:
			return nil, tally.Errorf(tally.Conflict, "it was deleted since")
		case x.Action != tally.Deleted && is.Base().Rev != x.Rev && latest[x.ID] != x.Rev:
			return nil, tally.Errorf(tally.Conflict, "%s %s was changed since", x.Kind, x.Name).WithHint("undo the later change first: tallygate audit list %s", tally.ShellWord(x.Name))
		}
		if err := final(x); err != nil {
			return nil, err
		}
		was, err := x.Before(is)
		if err != nil {
			return nil, err
		}
		if was == nil {
			if err := e.unused(ctx, is, x, now); err != nil {
				return nil, err
			}
			changes = append(changes, tally.Delete(is))
			continue
		}
		changes = append(changes, tally.Put(was, now))
		if t := c.Entity(tally.KindTombstone, x.ID); x.Action == tally.Deleted && t != nil {
			changes = append(changes, tally.Delete(t))
		}
	}
	return changes, fits(c.With(c.Rev, changes...), changes)
}

// final refuses what is never taken back: whoever has revoked something must be able
// to rely on it, and a credential that is out works wherever it is.
func final(x *tally.AuditEntry) error {
	if x.Kind == tally.KindMinted && x.Action == tally.Created {
		return tally.Errorf(tally.Invalid, "an access token works once it was minted").WithHint("tallygate tokens revoke %s", tally.ShellWord(x.Name))
	}
	revoked := x.Kind == tally.KindRevocation && x.Action == tally.Created
	for _, f := range x.Fields {
		revoked = revoked || x.Action == tally.Changed && (f.Field == "revoked_at" || f.Field == "not_before")
	}
	if revoked {
		return tally.Errorf(tally.Invalid, "a revocation is for good").WithHint("issue another key or access token")
	}
	return nil
}

// unused refuses to make away with what has served requests since it was made: its
// figures would have no name.
func (e *Engine) unused(ctx context.Context, is tally.Entity, x *tally.AuditEntry, now time.Time) error {
	var family tally.Family
	var used bool
	switch is := is.(type) {
	case *tally.Gateway:
		family = tally.ByGateway
	case *tally.Client:
		family = tally.ByClient
	case *tally.Key:
		family = tally.ByKey
	case *tally.Provider:
		family = tally.ByProvider
	case *tally.Model:
		sums, err := e.modelSums(ctx, is, now, x.At)
		if err != nil {
			return err
		}
		used = sums[0].maybe(is)
	default:
		return nil
	}
	if family != "" {
		last, err := e.store.LastUsed(ctx, tally.SubjectOf(string(x.Kind), x.ID)) // also of requests under way
		if err != nil {
			return err
		}
		points, err := e.store.Series(ctx, storage.SeriesQuery{
			Family: family, First: string(x.ID), Edges: spanEdges(x.At, now),
		})
		if err != nil {
			return err
		}
		used = len(points) > 0 || !last[0].IsZero()
	}
	if used {
		return tally.Errorf(tally.Conflict, "%s %s has been used since", x.Kind, x.Name).WithHint("delete it, or stop serving it, instead")
	}
	return nil
}

func spanEdges(from, to time.Time) []time.Time {
	return []time.Time{bucketDown(from), bucketDown(to).Add(tally.Bucket)}
}

// fits says why changes do not fit what else there is, next being the catalog with
// them: a name may have been given to another thing meanwhile, or something may need
// what they delete.
func fits(next *tally.Catalog, changes []tally.Change) error {
	for _, ch := range changes {
		if ch.Entity == nil {
			if err := needed(next, ch.ID); err != nil {
				return err
			}
			continue
		}
		taken := ""
		needs := map[tally.EntityKind]tally.ID{}
		switch x := ch.Entity.(type) {
		case *tally.Gateway:
			for _, o := range next.Gateways {
				if o.ID != x.ID && (o.Slug == x.Slug || strings.EqualFold(o.Name, x.Name)) {
					taken = o.Slug
				}
			}
			for _, p := range x.Providers {
				needs[tally.KindProvider] = p
				if next.Provider(p) == nil {
					break
				}
			}
		case *tally.Client:
			needs[tally.KindGateway] = x.Gateway
			for _, o := range next.Clients {
				if o.ID != x.ID && (o.Slug == x.Slug || o.Gateway == x.Gateway && strings.EqualFold(o.Name, x.Name)) {
					taken = o.Slug
				}
			}
		case *tally.Key:
			needs[tally.KindClient] = x.Client
			for _, o := range next.KeysOf(x.Client) {
				if o.ID != x.ID && o.RevokedAt.IsZero() && x.RevokedAt.IsZero() && strings.EqualFold(o.Label, x.Label) {
					taken = o.Label
				}
			}
		case *tally.Provider:
			for _, o := range next.Providers {
				if o.ID != x.ID && strings.EqualFold(o.Name, x.Name) {
					taken = o.Name
				}
			}
		case *tally.Model:
			needs[tally.KindProvider] = x.Provider
			for _, o := range next.ModelsNamed(x.Name) {
				if o.ID != x.ID && o.Provider == x.Provider {
					taken = o.Name
				}
			}
		case *tally.Guest:
			for _, o := range next.Guests() {
				if o.ID != x.ID && (strings.EqualFold(o.Name, x.Name) || o.Key == x.Key) {
					taken = o.Name
				}
			}
		}
		if taken != "" {
			return tally.Errorf(tally.Conflict, "there is another %s %q now", ch.Kind, taken).WithHint("give that one another name first")
		}
		for kind, id := range needs {
			if next.Entity(kind, id) == nil {
				return tally.Errorf(tally.Conflict, "its %s is no more", kind)
			}
		}
	}
	return nil
}

// needed says what cannot do without a thing that is deleted.
func needed(next *tally.Catalog, id tally.ID) error {
	conflict := func(kind tally.EntityKind, name string) error {
		return tally.Errorf(tally.Conflict, "%s %s needs it", kind, name).WithHint("undo or delete that one first")
	}
	for _, gw := range next.Gateways {
		if slices.Contains(gw.Providers, id) {
			return conflict(tally.KindGateway, gw.Slug)
		}
	}
	for _, cl := range next.Clients {
		if cl.Gateway == id {
			return conflict(tally.KindClient, cl.Slug)
		}
	}
	for _, k := range next.Keys {
		if k.Client == id {
			return conflict(tally.KindKey, k.Label)
		}
	}
	for _, m := range next.Models {
		if m.Provider == id {
			return conflict(tally.KindModel, m.Name)
		}
	}
	return nil
}
