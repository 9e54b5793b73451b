package engine

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// soughtRequests is how many differences are looked for among single requests: each is a read
// of a day's records.
const soughtRequests = 20

// rate is that a provider has charged the same share of our cost on all days.
type rate struct {
	days         int
	first        string // day
	ours, theirs tally.NanoUSD
}

// judge finds what each difference is likely to come from. A cause is named only where the
// figures show it; the others are unknown.
func (b *bill) judge(ctx context.Context) error {
	b.rates = b.findRates()
	sought := 0
	for _, r := range b.rows {
		if r.Difference == 0 {
			continue
		}
		r.Cause, r.Why = b.cause(r)
		if r.Cause == control.CauseUnknown && r.Difference < -r.slack && sought < soughtRequests && b.says != nil {
			sought++
			if err := b.seek(ctx, r); err != nil {
				return err
			}
		}
		if r.Cause == control.CauseUnknown && max(r.Difference, -r.Difference) < tally.Dollar/100 {
			r.Cause, r.Why = control.CauseRounding, "it is below a cent: rounding, or too little to tell"
		}
		r.Next = b.next(r)
	}
	return nil
}

// cause is what the figures of a row and of its neighbours show.
func (b *bill) cause(r *billed) (control.BillCause, string) {
	d, is := r.Difference, r.is
	usd := tally.NanoUSD.Display
	switch {
	case r.beyond:
		return control.CauseUncovered, fmt.Sprintf("the export has days from %s to %s", b.says.First, b.says.Last)
	case r.open:
		return control.CauseOpen, "the day is not over, and bills are late"
	case !r.there && is.requests == 0:
		return control.CauseBooked, "an earlier bill had something of it, and this one has not"
	case !r.there:
		return control.CauseMissing, requestsOf(is.requests) + " of which they have nothing" + is.heldWords()
	case is.requests == 0 && r.Theirs < 0:
		return control.CauseCredit, "they have given something back"
	case is.requests == 0 && r.line.Model == "" && r.Model != "":
		return control.CauseBeside, "of no model: what requests cost beside tokens is here a part of their model's"
	case is.requests == 0 && r.Theirs > 0:
		return control.CauseElsewhere, "nothing here has asked for it: the account is used elsewhere"
	case max(d, -d) <= r.slack:
		return control.CauseRounding, b.roundingWords(r)
	case r.Theirs == 0:
		return control.CauseFree, "they have charged nothing: a free tier, a credit, or a price of 0"
	case is.cost == 0 && r.Theirs > 0 && is.free > 0:
		return control.CauseFree, requestsOf(is.free) + " at a price of 0 here"
	}
	if other := b.shifted(r); other != "" {
		return control.CauseShift, "it cancels out with that of " + other +
			": requests around midnight in UTC, or days of another zone"
	}
	if list := r.line.List; list != nil && *list != r.Theirs && near(*list, is.cost+is.booked, r.slack) {
		return control.CauseDiscount, fmt.Sprintf("at their list price it is %s, as here: they have taken %s off",
			usd(*list), usd(*list-r.Theirs))
	}
	if is.held.n > 0 && -d > 0 && near(-d, is.held.cost, r.slack) {
		return control.CauseHeld, is.heldAs("exactly")
	}
	if x, ok := b.rates[r.Model]; ok && near(r.Theirs, scaled(r.Ours, x.theirs, x.ours), r.slack+r.Theirs/1000) {
		return control.CauseRate, b.rateWords(r.Model, &x)
	}
	switch {
	case is.saved != 0 && near(d, is.saved, r.slack):
		return control.CauseCache, fmt.Sprintf("the discount of cached prompts is %s: they have not given it", usd(is.saved))
	case is.held.n > 0 && 0 < -d && -d < is.held.cost:
		return control.CauseHeld, is.heldAs("up to")
	case is.estimated.n > 0 && max(d, -d) <= is.estimated.cost:
		return control.CauseEstimated, fmt.Sprintf("%s, booked at %s by an estimate: their answers did not say what they used", requestsOf(is.estimated.n), usd(is.estimated.cost))
	case is.tiered > 0:
		return control.CauseTier, requestsOf(is.tiered) + " asked for a tier of service, such as flex or priority: is it priced?"
	}
	return control.CauseUnknown, ""
}

