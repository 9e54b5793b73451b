package openai_test

import (
	"testing"

	"tallygate/providers"
	"tallygate/providers/openai"
	"tallygate/providers/providertest"
)

func open(t testing.TB, cfg providers.Config) providers.Provider {
	t.Helper()
	p, err := openai.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSuite(t *testing.T) {
	providertest.Run(t, providertest.Subject{
		Open: func(t testing.TB) providers.Provider {
			return open(t, providertest.Scenario{}.Config(providertest.Start(t)))
		},
		Chat: "any", Embedding: "any",
	})
}

func TestHostile(t *testing.T) { providertest.RunHostile(t, open) }
