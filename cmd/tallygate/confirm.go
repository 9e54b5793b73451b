package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// canAsk reports whether there is somebody to answer a question: the keyboard and
// where questions are written are a terminal, and the result is not for a program.
func (a *app) canAsk() bool { return a.in && a.err.is && !a.json }

// confirm asks whether to go on with what is about to happen. Nothing is the answer
// no. The engine is let go of while the person thinks.
func (a *app) confirm(cmd *cobra.Command, what func(context.Context, control.Caller) (string, error)) error {
	if !a.elsewhere() {
		dir, err := a.dataDir()
		if err != nil {
			return err
		}
		if there, err := process.HasStore(dir); err != nil || !there {
			return err // there is nobody yet to whom something could happen
		}
	}
	text := ""
	err := a.withEngine(cmd, control.Read, false, func(ctx context.Context, c control.Caller) (err error) {
		text, err = what(ctx, c)
		return err
	})
	if err != nil || text == "" {
		return err
	}
	fmt.Fprintf(a.stderr, "%s\nGo on? [y/N] ", cleanLines(text))
	answered := make(chan string, 1)
	go func() { // ends with a line, or with the process
		line, _ := bufio.NewReader(a.stdin).ReadString('\n')
		answered <- line
	}()
	select {
	case line := <-answered:
		if word := strings.ToLower(strings.TrimSpace(line)); word == "y" || word == "yes" {
			return nil
		}
		return tally.Errorf(tally.Denied, "nothing was changed").WithHint("answer y to do it, or say so at once with --yes")
	case <-cmd.Context().Done():
		fmt.Fprintln(a.stderr)
		return cmd.Context().Err()
	}
}

// lately is how many entries of the audit log are looked through for a change that
// was just made: others may have made theirs since.
const lately = 50

// changesOf says what the act has changed that has left a thing as it is, a field a
// line.
func changesOf(ctx context.Context, c control.Caller, of *tally.Meta) ([]string, error) {
	page, err := control.AuditList.Do(ctx, c, control.AuditQuery{Limit: lately})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range page.Entries {
		if e.Rev == of.Rev {
			out = append(out, e.Text...)
		}
	}
	if out == nil {
		out = []string{"nothing differs from before"}
	}
	return out, nil
}

// The questions that commands ask. Each says what happens to whom, and whether it can
// be taken back.

const canUndo = "\ntallygate undo takes it back, until something else changes it."

func asksDeleteClient(ctx context.Context, c control.Caller, in *control.Named) (string, error) {
	v, err := control.ClientsShow.Do(ctx, c, *in)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Delete client %s (%s): %s at once, its usage stays in the totals. %s%s",
		v.Slug, v.Name, countOf(v.Keys, "key stops working", "keys stop working"), lastUse(&v.Last30Days, v.LastUsedAt.IsZero(), minute(v.LastUsedAt)), canUndo), nil
}

func asksDeleteGateway(ctx context.Context, c control.Caller, in *control.Named) (string, error) {
	v, err := control.GatewaysShow.Do(ctx, c, *in)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Delete gateway %s (%s): its private key and access tokens stop working at once, its usage stays in the totals. %s%s",
		v.Slug, v.Name, lastUse(&v.Last30Days, false, ""), canUndo), nil
}

func asksDeleteProvider(ctx context.Context, c control.Caller, in *control.Named) (string, error) {
	v, err := control.ProvidersShow.Do(ctx, c, *in)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Delete provider %s with its API keys and %s: nothing is sent to it any more. %s%s",
		v.Name, countOf(v.Models, "model", "models"), lastUse(&v.Last30Days, false, ""), canUndo), nil
}

func asksDeleteModel(ctx context.Context, c control.Caller, in *control.PickModel) (string, error) {
	v, err := control.ModelsShow.Do(ctx, c, *in)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Delete model %s of provider %s with its prices: requests for it are refused, unless another provider has it. %s%s",
		v.Name, v.ProviderName, lastUse(&v.Last30Days, false, ""), canUndo), nil
}

// keyView finds the key that a command names.
func keyView(ctx context.Context, c control.Caller, in control.PickKey) (*control.KeyView, error) {
	list, err := control.KeysList.Do(ctx, c, control.ListKeys{Client: in.Client, All: true})
	if err != nil {
		return nil, err
	}
	var found *control.KeyView
	for i := range list {
		k := &list[i]
		if string(k.ID) == in.Key {
			return k, nil
		}
		if in.Client != "" && k.State != "revoked" && strings.EqualFold(k.Label, in.Key) {
			found = k
		}
	}
	return found, nil // the operation says what is wrong with a name of none
}

