package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// nameChanges gives changes the names that people know their things by, for the
// audit log.
func nameChanges(c *tally.Catalog, changes []tally.Change) {
	entity := func(kind tally.EntityKind, id tally.ID) tally.Entity {
		for _, ch := range changes {
			if ch.Kind == kind && ch.ID == id && ch.Entity != nil {
				return ch.Entity
			}
		}
		return c.Entity(kind, id)
	}
	var name func(e tally.Entity) string
	name = func(e tally.Entity) string {
		switch e := e.(type) {
		case *tally.Gateway:
			return e.Slug
		case *tally.Client:
			return e.Slug
		case *tally.Key:
			if cl, ok := entity(tally.KindClient, e.Client).(*tally.Client); ok {
				return cl.Slug + "/" + e.Label
			}
			return e.Label
		case *tally.Provider:
			return e.Name
		case *tally.Model:
			return e.Name
		case *tally.Guest:
			return e.Name
		case *tally.Share:
			if cl, ok := entity(tally.KindClient, e.Client).(*tally.Client); ok {
				return cl.Slug + "/link"
			}
			return string(e.ID)
		case *tally.MintedToken:
			return cmp.Or(e.Label, e.Token.ID)
		case *tally.Secret:
			for _, kind := range []tally.EntityKind{tally.KindGateway, tally.KindKey, tally.KindProvider, tally.KindGuest, tally.KindShare} {
				if of := entity(kind, e.Of); of != nil {
					return name(of)
				}
			}
			return string(e.Of)
		case nil:
			return ""
		}
		return string(e.Base().ID)
	}
	for i := range changes {
		changes[i].Name = name(entity(changes[i].Kind, changes[i].ID))
	}
}

func (e *Engine) listAudit(ctx context.Context, in control.AuditQuery) (control.AuditPage, error) {
	c := e.catalog.Load()
	if in.Limit < 0 || in.Limit > maxPage {
		return control.AuditPage{}, tally.Errorf(tally.Invalid, "a page has 1 to 1,000 entries, not %d", in.Limit)
	}
	q := storage.AuditQuery{Actor: strings.TrimSpace(in.Actor), After: in.After, Limit: in.Limit}
	if q.Limit == 0 {
		q.Limit = listedRequests
	}
	if thing := strings.TrimSpace(in.Thing); thing != "" {
		q.Things = append(idsOf(c, thing), thing)
	}
	if in.Since != "" {
		var err error
		if q.Since, err = in.Since.At(commonCalendar(c, e.clock()), 0); err != nil {
			return control.AuditPage{}, err
		}
	}
	entries, next, err := e.store.AuditLog(ctx, q)
	if err != nil {
		return control.AuditPage{}, err
	}
	return control.AuditPage{Entries: viewAudit(entries), Next: next}, nil
}

// idsOf are the IDs of all things that a name may mean now: what they were called
// before is found as well then.
func idsOf(c *tally.Catalog, name string) (ids []string) {
	add := func(id tally.ID, names ...string) {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			ids = append(ids, string(id))
		}
	}
	for _, gw := range c.Gateways {
		add(gw.ID, gw.Slug, gw.Name, gw.PublicID)
	}
	for _, cl := range c.Clients {
		add(cl.ID, cl.Slug, cl.Name)
	}
	for _, k := range c.Keys {
		add(k.ID, k.Label, keyName(c, k))
	}
	for _, p := range c.Providers {
		add(p.ID, p.Name)
	}
	for _, m := range c.Models {
		add(m.ID, m.Name)
	}
	for _, g := range c.Guests() {
		add(g.ID, g.Name)
	}
	return ids
}

func viewAudit(entries []tally.AuditEntry) []control.AuditView {
	out := make([]control.AuditView, len(entries))
	for i := range entries {
		out[i] = control.AuditView{AuditEntry: entries[i], Text: changeTexts(&entries[i])}
	}
	return out
}

// changeTexts are what has changed, for people. Of what was made or deleted the name
// tells enough; settings that are stored for the first time were there before, at
// their defaults.
func changeTexts(e *tally.AuditEntry) []string {
	if e.Action != tally.Changed && (e.Kind != tally.KindSettings || e.Action == tally.Deleted) {
		return nil
	}
	var out []string
	for _, f := range e.Fields {
		name, from, to := strings.TrimSuffix(f.Field, "_ns"), valueText(f.Field, f.From), valueText(f.Field, f.To)
		if from == to && !bytes.Equal(f.From, f.To) && len([]rune(to)) > longestValue {
			to = "… and more" // what has changed is behind what is shown
		}
		switch {
		case f.Field == "created_at", e.Action == tally.Created && (to == "0" || to == "false"):
		case from != to:
			out = append(out, name+": "+from+" → "+to)
		case e.Kind == tally.KindSecret:
			out = append(out, name+": replaced")
		}
	}
	return out
}

// longestValue bounds a value that people are shown, in characters.
const longestValue = 80

func valueText(field string, raw json.RawMessage) string {
	text := ""
	var limits []tally.Limit
	var raises []tally.Raise
	var value any
	switch {
	case (strings.HasSuffix(field, "limits") || field == "caps") && json.Unmarshal(raw, &limits) == nil:
		text = inWords(limits, tally.Limit.String)
	case field == "raises" && json.Unmarshal(raw, &raises) == nil:
		text = inWords(raises, func(r tally.Raise) string {
			return fmt.Sprintf("+%s on %s/%s until %s", r.Metric.Text(r.By), r.Metric, r.Window, minuteText(r.Until))
		})
	case raw != nil:
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if d.Decode(&value) == nil {
			text = wordsOf(field, value)
		}
	}
	if r := []rune(text); len(r) > longestValue {
		return string(r[:longestValue]) + "…"
	}
	return cmp.Or(text, "none")
}

// wordsOf writes a value of JSON as people read it: lists with blanks between, and of
// objects what their fields hold.
func wordsOf(field string, value any) string {
	switch v := value.(type) {
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return minuteText(at)
		}
		return v
	case json.Number:
		n, err := v.Int64()
		switch {
		case err == nil && strings.HasSuffix(field, "_ns"):
			return control.FormatSpan(time.Duration(n))
		case err == nil && strings.HasSuffix(field, "_nano_usd"):
			return tally.NanoUSD(n).String()
		}
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return inWords(v, func(x any) string { return wordsOf(field, x) })
	case map[string]any:
		return inWords(slices.Sorted(maps.Keys(v)), func(name string) string {
			inner := name
			if strings.HasSuffix(field, "_nano_usd") {
				inner = field // names of amounts
			}
			text := wordsOf(inner, v[name])
			if _, nested := v[name].(map[string]any); nested {
				return text
			}
			return strings.TrimSuffix(strings.TrimSuffix(name, "_nano_usd"), "_ns") + "=" + text
		})
	}
	return ""
}

func inWords[T any](list []T, text func(T) string) string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = text(x)
	}
	return strings.Join(out, " ")
}

func minuteText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

func (e *Engine) verifyAudit(ctx context.Context, _ control.None) (tally.AuditReport, error) {
	return e.store.VerifyAudit(ctx)
}
