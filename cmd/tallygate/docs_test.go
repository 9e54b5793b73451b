package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var namedTest = regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)\\w+)(?:/(\\w+))?`")

// What SECURITY.md and TRACK-RECORD.md promise is held by a test that is there.
func TestNamedTestsExist(t *testing.T) {
	const root = "../.."
	for _, doc := range []string{"SECURITY.md", "TRACK-RECORD.md"} {
		text, err := os.ReadFile(filepath.Join(root, doc))
		if err != nil {
			t.Fatal(err)
		}
		named := namedTest.FindAllStringSubmatch(string(text), -1)
		if len(named) < 20 {
			t.Errorf("%s names %d tests", doc, len(named))
		}
		for _, m := range named {
			files, err := filepath.Glob(filepath.Join(root, m[1], "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, file := range files {
				code, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				found = found || strings.Contains(string(code), "\nfunc "+m[2]+"(")
			}
			if m[3] != "" {
				if _, err := os.Stat(filepath.Join("testdata/script", m[3]+".txtar")); err != nil {
					t.Error(err)
				}
			}
			if !found {
				t.Errorf("%s names %s, which is not there", doc, m[0])
			}
		}
	}
}
