package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

const (
	answersEvery = 10 * time.Second // the latest records are looked at
	answersKept  = 20
)

// answers remembers which models answered in the place of others, where that is the
// dearer price: a name that was retired leads to a model that its owner has not
// chosen.
type answers struct {
	mu   sync.Mutex // guards the fields that follow
	seen uint64     // the latest event that was looked at
	list []standIn  // the latest last
}

// standIn is a model that answered in the place of another one.
type standIn struct {
	provider    tally.ID
	asked, name string
	at          time.Time
}

// answered looks at the latest records. They are in the feed already, so no request
// waits for it.
func (e *Engine) answered(context.Context) error {
	e.watchAnswers()
	return nil
}

func (e *Engine) watchAnswers() {
	a, c := &e.answers, e.catalog.Load()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = e.feed.Since(a.seen, func(r *tally.Record) {
		if r.Answered == "" || !otherPrice(c, r) {
			return
		}
		now := standIn{r.Provider, r.Upstream, r.Answered, r.At}
		a.list = slices.DeleteFunc(a.list, func(b standIn) bool {
			return b.provider == now.provider && b.asked == now.asked && b.name == now.name
		})
		if a.list = append(a.list, now); len(a.list) > answersKept {
			a.list = slices.Delete(a.list, 0, 1)
		}
	})
}

// otherPrice reports whether a record was priced by a row that is not of the model
// it was asked for.
func otherPrice(c *tally.Catalog, r *tally.Record) bool {
	asked := c.ModelsOf(r.Provider, r.Upstream)
	for _, m := range asked {
		if slices.ContainsFunc(m.Prices, func(p tally.Price) bool { return p.ID == r.Price }) {
			return false
		}
	}
	return len(asked) > 0 && r.Price != ""
}

// warnings tells of the answers of the last day, the latest first.
func (a *answers) warnings(c *tally.Catalog, now time.Time) (out []control.Warning) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range slices.Backward(a.list) {
		if now.Sub(x.at) < attentionSpan && len(out) < maxWarned {
			of := providerThing(c, x.provider)
			out = append(out, control.Warning{
				Kind: control.WarnAnswered, Gravity: control.Warn, Thing: modelThing(x.asked), Since: x.at,
				Sentence: fmt.Sprintf("%s answered %s as %s", of.Name, x.asked, x.name), Detail: "the dearer price is booked",
			})
		}
	}
	return out
}
