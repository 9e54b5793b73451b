package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"tallygate/storage/badgerdb"
)

const (
	memoryRoom  = 40 << 20 // bytes
	memoryEvery = time.Second
)

// limitMemory keeps the desktop profile from taking much more memory than it
// needs: the soft limit follows what is alive, with some room above it. A fixed
// limit would either be generous, or make the collector run without pause
// whenever a compaction needs more for some seconds. It returns when ctx ends.
// An owner who sets GOMEMLIMIT knows better.
func limitMemory(ctx context.Context, profile badgerdb.Profile) {
	if os.Getenv("GOMEMLIMIT") != "" || profile == badgerdb.Server {
		return
	}
	alive := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	for last := uint64(0); ; {
		metrics.Read(alive)
		if now := alive[0].Value.Uint64(); now != last {
			debug.SetMemoryLimit(int64(now) + memoryRoom)
			last = now
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
