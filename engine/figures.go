package engine

import (
	"context"
	"io"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/metrics"
	"tallygate/storage"
)

// showMetrics writes the figures as whoever collects them reads them.
func (e *Engine) showMetrics(_ context.Context, _ control.None, w io.Writer) error {
	return e.opts.Metrics.Write(w)
}

// figures is how the parts are, for metrics.
func (e *Engine) figures(ctx context.Context) (metrics.State, error) {
	c, now := e.catalog.Load(), e.clock()
	store, err := e.store.Status(ctx)
	if err != nil {
		return metrics.State{}, err
	}
	holds, err := e.store.Holds(ctx, storage.HoldQuery{})
	if err != nil {
		return metrics.State{}, err
	}
	out := metrics.State{
		Started: e.started, Waiting: store.Waiting, Holds: holds.Count,
		InFlight: e.gateway.InFlight(), LeftBehind: e.gateway.LeftBehind(),
		Connections: e.gateway.Connections(), Sessions: e.control.Sessions(), Unknown: e.gateway.Unknown(),
		Records: store.Records, DiskBytes: store.DiskBytes, FreeBytes: store.FreeBytes,
		Tables: store.Tables, Unsynced: store.Unsynced,
		Admitting: store.Admitting, Lag: max(0, now.Sub(e.opts.Clock())),
	}
	for _, p := range e.health(ctx) {
		out.Parts = append(out.Parts, metrics.Part{Name: p.Name, OK: p.OK})
	}
	for _, p := range c.Providers {
		if p.Enabled {
			out.Providers = append(out.Providers, metrics.Provider{Name: p.Name, Ready: e.isReady(c, p)})
		}
	}
	if e.opts.Certificates != nil {
		for _, cert := range e.opts.Certificates(ctx) {
			if !cert.Until.IsZero() {
				named := metrics.Certificate{Name: strings.Join(cert.Names, ","), Until: cert.Until}
				out.Certificates = append(out.Certificates, named)
			}
		}
	}
	if b := e.backedUp.Load(); b != nil {
		out.Backup = b.At
	}
	if checked := e.checked.Load(); checked != nil {
		out.Checked, out.Faults = checked.At, checked.Faults
	}
	return out, nil
}
