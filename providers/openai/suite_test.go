package openai

import (
	"testing"

	"tallygate/providers"
	"tallygate/providers/providertest"
	"tallygate/providers/transport"
)

// Both transports pass the same suites.
var transports = map[string]func(transport.Options) (transport.Transport, error){
	"Direct":   transport.New,
	"Standard": transport.NewStandard,
}

func TestSuite(t *testing.T) {
	for name, by := range transports {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, providertest.Subject{
				Open: func(t testing.TB) providers.Provider {
					return mustOpen(t, providertest.Scenario{}.Config(providertest.Start(t)), by)
				},
				Chat: "any", Embedding: "any",
			})
		})
	}
}

func TestHostile(t *testing.T) {
	for name, by := range transports {
		t.Run(name, func(t *testing.T) {
			providertest.RunHostile(t, func(t testing.TB, cfg providers.Config) providers.Provider { return mustOpen(t, cfg, by) })
		})
	}
}

func mustOpen(t testing.TB, cfg providers.Config, by func(transport.Options) (transport.Transport, error)) providers.Provider {
	t.Helper()
	p, err := open(cfg, by)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
