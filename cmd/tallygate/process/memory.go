package process

import (
	"context"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"tallygate/storage/badgerdb"
)

const (
	memoryRoom = 40 << 20 // bytes
	// seldom is how much the heap may grow between two collections, in percent of
	// what is alive. That is little beside what requests leave behind, and the
	// limit keeps it to memoryRoom.
	seldom = 400
)

// limitMemory keeps the process from taking what there is not, and the desktop profile
// from taking much more memory than it needs: the soft limit follows what is in use,
// with some room above it. A fixed limit would either be generous, or make the
// collector run without pause whenever a compaction needs more for some seconds. It
// returns when ctx ends. An owner who sets GOMEMLIMIT, or GOGC in place of seldom,
// knows better.
//
// The limit does nothing but begin collections, so it is set anew after each, and a
// process without work is not woken for it.
//
// The limit covers stacks and the runtime's own tables as well as the heap.
// They are counted as in use: thousands of connections have more of them than
// there is room.
func limitMemory(ctx context.Context, profile badgerdb.Profile) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if profile == badgerdb.Server {
		// It collects as Go does, and harder before the system would end the process.
		if most := memory(); most > 0 {
			debug.SetMemoryLimit(most / 4 * 3)
		}
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(seldom)
	}
	use, after := newUse(), collections(ctx)
	for last := int64(0); ; {
		if now := use.bytes(); now > last || now < last-memoryRoom/8 {
			debug.SetMemoryLimit(now + max(memoryRoom, now/2))
			last = now
		}
		select {
		case <-ctx.Done():
			return
		case <-after:
		}
	}
}

// collections tells after each collection that there was one, until ctx ends.
func collections(ctx context.Context) <-chan struct{} {
	type garbage struct{ _ *garbage } // a pointer has it not share its memory with others
	told := make(chan struct{}, 1)
	var again func(struct{})
	again = func(struct{}) {
		if ctx.Err() != nil {
			return
		}
		select {
		case told <- struct{}{}:
		default:
		}
		runtime.AddCleanup(new(garbage), again, struct{}{})
	}
	again(struct{}{})
	return told
}

const (
	// idleBytes is what a process that has next to nothing to do sets aside in a second.
	idleBytes = 1 << 20
	idleFor   = 3 // such seconds
	// muchUnused is what is worth a collection when there is time for one.
	muchUnused = 8 << 20 // bytes
)

// returnMemory gives what a burst of work has left back to the system once it is over:
// without work there is no collection either, for minutes. It returns when ctx ends.
func returnMemory(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	read := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	var l lull
	for {
		metrics.Read(read)
		of := func(i int) int64 { return int64(read[i].Value.Uint64()) }
		if l.over(of(0), of(1)+of(2)-of(3)) {
			debug.FreeOSMemory()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lull is a time without work.
type lull struct {
	allocated int64
	seconds   int
}

// over is told each second what was ever allocated and how much memory is unused, and
// reports whether it is time to give that back.
func (l *lull) over(allocated, unused int64) bool {
	if allocated-l.allocated < idleBytes {
		l.seconds++
	} else {
		l.seconds = 0
	}
	l.allocated = allocated
	if l.seconds < idleFor || unused < muchUnused {
		return false
	}
	l.seconds = 0
	return true
}

// leastBodies lets one client send the largest body beside others.
const leastBodies = 160 << 20 // bytes

// bodyMemory is what the bodies of requests under way may take together; 0 if that
// is for the gateway to say.
func bodyMemory() int64 {
	most := memory()
	if most == 0 {
		return 0
	}
	return max(most/8, leastBodies)
}

// memory is how much the process may use: what its control group allows, or what the
// machine has; 0 if that cannot be found out.
func memory() (most int64) {
	number := func(file string) {
		text, err := os.ReadFile(file)
		if n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil && n > 0 && (most == 0 || n < most) {
			most = n
		}
	}
	info, _ := os.ReadFile("/proc/meminfo") // there is none but on Linux
	if rest, ok := strings.CutPrefix(string(info), "MemTotal:"); ok {
		text, _, _ := strings.Cut(rest, " kB")
		if kib, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
			most = kib << 10
		}
	}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max"
		if parts[1] == "memory" { // of before control groups were one tree
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) { // a container sees its own as the root
			number(path.Join(root, dir, file))
			if dir == "/" {
				break
			}
		}
	}
	return most
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
