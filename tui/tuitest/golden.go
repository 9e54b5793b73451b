package tuitest

import (
	"flag"
	"path/filepath"
	"strings"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden compares the screen with testdata/NAME.txt beside the test.
func (d *Driver) Golden(name string) {
	d.T.Helper()
	Written(d.T, filepath.Join("testdata", name+".txt"), d.Screen()+"\n")
}

// differences lists the lines that differ.
func differences(want, got string) string {
	var out strings.Builder
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			out.WriteString("-" + x + "\n+" + y + "\n")
		}
	}
	return out.String()
}