func asksRevokeKey(ctx context.Context, c control.Caller, in *control.PickKey) (string, error) {
	k, err := keyView(ctx, c, *in)
	if k == nil || err != nil {
		return "", err
	}
	return fmt.Sprintf("Revoke %s: its next request is refused with 401, for good. %s\nTo replace it instead: tallygate keys rotate %s --grace 24h",
		keyName(k), lastUse(&k.Last30Days, k.LastUsedAt.IsZero(), minute(k.LastUsedAt)), k.ID), nil
}

func asksUpdateKey(ctx context.Context, c control.Caller, in *control.UpdateKey) (string, error) {
	if !in.EndGrace {
		return "", nil
	}
	k, err := keyView(ctx, c, in.PickKey)
	if k == nil || err != nil {
		return "", err
	}
	return fmt.Sprintf("End the grace of the old %s, which would have worked until %s: whoever still has it is refused with 401 at once, for good.", keyName(k), minute(k.OldUntil)), nil
}

func asksRotateKey(ctx context.Context, c control.Caller, in *control.RotateKey) (string, error) {
	if in.Grace > 0 {
		return "", nil
	}
	k, err := keyView(ctx, c, in.PickKey)
	if k == nil || err != nil {
		return "", err
	}
	return fmt.Sprintf("Replace %s without a grace: whoever still has the old one is refused with 401 at once. %s\nWith --grace 24h both work for a day.",
		keyName(k), lastUse(&k.Last30Days, k.LastUsedAt.IsZero(), minute(k.LastUsedAt))), nil
}

func asksRotateGateway(ctx context.Context, c control.Caller, in *control.RotateGateway) (string, error) {
	if in.Grace > 0 {
		return "", nil
	}
	v, err := control.GatewaysShow.Do(ctx, c, control.Named{Name: in.Gateway})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Replace the private key of gateway %s without a grace: the old one, and every access token that it has signed, stops working at once.\nWith --grace 24h both work for a day.", v.Slug), nil
}

func asksRevokeToken(_ context.Context, _ control.Caller, in *control.RevokeToken) (string, error) {
	if in.All {
		return "Revoke every access token that was issued until now: pages that carry one are refused at once, for good, until they carry another.", nil
	}
	return "Revoke access token " + in.Token + ": the pages that carry it are refused at once, for good.", nil
}

func asksUpdateGateway(_ context.Context, _ control.Caller, in *control.UpdateGateway) (string, error) {
	switch {
	case in.NotBefore != nil && *in.NotBefore != "none":
		return "Revoke the access tokens of gateway " + in.Gateway + " that were issued before " + string(*in.NotBefore) + ": pages that carry one are refused at once.", nil
	case in.Enabled != nil && !*in.Enabled:
		return "Switch off gateway " + in.Gateway + ": every request of its clients and visitors is refused." + canUndo, nil
	}
	return "", nil
}

func asksUpdateModel(_ context.Context, _ control.Caller, in *control.UpdateModel) (string, error) {
	if in.AllowExtras != nil && *in.AllowExtras {
		return "Allow extras of model " + in.Model + ": what they cost is not bounded, so its requests can pass a limit on money." + canUndo, nil
	}
	return "", nil
}

