package process

import "testing"

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
