package lease

import (
	"flag"
	"testing"
)

var seeds = flag.Uint64("seeds", 100, "how many histories the simulator runs")

const steps = 400

// Nodes that crash and return, replies that are late, doubled or lost, a bank that crashes
// or is set back, clocks that jump: a limit is never exceeded, and reached at the end. Many
// more seeds:
//
//	go test ./storage/lease -run Simulated -seeds 20000
func TestSimulated(t *testing.T) {
	for seed := range *seeds {
		if err := newWorld(seed, bugs{}).run(steps); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// The simulator finds what would break the protocol.
func TestPlantedBugs(t *testing.T) {
	for name, plant := range map[string]bugs{
		"raise before commit": {raiseBeforeCommit: true},
		"lower after send":    {lowerAfterSend: true},
		"no fence":            {noFence: true},
		"retry adds":          {retryAdds: true},
		"no row on retry":     {noRowOnRetry: true},
		"claim before kept":   {claimBeforeKept: true},
		"retry joins":         {retryJoins: true},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(1000) {
				if err := newWorld(seed, plant).run(steps); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("it was not found")
		})
	}
}
