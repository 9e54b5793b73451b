package gateway

import (
	"fmt"
	"net/http"

	"tallygate/engine/route"
	"tallygate/engine/tally"
)

// Trial is what the owner sends a request for in the place of a caller.
type Trial struct {
	Key tally.ID // whose request it is as
	// Provider is the only one to be asked; "" for any.
	Provider tally.ID
	// Most is what it may cost at most, beside what limits say; 0: they alone bound it.
	Most tally.NanoUSD
}

// pinned leaves only the provider that the owner wants to be asked, and what has a price if
// there is a bound on what it may cost.
func (x *exchange) pinned() *tally.Refusal {
	if x.trial.Provider == "" && x.trial.Most == 0 {
		return nil
	}
	var kept []route.Target
	free := false
	for _, t := range x.targets {
		switch here := x.trial.Provider == "" || t.Upstream.Config.ID == x.trial.Provider; {
		case !here:
		case x.trial.Most > 0 && tally.QuoteAt(t.Model.Prices, x.at, "", 0).Row == nil: // the owner has it count as free
			free = true
		default:
			kept = append(kept, t)
		}
	}
	if x.targets = kept; len(kept) > 0 {
		return nil
	}
	if free {
		return &tally.Refusal{Status: http.StatusForbidden, Type: tally.TypeInvalid, Code: tally.CodeModelUnpriced, Param: "model",
			Final: true, Message: "The model has no price, so nothing can bound what it costs."}
	}
	return &tally.Refusal{Status: http.StatusNotFound, Type: tally.TypeInvalid, Code: tally.CodeNoProvider, Final: true,
		Message: "The provider that was chosen does not serve this model here."}
}

// affordable has the answer fit into what the owner lets it cost, and refuses a request that
// cannot fit.
func (x *exchange) affordable() *tally.Refusal {
	if x.trial.Most == 0 {
		return nil
	}
	fits, least := x.asked.Fit(x.trial.Most)
	if fits {
		return nil
	}
	return &tally.Refusal{Status: http.StatusPaymentRequired, Type: tally.TypeInvalid, Code: tally.CodeTooDear, Final: true,
		Message: fmt.Sprintf("The request may cost %s at least, more than the %s that it may cost.", least.Display(), x.trial.Most.Display())}
}
