// Command sbom writes what a binary is made of, as CycloneDX in JSON:
//
//	go run ./assets/package/sbom dist/tallygate_linux_amd64_v1/tallygate tallygate.cdx.json 1.2.3
//
// It reads what Go has written into the binary: the modules with their versions and
// hashes, and the version of Go, whose standard library is in it. The same binary gives
// the same bytes, so there is no time and no serial number in it.
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "name a binary, a file to write, and a version: sbom BINARY FILE VERSION")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintf(os.Stderr, "sbom: %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func write(binary, file, version string) error {
	d, err := describe(binary, version)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// The document, as far as it is needed: https://cyclonedx.org/docs/1.6/json.
type (
	document struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Ref        string     `json:"bom-ref"`
		Type       string     `json:"type"`
		Name       string     `json:"name"`
		Version    string     `json:"version,omitempty"`
		PURL       string     `json:"purl,omitempty"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

func describe(path, version string) (*document, error) {
	binary, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(binary)
	main := component{
		Ref: info.Path, Type: "application", Name: "tallygate", Version: version,
		Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
	}
	for _, s := range info.Settings {
		if s.Value == "" {
			continue
		}
		main.Properties = append(main.Properties, property{"go:build:" + s.Key, s.Value})
	}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	std := "pkg:golang/std@" + goVersion
	components := []component{{Ref: std, Type: "library", Name: "std", Version: goVersion, PURL: std}}
	for _, m := range info.Deps {
		c, err := library(m)
		if err != nil {
			return nil, err
		}
		components = append(components, c)
	}
	refs := make([]string, len(components))
	for i, c := range components {
		refs[i] = c.Ref
	}
	return &document{
		Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{main},
		Components: components, Dependencies: []dependency{{main.Ref, refs}},
	}, nil
}

// library is a module that was linked: the one in whose place another one stands does not
// matter.
func library(m *debug.Module) (component, error) {
	if m.Replace != nil {
		m = m.Replace
	}
	ref := "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	c := component{Ref: ref, Type: "library", Name: m.Path, Version: m.Version, PURL: ref}
	// "h1:" is the SHA-256 of the list of the module's files with theirs.
	if text, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
		sum, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return c, fmt.Errorf("the sum of %s: %w", m.Path, err)
		}
		c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}}
	}
	return c, nil
}
