package main

import (
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

// What describes this test's own binary names its modules, each once with its sum, and
// what the standard library is of.
func TestDescribe(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d, err := describe(self, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Metadata.Component; got.Name != "tallygate" || got.Version != "1.2.3" || len(got.Hashes) != 1 {
		t.Errorf("the program is %+v", got)
	}
	if len(d.Components) == 0 || !strings.HasPrefix(d.Components[0].PURL, "pkg:golang/std@1.") {
		t.Errorf("the parts are %+v", d.Components)
	}
	if got := len(d.Dependencies[0].DependsOn); got != len(d.Components) {
		t.Errorf("%d dependencies of %d parts", got, len(d.Components))
	}
	if _, err := describe("main.go", "1.2.3"); err == nil {
		t.Error("a file that is no binary is described")
	}
}

// The module that was linked is named, not the one that it stands for.
func TestReplaced(t *testing.T) {
	c, err := library(module("example.org/fork", "v1.0.0+incompatible", "h1:"+strings.Repeat("A", 43)+"="))
	if err != nil || c.PURL != "pkg:golang/example.org/fork@v1.0.0%2Bincompatible" ||
		c.Hashes[0].Content != strings.Repeat("0", 64) {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := library(module("example.org/fork", "v1.0.0", "h1:?")); err == nil {
		t.Error("a damaged sum is taken")
	}
}

func module(path, version, sum string) *debug.Module {
	return &debug.Module{Path: "example.org/original", Version: "v0.0.1",
		Replace: &debug.Module{Path: path, Version: version, Sum: sum}}
}
