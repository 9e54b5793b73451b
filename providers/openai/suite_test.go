package openai

import (
	"flag"
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

var every = flag.Bool("every", false, "run the hostile upstreams on each kind, not on one of each set of habits")

// Every kind meets the same upstreams in each of its dialects. Kinds of the same habits are
// the same code, so one of them stands for the others, unless -every is given.
func TestHostileOfEveryKind(t *testing.T) {
	type habits struct {
		completionTokens, both, noStreamOptions, gateway bool
		keyField, in                                     string
	}
	met := map[habits]bool{}
	for i := range presets {
		k := &presets[i]
		for _, in := range k.DialectsAt("") {
			of := habits{k.completionTokens, k.both, k.noStreamOptions, k.gateway, k.keyField, string(in)}
			if met[of] && !*every {
				continue
			}
			met[of] = true
			t.Run(string(k.Name)+"/"+string(in), func(t *testing.T) {
				providertest.RunHostileIn(t, in, func(t testing.TB, cfg providers.Config) providers.Provider {
					cfg.Provider.ProviderKind = k.Name
					return mustOpen(t, cfg, transport.New)
				})
			})
		}
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
