package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Whoever is told to restore a backup is told by which command.
func TestHintsNameTheCommand(t *testing.T) {
	found := 0
	told := regexp.MustCompile(`"[^"]*restore (?:a|an older|the) (?:backup|one)[^"]*"`)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, hint := range told.FindAllString(string(text), -1) {
			if found++; !strings.Contains(hint, "tallygate backup ") {
				t.Errorf("%s: %s", path, hint)
			}
		}
		return err
	})
	if err != nil || found < 8 {
		t.Errorf("%d hints, %v", found, err)
	}
}
