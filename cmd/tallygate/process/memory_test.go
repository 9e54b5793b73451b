package process

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"tallygate/storage/badgerdb"
)

// The limit goes up with what is alive, so that the collector does not run without
// pause, and down again when it is gone.
func TestMemoryLimitFollowsWhatIsInUse(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	ctx, stop := context.WithCancel(t.Context())
	var limiting sync.WaitGroup
	limiting.Go(func() { limitMemory(ctx, badgerdb.Desktop) })
	defer limiting.Wait()
	defer stop()

	const much = 256 << 20
	limit := func() int64 { return debug.SetMemoryLimit(-1) }
	until := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s the limit is %d MB", what, limit()>>20)
			}
			runtime.GC()
		}
	}
	until("at the start", func() bool { return limit() < much })
	alive := make([]byte, much)
	until("with 256 MB in use", func() bool { return limit() > much+memoryRoom })
	runtime.KeepAlive(alive)
	until("when they are gone", func() bool { return limit() < much })
}

// Memory goes back to the system once there is no work, once for each burst of it and
// never in the midst of one.
func TestMemoryIsReturned(t *testing.T) {
	const working, idle = 5 * idleBytes, idleBytes / 10
	var l lull
	allocated, returned := int64(0), ""
	for _, second := range []struct{ allocates, unused int64 }{
		{working, 2 * muchUnused}, {working, 2 * muchUnused}, {working, 2 * muchUnused}, {working, 2 * muchUnused},
		{idle, 2 * muchUnused}, {idle, 2 * muchUnused}, {working, 2 * muchUnused}, // a pause is no end
		{idle, 2 * muchUnused}, {idle, 2 * muchUnused}, {idle, 2 * muchUnused},
		{idle, 0}, {idle, 0}, {idle, 0}, {idle, 0}, // nothing is left to return
	} {
		allocated += second.allocates
		if l.over(allocated, second.unused) {
			returned += "x"
		} else {
			returned += "."
		}
	}
	if want := ".........x...."; returned != want {
		t.Errorf("returned in the seconds %s, want %s", returned, want)
	}
}