// heldWords adds how many requests of those that are missing were booked at what was held.
func (o *ours) heldWords() string {
	switch {
	case o.held.n == 0:
		return ""
	case o.held.n == o.requests:
		return ", booked at what was held" + o.lostWords()
	}
	return fmt.Sprintf(", %d of them (%s) booked at what was held%s", o.held.n, o.held.cost.Display(), o.lostWords())
}

func (o *ours) lostWords() string {
	if o.lost == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d were at work when tallygate stopped)", o.lost)
}

func (o *ours) heldAs(much string) string {
	return fmt.Sprintf("%s what %s came to, booked at what was held since nobody could tell (%s)%s", much,
		requestsOf(o.held.n), o.held.cost.Display(), o.lostWords())
}

func (b *bill) roundingWords(r *billed) string {
	if b.says == nil || b.says.Unit == 0 {
		return "amounts are rounded to a nano-dollar"
	}
	return fmt.Sprintf("%s of theirs rounded to %s can be off by %s", plural(int(r.line.Rows), "row", "rows"),
		"$"+b.says.Unit.String(), r.slack.Display())
}

// near reports whether two amounts are as far apart as rounding explains.
func near(a, b, slack tally.NanoUSD) bool { return max(a-b, b-a) <= slack }

// scaled is n·part/whole of amounts, exact to a nano-dollar; n where there is no whole.
func scaled(n, part, whole tally.NanoUSD) tally.NanoUSD {
	if n <= 0 || part <= 0 || whole <= 0 {
		return n
	}
	hi, lo := bits.Mul64(uint64(n), uint64(part))
	if hi >= uint64(whole) {
		return tally.MaxMoney
	}
	q, _ := bits.Div64(hi, lo, uint64(whole))
	return tally.NanoUSD(min(q, uint64(tally.MaxMoney)))
}

// shifted is the neighbouring day whose difference is the same with the other sign, "" if
// there is none.
func (b *bill) shifted(r *billed) string {
	at, err := time.Parse(time.DateOnly, r.Day)
	if err != nil {
		return ""
	}
	for _, days := range []int{-1, 1} {
		other := b.at[dayModel{at.AddDate(0, 0, days).Format(time.DateOnly), r.Model}]
		if other == nil || other.open || other.Difference == 0 || (other.Difference > 0) == (r.Difference > 0) {
			continue
		}
		if near(r.Difference, -other.Difference, r.slack+other.slack) {
			return other.Day
		}
	}
	return ""
}

// findRates finds models of which a provider has charged the same share on all days, of two
// at least: to a thousandth, and more than a two-hundredth away from ours.
func (b *bill) findRates() map[string]rate {
	out := map[string]rate{}
	rows := map[string][]*billed{}
	for _, r := range b.rows {
		if r.open || !r.there || r.is.requests == 0 || r.Ours <= 0 || r.Theirs <= 0 {
			continue
		}
		rows[r.Model] = append(rows[r.Model], r)
		x := out[r.Model]
		x.days, x.first = x.days+1, cmp.Or(x.first, r.Day)
		x.ours, x.theirs = x.ours+r.Ours, x.theirs+r.Theirs
		out[r.Model] = x
	}
	for model, x := range out {
		uneven := slices.ContainsFunc(rows[model], func(r *billed) bool {
			return !near(r.Theirs, scaled(r.Ours, x.theirs, x.ours), r.slack+r.Theirs/1000)
		})
		if uneven || x.days < 2 || max(x.ours-x.theirs, x.theirs-x.ours) <= x.ours/200 {
			delete(out, model)
		}
	}
	return out
}

