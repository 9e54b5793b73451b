package engine

import (
	"os"
	"strings"
	"time"
)

// steppedClock is the wall clock, set off by what a file says: the crash loop
// builds the program with it, and steps the clock by writing the file.
func steppedClock() time.Time {
	text, err := os.ReadFile(os.Getenv("CRASH_CLOCK"))
	if err != nil {
		panic(err)
	}
	off, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		panic(err)
	}
	return time.Now().Add(off)
}
