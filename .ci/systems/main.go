// Command systems checks the types of the program for systems that nothing here runs:
//
//	go run ./.ci/systems linux/386 linux/arm openbsd/amd64
//
// It finds what a compiler would refuse, such as a constant that overflows an int of 32
// bits or a call that a system does not have, in our packages and in those of others.
// Compiling them for a system takes minutes; this takes seconds, because nothing is
// generated, and of the standard library only what it declares is read.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const program = "./cmd/tallygate"

func main() {
	failed := len(os.Args) < 2
	if failed {
		fmt.Fprintln(os.Stderr, "name systems: go run ./.ci/systems linux/386")
	}
	for _, system := range os.Args[1:] {
		ours, all, err := check(system)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", system, err)
			failed = true
			continue
		}
		fmt.Printf("%s: %d packages, %d of them ours\n", system, all, ours)
	}
	if failed {
		os.Exit(1)
	}
}

// listed is a package as go list tells it.
type listed struct {
	Dir, ImportPath string
	GoFiles         []string
	ImportMap       map[string]string
	Standard        bool
	Module          *struct{ Main bool }
}

// check checks all that the program is made of, and counts it.
func check(system string) (ours, all int, err error) {
	goos, arch, _ := strings.Cut(system, "/")
	sizes := types.SizesFor("gc", arch)
	if sizes == nil {
		return 0, 0, fmt.Errorf("there is no architecture %q: name a system like linux/386", arch)
	}
	packages, err := list(goos, arch)
	if err != nil {
		return 0, 0, err
	}
	set := token.NewFileSet()
	known := map[string]*types.Package{"unsafe": types.Unsafe}
	var faults []error
	for _, p := range packages {
		if p.ImportPath == "unsafe" {
			continue
		}
		all++
		if p.Module != nil && p.Module.Main {
			ours++
		}
		files := make([]*ast.File, len(p.GoFiles))
		for i, name := range p.GoFiles {
			if files[i], err = parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution); err != nil {
				return 0, 0, err
			}
		}
		c := types.Config{
			Sizes: sizes, IgnoreFuncBodies: p.Standard, FakeImportC: p.Standard,
			Importer: importer(func(path string) (*types.Package, error) {
				if to := p.ImportMap[path]; to != "" {
					path = to
				}
				if known[path] == nil {
					return nil, fmt.Errorf("%s is not among what go list names", path)
				}
				return known[path], nil
			}),
			Error: func(err error) {
				if !p.Standard { // its imports are unused where bodies are not read
					faults = append(faults, err)
				}
			},
		}
		known[p.ImportPath], _ = c.Check(p.ImportPath, set, files, nil) // Error was told
	}
	return ours, all, errors.Join(faults...)
}

type importer func(path string) (*types.Package, error)

func (i importer) Import(path string) (*types.Package, error) { return i(path) }

// list is what the program is made of on a system, what is imported before what imports it.
func list(goos, arch string) ([]listed, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=Dir,ImportPath,GoFiles,ImportMap,Standard,Module", program)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var packages []listed
	d := json.NewDecoder(out)
	for {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, errors.Join(err, cmd.Wait())
		}
		packages = append(packages, p)
	}
	return packages, cmd.Wait()
}
