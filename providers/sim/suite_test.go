package sim_test

import (
	"testing"

	"tallygate/providers"
	"tallygate/providers/providertest"
	"tallygate/providers/sim"
)

func TestSuite(t *testing.T) {
	providertest.Run(t, providertest.Subject{
		Open: func(testing.TB) providers.Provider { return sim.Open(sim.Options{}) },
		Chat: sim.Small, Embedding: sim.Embed,
	})
}
