// Package sim is a pretend upstream: it answers from the request alone, always
// the same, at no cost and without a network. The demo, the wizard's try-out
// and tests use it.
package sim

import (
	"context"
	"errors"
	"time"

	"tallygate/providers"
)

// Options set the pace of the answers. Zero values answer at once.
type Options struct {
	FirstByte time.Duration // before the head of an answer
	PerChunk  time.Duration // before each event of a stream
}

// Provider is the pretend upstream.
type Provider struct{ options Options }

// Kind describes it.
func Kind() providers.Kind {
	return providers.Kind{Name: "sim", Title: "Pretend upstream, built in", Local: true, New: New}
}

// New makes one; the configuration does not matter.
func New(providers.Config) (providers.Provider, error) { return Open(Options{}), nil }

// Open makes one with a pace.
func Open(o Options) *Provider { return &Provider{options: o} }

// Do implements providers.Provider.
func (p *Provider) Do(ctx context.Context, c providers.Call) (*providers.Reply, error) {
	return nil, errors.ErrUnsupported
}

// Models implements providers.Provider.
func (p *Provider) Models(ctx context.Context) ([]providers.ModelInfo, error) {
	return nil, errors.ErrUnsupported
}

// Close implements providers.Provider.
func (p *Provider) Close() error { return nil }
