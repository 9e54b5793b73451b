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
	memoryRoom  = 40 << 20               // bytes
	memoryEvery = 100 * time.Millisecond // thousands of connections may come in less than a second
	// seldom is how much the heap may grow between two collections, in percent of
	// what is alive. That is little beside what requests leave behind, and the
	// limit keeps it to memoryRoom.
	seldom = 400
)

// limitMemory keeps the desktop profile from taking much more memory than it
// needs: the soft limit follows what is in use, with some room above it. A fixed
// limit would either be generous, or make the collector run without pause
// whenever a compaction needs more for some seconds. It returns when ctx ends.
// An owner who sets GOMEMLIMIT, or GOGC in place of seldom, knows better.
//
// The limit covers stacks and the runtime's own tables as well as the heap.
// They are counted as in use: thousands of connections have more of them than
// there is room.
func limitMemory(ctx context.Context, profile badgerdb.Profile) {
	if os.Getenv("GOMEMLIMIT") != "" || profile == badgerdb.Server {
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(seldom)
	}
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	use := newUse()
	for last := int64(0); ; {
		if now := use.bytes(); now > last || now < last-memoryRoom/8 {
			debug.SetMemoryLimit(now + max(memoryRoom, now/2))
			last = now
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// use is what the process needs: what was alive after the latest collection,
// and all that is not heap.
type use []metrics.Sample

func newUse() use {
	return use{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
}

func (u use) bytes() int64 {
	metrics.Read(u)
	of := func(i int) int64 { return int64(u[i].Value.Uint64()) }
	return of(0) + max(0, of(1)-of(2)-of(3)-of(4))
}