// rateWords names the price that would have to be another one, and what it would be.
func (b *bill) rateWords(model string, x *rate) string {
	share := scaled(1000, x.theirs, x.ours)
	out := fmt.Sprintf("on all of %d days they charged %d.%03d times as much", x.days, share/1000, share%1000)
	if share == 500 {
		out += ", half, as for batch and flex"
	}
	row := b.priceRow(model)
	if row == nil {
		return out
	}
	return fmt.Sprintf("%s: price %s (%s) would be %s", out, row.ID, ratesOf(row, 1, 1), ratesOf(row, x.theirs, x.ours))
}

// ratesOf are the rates of a price for input and output, times part/whole.
func ratesOf(p *tally.Price, part, whole tally.NanoUSD) string {
	var out []string
	for _, c := range []tally.Class{tally.ClassInput, tally.ClassOutput} {
		if n := *p.Rate(c); n != nil {
			out = append(out, c.String()+"="+scaled(*n, part, whole).String())
		}
	}
	return strings.Join(out, " ")
}

// priceRow is the row that all requests for a model were priced by, nil if there are several.
func (b *bill) priceRow(model string) *tally.Price {
	ids := map[tally.ID]bool{}
	for _, r := range b.rows {
		if r.Model == model {
			for id := range r.is.prices {
				ids[id] = true
			}
		}
	}
	for _, m := range b.c.Models {
		for i := range m.Prices {
			if p := &m.Prices[i]; len(ids) == 1 && ids[p.ID] {
				return p
			}
		}
	}
	return nil
}

// seek looks for one request that costs what they have less.
func (b *bill) seek(ctx context.Context, r *billed) error {
	from, err := time.Parse(time.DateOnly, r.Day)
	if err != nil {
		return err
	}
	q := storage.RecordQuery{Since: from, Until: from.Add(day), Limit: recostPage}
	var found []*tally.Record
	for {
		page, next, err := b.e.store.Records(ctx, q)
		if err != nil {
			return err
		}
		for i := range page {
			x := &page[i]
			tries := triesOf(x)
			if slices.ContainsFunc(tries, func(a tally.Attempt) bool {
				return a.Provider == b.provider.ID && a.Cost > 0 && near(a.Cost, -r.Difference, r.slack) &&
					(r.Model == "" || modelKey(cmp.Or(x.Answered, a.Upstream)) == modelKey(r.Model))
			}) {
				found = append(found, x)
			}
		}
		if q.After = next; next == "" || len(found) > 1 {
			break
		}
	}
	if len(found) == 1 {
		r.Cause, r.Why = control.CauseMissing, fmt.Sprintf("request %s came to just that: they may not have it", found[0].ID)
	}
	return nil
}

// next is the command that deals with a difference, "" if there is none.
func (b *bill) next(r *billed) string {
	provider := tally.ShellWord(b.provider.Name)
	name := ""
	for _, m := range b.c.ModelsOf(b.provider.ID, r.Model) {
		name = tally.ShellWord(m.Name)
	}
	switch r.Cause {
	case control.CauseRate:
		x := b.rates[r.Model]
		p := b.priceRow(r.Model)
		if p == nil || name == "" || p.Tier != "" || p.AboveTokens > 0 || len(p.Hours) > 0 {
			return "tallygate prices list --provider " + provider
		}
		line := "tallygate prices set " + name + " --provider " + provider
		for _, word := range strings.Fields(ratesOf(p, x.theirs, x.ours)) {
			line += " --price " + word
		}
		return line + " --from " + x.first + ", then tallygate recost --since " + x.first
	case control.CauseFree, control.CauseCache, control.CauseDiscount, control.CauseTier:
		return "tallygate prices list --provider " + provider
	case control.CauseMissing, control.CauseHeld, control.CauseEstimated:
		return "tallygate requests list --filter provider:" + provider + " --since " + r.Day
	}
	return ""
}
