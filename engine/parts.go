package engine

import (
	"context"
	"net/http"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// router is what the engine needs of the router.
type router interface {
	Update(*tally.Catalog)
	Provider(id tally.ID) (providers.Provider, error)
}

// meters is what the engine needs of the meter.
type meters interface {
	FlushRefusals(ctx context.Context, now time.Time)
	InFlight(client tally.ID) int
	Heartbeat(ctx context.Context, now time.Time)
}

// publicPlane is what the engine needs of the gateway.
type publicPlane interface {
	http.Handler
	ServeAs(w http.ResponseWriter, r *http.Request, key tally.ID)
	Drain(ctx context.Context) error
	InFlight() int
	Unknown() int64
}

func (e *Engine) assemble() {}

func (e *Engine) handle(s *control.Server) {}