func asksSettings(ctx context.Context, c control.Caller, in *control.SettingsFields) (string, error) {
	var out []string
	if in.Unpriced != nil && *in.Unpriced == tally.AllowAtZero {
		out = append(out, "Serve models without a price: what they cost is counted as nothing, and no limit on money holds them."+canUndo)
	}
	if in.RetentionDays == nil && in.RefusedDays == nil && in.VisitorDays == nil {
		return strings.Join(out, "\n"), nil
	}
	is, err := control.SettingsShow.Do(ctx, c, control.None{})
	if err != nil {
		return "", err
	}
	fewer := func(to *int, is int) bool { return to != nil && *to > 0 && (is == 0 || *to < is) }
	if days := in.RetentionDays; fewer(days, is.RetentionDays) {
		gone, err := pastRetention(ctx, c, *days)
		if err != nil {
			return "", err
		}
		out = append(out, fmt.Sprintf("Remove the records of requests that are older than %s, for good: %s, from the next hour on. Sums stay: by the hour for %s, then by the day.",
			countOf(*days, "day", "days"), gone, countOf(max(*days, tally.FineDays), "day", "days")))
	}
	for _, of := range []struct {
		to   *int
		is   int
		what string
	}{{in.RefusedDays, is.RefusedDays, "refusals"}, {in.VisitorDays, is.VisitorDays, "visitors' requests"}} {
		if fewer(of.to, of.is) {
			out = append(out, fmt.Sprintf("Remove the records of %s that are older than %s, for good, from the next hour on; sums stay.", of.what, countOf(*of.to, "day", "days")))
		}
	}
	return strings.Join(out, "\n"), nil
}

// pastRetention says how many records are older than so many days.
func pastRetention(ctx context.Context, c control.Caller, days int) (string, error) {
	status, err := control.EngineStatus.Do(ctx, c, control.None{})
	if err != nil {
		return "", err
	}
	since, err := control.UsageShow.Do(ctx, c, control.UsageQuery{Since: control.Since(strconv.Itoa(days) + "d")})
	if err != nil {
		return "", err
	}
	// A record of refusals may stand for several, so there may be more of them.
	older := max(status.Records-since.Total.Requests-since.Total.Refused, 0)
	if older == 0 {
		return fmt.Sprintf("few or none of %s now", tally.Group(status.Records)), nil
	}
	return fmt.Sprintf("about %s of %s now", tally.Group(older), tally.Group(status.Records)), nil
}

// asksUndo also settles what is taken back, which may not be the latest change any more
// once it is answered.
func asksUndo(ctx context.Context, c control.Caller, in *control.UndoChange) (string, error) {
	entries, err := control.AuditUndoable.Do(ctx, c, *in)
	if err != nil {
		return "", err
	}
	first := &entries[len(entries)-1]
	in.Entry = strconv.FormatUint(first.Seq, 10)
	return fmt.Sprintf("Take back change %s, %s by %s, %s:\n%s", in.Entry, first.Op, first.Actor, minute(first.At),
		strings.Join(undoTexts(entries), "\n")), nil
}

// undoTexts say what taking back changes does, the things of a kind that go or come back
// in one line.
func undoTexts(entries []control.AuditView) (out []string) {
	does := map[tally.AuditAction]string{tally.Created: "removes", tally.Deleted: "brings back"}
	type group struct {
		action tally.AuditAction
		kind   tally.EntityKind
	}
	names := map[group][]string{}
	var order []group
	for _, v := range slices.Backward(entries) {
		if v.Kind == tally.KindSecret || v.Kind == tally.KindTombstone { // they go with what they are of
			continue
		}
		g := group{v.Action, v.Kind}
		if v.Action == tally.Changed || v.Kind == tally.KindSettings {
			line := "  undoes " + string(v.Kind)
			if v.Kind != tally.KindSettings {
				line += " " + v.Name
			}
			out = append(out, line+": "+strings.Join(v.Text, "; "))
			continue
		}
		if names[g] == nil {
			order = append(order, g)
		}
		names[g] = append(names[g], v.Name)
	}
	for _, g := range order {
		list := names[g]
		line := "  " + does[g.action] + " " + string(g.kind) + " " + list[0]
		if n := len(list); n > 1 {
			line = "  " + does[g.action] + " " + things(n, string(g.kind)) + ": " + strings.Join(list[:min(n, 8)], ", ")
			line += when(n > 8, fmt.Sprintf(" and %d more", n-8), "")
		}
		out = append(out, line)
	}
	return out
}

// lastUse says what a thing has been used for.
func lastUse(s *control.Sums, never bool, at string) string {
	switch {
	case never:
		return "It was never used."
	case at == "":
		return fmt.Sprintf("Requests in 30 days: %s, for %s.", tally.Group(s.Requests), s.CostNanoUSD.Display())
	}
	return fmt.Sprintf("Last used %s; requests in 30 days: %s, for %s.", at, tally.Group(s.Requests), s.CostNanoUSD.Display())
}

// countOf writes how many there are of what.
func countOf(n int, one, many string) string {
	return tally.Group(int64(n)) + " " + when(n == 1, one, many)
}
