// Package openai talks to upstreams that speak OpenAI's dialect: OpenAI and
// the many that copy it, told apart by base URL and a few habits.
package openai

import (
	"context"
	"errors"

	"tallygate/providers"
)

// Provider is one upstream account.
type Provider struct {
	kind *preset
	cfg  providers.Config
}

// New makes a provider of any of the [Kinds].
func New(cfg providers.Config) (providers.Provider, error) {
	return &Provider{cfg: cfg}, nil
}

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
