package tuitest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"tallygate/providers"
	"tallygate/providers/sim"
)

// upstream is what is behind every provider of a world. It answers as the pretend
// upstream does, at once; its list takes a while, offers what a test wants, and is not for
// a key that is wrong.
type upstream struct {
	*sim.Provider
	mu      sync.Mutex // guards the field that follows
	offered []providers.ModelInfo
}

// listTakes is how long a list of models takes.
const listTakes = 212 * time.Millisecond

// Offer makes the upstreams, but for those of kind sim, list these models.
func (w *World) Offer(models ...providers.ModelInfo) {
	w.upstream.mu.Lock()
	defer w.upstream.mu.Unlock()
	w.upstream.offered = models
}

// account is an upstream as one provider reaches it.
type account struct {
	*upstream
	kind providers.Kind
	keys []string
}

func (a *account) Models(ctx context.Context) ([]providers.ModelInfo, error) {
	switch {
	case a.kind.Name == "sim":
		return a.Provider.Models(ctx)
	case a.kind.Local:
		return nil, &providers.UpstreamError{Fault: providers.Unreachable, Free: true, Err: errors.New("connect: connection refused")}
	case slices.ContainsFunc(a.keys, func(k string) bool { return strings.Contains(k, "wrong") }):
		return nil, &providers.UpstreamError{Fault: providers.BadKey, Status: 401, Free: true, Err: errors.New("invalid API key")}
	}
	time.Sleep(listTakes)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.offered, nil
}

// kinds are the kinds of upstreams that a world knows.
func (u *upstream) kinds() []providers.Kind {
	all := []providers.Kind{
		{Name: "openai", Title: "OpenAI", BaseURL: "https://api.openai.com/v1", EnvKey: "OPENAI_API_KEY", Publisher: "openai"},
		{Name: "openrouter", Title: "OpenRouter", BaseURL: "https://openrouter.ai/api/v1", EnvKey: "OPENROUTER_API_KEY"},
		{Name: "ollama", Title: "Ollama, on this machine", BaseURL: "http://127.0.0.1:11434/v1", Local: true},
		{Name: "compatible", Title: "Anything that speaks OpenAI's API"},
		sim.Kind(),
	}
	for i := range all {
		kind := all[i]
		all[i].New = func(c providers.Config) (providers.Provider, error) { return &account{u, kind, c.APIKeys}, nil }
	}
	return all
}
