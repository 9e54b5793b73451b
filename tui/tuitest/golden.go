package tuitest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden compares the screen with testdata/NAME.txt beside the test.
func (d *Driver) Golden(name string) {
	d.T.Helper()
	path := filepath.Join("testdata", name+".txt")
	got := d.Screen() + "\n"
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			d.T.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			d.T.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		d.T.Fatalf("%v (run the test with -update)", err)
	}
	if got != string(want) {
		d.T.Errorf("%s differs (-update accepts):\n%s", path, differences(string(want), got))
	}
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
