package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// How documents name a test: `engine/auth.TestHash`, or the command that runs it. What
// follows a slash is a script.
var (
	namedTest   = regexp.MustCompile("`(?P<pkg>[a-z/]+)\\.(?P<test>(?:Test|Fuzz)\\w+)(?:/(?P<script>\\w+))?`")
	testCommand = regexp.MustCompile("`go test -run (?P<test>\\w+)(?:/(?P<script>\\w+))? \\./(?P<pkg>[a-z/]+)`")
)

// Each test that the documents rely on is there, by that name.
func TestNamedTestsExist(t *testing.T) {
	const root = "../.."
	for doc, least := range map[string]int{"SECURITY.md": 80, "TRACK-RECORD.md": 50, "README.md": 1, "assets/docs/promises.md": 50} {
		text, err := os.ReadFile(filepath.Join(root, doc))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, form := range []*regexp.Regexp{namedTest, testCommand} {
			for _, m := range form.FindAllStringSubmatch(string(text), -1) {
				found++
				part := func(name string) string { return m[form.SubexpIndex(name)] }
				if !hasTest(t, filepath.Join(root, part("pkg")), part("test")) {
					t.Errorf("%s names %s, which is not there", doc, m[0])
				}
				if script := part("script"); script != "" {
					if _, err := os.Stat("testdata/script/" + script + ".txtar"); err != nil {
						t.Errorf("%s names %s: %v", doc, m[0], err)
					}
				}
			}
		}
		if commands := strings.Count(string(text), "`go test -run Test"); found < max(least, commands) {
			t.Errorf("%s: %d tests were found, in %d commands; want at least %d", doc, found, commands, least)
		}
	}
}

// Each file and folder that CONTRIBUTING tells people to look into is there.
func TestNamedFilesExist(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, ".github/CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	paths := regexp.MustCompile("`((?:\\.ci|assets|cmd|engine|providers|storage|tui)(?:/[\\w.]+)*)`").FindAllStringSubmatch(string(text), -1)
	for _, m := range paths {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Error(err)
		}
	}
	if len(paths) < 40 {
		t.Errorf("only %d paths were found", len(paths))
	}
}

func hasTest(t *testing.T, folder, name string) bool {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(code), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}

// No merge has left its marks in what people read: nothing else would notice them there.
func TestNoMarksOfMerges(t *testing.T) {
	for _, pattern := range []string{"../../*.md", "../../assets/docs/*.md", "../../assets/docs/*.txt", "../../assets/docs/*/*.md", "../../.github/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				if strings.HasPrefix(line, "<<<<<<< ") || strings.HasPrefix(line, ">>>>>>> ") {
					t.Errorf("%s: %s", file, line)
				}
			}
		}
	}
}

// NOTICE names every module that is linked into a binary, on whatever system, and no other.
func TestNotice(t *testing.T) {
	text, err := os.ReadFile("../../NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "The Go standard library")
	list, _, _ = strings.Cut(list, "\n\n")
	named := map[string]bool{}
	for _, line := range strings.Split(list, "\n")[1:] {
		named[strings.Fields(line)[0]] = false
	}
	for _, system := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
		cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0", "GOFLAGS=") // those of the test need not do there
		linked, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, module := range strings.Fields(string(linked)) {
			if _, is := named[module]; !is && module != "tallygate" {
				t.Errorf("NOTICE does not name %s, which is linked on %s", module, system)
			}
			named[module] = true
		}
	}
	for module, linked := range named {
		if !linked {
			t.Errorf("NOTICE names %s, which is not linked", module)
		}
	}
}
