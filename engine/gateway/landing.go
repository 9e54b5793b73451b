package gateway

import (
	"context"

	"tallygate/providers"
)

// land puts another model in the place of the one that was asked for, if the owner says so
// for a budget that runs low. It is decided by what is spent, before any waiting.
func (x *exchange) land() {
	rule := x.principal.Landing()
	if rule.Model == "" || rule.Model == x.model || x.endpoint != providers.Chat {
		return
	}
	_, _, low, err := x.server.Meter.Low(context.Background(), x.cat, x.principal, rule.Below, x.at)
	if err != nil || !low || len(x.server.Router.Landing(x.cat, x.principal.Gateway, rule.Model, x.at)) == 0 {
		return // a store that fails refuses the request when it is to be admitted
	}
	x.intended = x.model
	if x.intended == "" {
		x.intended = x.server.Router.DefaultModel(x.cat, x.principal, x.at)
	}
	x.model = rule.Model
	x.set("X-Tallygate-Soft-Landing", x.intended)
}
