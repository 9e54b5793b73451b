package providertest

import (
	"runtime"
	"testing"
)

// NoLeaks returns a function that fails the test if more goroutines run than did when
// NoLeaks was called. The function waits for goroutines that are about to end, so call it
// after everything was closed. Other tests must not run meanwhile.
func NoLeaks(t testing.TB) (check func()) {
	before := runtime.NumGoroutine()
	return func() {
		t.Helper()
		if eventually(func() bool { return runtime.NumGoroutine() <= before }) {
			return
		}
		stacks := make([]byte, 256<<10)
		t.Errorf("%d goroutines run, %d did before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
	}
}

// Allocated returns a function that tells how many bytes were allocated since Allocated was
// called, by any goroutine. That is a bound on what a hostile answer can cost.
func Allocated() func() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := m.TotalAlloc
	return func() uint64 {
		runtime.ReadMemStats(&m)
		return m.TotalAlloc - before
	}
}
