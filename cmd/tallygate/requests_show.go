package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// showRequest explains one request: who asked, who answered, what it came to and
// what it counted.
func showRequest(p *printer, r *control.RequestView) {
	p.pairs(
		"request", string(r.ID), "at", moment(r.At), "outcome", string(r.Outcome), "status", strconv.Itoa(r.Status), "code", r.Code, "because", r.Reason, "limit", reachedText(r.Reached),
		"stands for", when(r.Count > 1, tally.Group(r.Count)+" with this code and limit, of which it is the first", ""),
		"gateway", r.Gateway, "node", r.Node, "client", clientText(r), "key", r.Key, "session", r.Session+when(r.NewSession, " (new)", ""), "origin", r.Origin, "country", r.Country,
		"access token", r.Token, "visitor", strings.TrimSpace(r.VisitorNet+" "+r.Visitor),
		"endpoint", r.Endpoint+when(r.Stream, " (stream)", ""), "model",
		r.Model+when(r.Asked != "", " (soft landing from "+r.Asked+")", ""), "upstream model",
		when(r.Upstream != r.Model, r.Upstream, ""), "provider", r.Provider, "its request", r.RequestOf, "trace", r.Trace, "tags", strings.ReplaceAll(string(r.Tags), ",", ", "),
		"answer", when(r.Answered != "", "answered by "+r.Answered+", as the upstream says", ""), "tier", string(r.Tier),
		"room", waitText(r.WaitedMS), "attempts", when(r.Attempts > 1, strconv.Itoa(r.Attempts), ""),
		"tokens", tally.Group(r.InputTokens)+" in, "+tally.Group(r.OutputTokens)+" out"+when(r.Basis != "", " ("+string(r.Basis)+")", ""), "of those", classesText(r.Tokens),
		"length", when(r.Cut, "cut at our bound: a limit allowed no more output", ""), cmp.Or(string(r.Piece), "pieces"),
		count(r.Pieces),
		"cost", "$"+r.CostNanoUSD.String(), "saved",
		when(r.SavedNano != 0, "$"+r.SavedNano.String()+" by the provider's cache", ""), "billed", billedText(r),
		"price row", string(r.Price), "credits", when(r.CreditsNano != r.CostNanoUSD, "$"+r.CreditsNano.String(), ""),
		"counted", when(r.Uncounted, "not where requests are limited: it failed at no cost", ""),
		"first byte", millis(r.FirstByteMS), "total", millis(r.TotalMS),
	)
	showAttempts(p, r.Tries)
	showCharges(p, r.Charges)
}

// clientText is a client as people call it, and as commands do.
func clientText(r *control.RequestView) string {
	if r.ClientName == "" || r.ClientName == r.Client {
		return r.Client
	}
	return r.ClientName + " (" + r.Client + ")"
}

// showAttempts lists the calls of a request that has more to tell than its answer.
func showAttempts(p *printer, tries []control.AttemptView) {
	if len(tries) == 0 {
		return
	}
	p.section("Attempts")
	rows(p, control.AttemptTable, tries, "")
	for i := range tries {
		a := &tries[i]
		if why := a.Why(); a.Cause != "" && a.Code+a.Detail+a.RequestOf != "" {
			p.say("%d. %s", i+1, why+when(a.RequestOf != "", " [its request "+a.RequestOf+"]", ""))
		}
	}
}

// reachedText is the limit that a request was refused for.
func reachedText(x *tally.Reached) string {
	if x == nil {
		return ""
	}
	kind, _ := x.Subject.Split()
	if of, label, part := x.Subject.Part(); part {
		kind, _ = of.Split()
		kind += " for " + tally.Printable(label)
	}
	if x.Metric == "" {
		return fmt.Sprintf("of the %s: %s of %s places taken", kind, tally.Group(x.Held), tally.Group(x.Max))
	}
	f := x.Metric.Format
	if x.Metric == tally.Balance {
		return fmt.Sprintf("balance of the %s: %s left, %s held; it needed %s", kind, f(x.Max-x.Used), f(x.Held), f(x.Need))
	}
	return fmt.Sprintf("%s of the %s, %s: %s used, %s held of %s; it needed %s", x.Metric, kind, when(x.Window == "", "in all", x.Window), f(x.Used), f(x.Held), f(x.Max), f(x.Need)) +
		when(!x.Resets.IsZero(), "; resets "+minute(x.Resets), "")
}

func showCharges(p *printer, charges []tally.Charged) {
	if len(charges) == 0 {
		return
	}
	p.section("Charged to")
	rows(p, control.ChargeTable, charges, "")
}

// classesText tells the tokens that are not plain ones.
func classesText(t tally.Tokens) string {
	var out []string
	for _, c := range tally.AllClasses {
		if n := t.ByClass()[c]; n > 0 && c != tally.ClassInput && c != tally.ClassOutput {
			out = append(out, tally.Group(n)+" "+strings.ReplaceAll(c.String(), "_", " "))
		}
	}
	return strings.Join(out, ", ")
}

// waitText says how long a request waited until there was room for it.
func waitText(ms float64) string {
	if ms <= 0 {
		return ""
	}
	d := time.Duration(ms * float64(time.Millisecond))
	if d < time.Second {
		return fmt.Sprintf("waited %d ms for room", max(d.Milliseconds(), 1))
	}
	return fmt.Sprintf("waited %.1f s for room", d.Seconds())
}

// billedText sets what the upstream says it has charged beside what our prices
// make of it.
func billedText(r *control.RequestView) string {
	if r.BilledNano == nil || r.ListedNano == nil {
		return ""
	}
	return fmt.Sprintf("the upstream billed $%s, our prices say $%s", r.BilledNano, r.ListedNano)
}
