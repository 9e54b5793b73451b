package assets

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

func mustSDK(t *testing.T, publicURL string) *SDK {
	t.Helper()
	s, err := NewSDK(publicURL)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSDKBakesTheURLIn(t *testing.T) {
	if n := bytes.Count(mustSDK(t, "").Module, []byte(unset)); n != 1 {
		t.Fatalf("%d places for the URL, want 1", n)
	}
	for given, want := range map[string]string{
		"https://ai.mysite.com":         `const PUBLIC_URL = "https://ai.mysite.com"`,
		"https://ai.mysite.com/":        `const PUBLIC_URL = "https://ai.mysite.com"`,
		"http://127.0.0.1:4283/gateway": `const PUBLIC_URL = "http://127.0.0.1:4283/gateway"`,
		`https://x.y/"</script>`:        `const PUBLIC_URL = "https://x.y/%22%3C/script%3E"`,
	} {
		s := mustSDK(t, given)
		if !bytes.Contains(s.Module, []byte("\n"+want+"\n")) || bytes.Contains(s.Module, []byte(unset)) {
			t.Errorf("%s: the module does not have the line %s", given, want)
		}
		if !bytes.Equal(unpack(t, s.Tarball)["webllm.js"], s.Module) {
			t.Errorf("%s: the tarball has another module", given)
		}
	}
	for _, bad := range []string{"ai.mysite.com", "ftp://mysite.com", "https://", "https://:443", "https://user:secret@mysite.com", "https://mysite.com/?x=1", "https://mysite.com/#x", "javascript:alert(1)", "https://a b/"} {
		if _, err := NewSDK(bad); err == nil {
			t.Errorf("%s is taken for a public URL", bad)
		}
	}
}

// What the client promises: small, and of one file.
func TestSDKIsSmall(t *testing.T) {
	module := mustSDK(t, "").Module
	if len(module) > 12<<10 {
		t.Errorf("the module has %d bytes, want at most 12 KiB", len(module))
	}
	if found := regexp.MustCompile(`(?m)^\s*import\b|\bimport\(|\brequire\(`).Find(module); found != nil {
		t.Errorf("the module is not on its own: %s", found)
	}
}

// What the chat promises a page: small, on its own but for the client beside it, and
// nothing in it that a strict policy forbids or that takes an answer for more than text.
func TestWidgetIsSmallAndStrict(t *testing.T) {
	if n := len(Widget); n == 0 || n >= 15<<10 {
		t.Errorf("the chat has %d bytes, want less than 15 KiB", n)
	}
	for _, forbidden := range []string{`innerHTML`, `outerHTML`, `insertAdjacentHTML`, `document\.write`, `\beval\b`, `new Function`, `DOMParser`, `\.style\b`, `'style'`, `\.on[a-z]+ ?=`, `localStorage`, `document\.cookie`} {
		if found := regexp.MustCompile(forbidden).Find(Widget); found != nil {
			t.Errorf("the chat has %s", found)
		}
	}
	if n := len(regexp.MustCompile(`https?:`).FindAll(bytes.ReplaceAll(Widget, []byte("https://ai.mysite.com/"), nil), -1)); n != 0 {
		t.Errorf("the chat names %d addresses of others", n)
	}
}

func TestSDKTarball(t *testing.T) {
	s := mustSDK(t, "https://ai.mysite.com")
	if !bytes.Equal(s.Tarball, mustSDK(t, "https://ai.mysite.com").Tarball) {
		t.Error("two tarballs of the same URL differ: npm would refuse the second one")
	}
	files := unpack(t, s.Tarball)
	var manifest struct {
		Name, Version, Type, Main, Types string
		Exports                          map[string]any
		Dependencies                     map[string]string
	}
	if err := json.Unmarshal(files["package.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Name != "webllm" || manifest.Version == "" || manifest.Type != "module" || len(manifest.Dependencies) > 0 {
		t.Errorf("package.json: %+v", manifest)
	}
	for _, name := range []string{manifest.Main, manifest.Types} {
		if len(files[strings.TrimPrefix(name, "./")]) == 0 {
			t.Errorf("package.json names %s, which is not there", name)
		}
	}
	if !bytes.Equal(files["webllm.d.ts"], s.Types) {
		t.Error("the tarball has other types")
	}
	license, err := os.ReadFile("../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(files["LICENSE"], license) {
		t.Error("the tarball has another licence than the program")
	}
}

// Every name that the module exports has its type, and the reverse.
func TestSDKTypes(t *testing.T) {
	s := mustSDK(t, "")
	names := func(text []byte, pattern string) string {
		var all []string
		for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
			all = append(all, string(m[1]))
		}
		return strings.Join(all, " ")
	}
	const want = "WebLLMError generateText streamText generateObject WebLLMClient generateGatewayToken"
	if got := names(s.Module, `(?m)^export (?:async function|const|class) (\w+)`); got != want {
		t.Errorf("the module exports %s", got)
	}
	for _, name := range strings.Fields(want) {
		if !regexp.MustCompile(`(?m)^export (function|class) ` + name + `\b`).Match(s.Types) {
			t.Errorf("%s has no type", name)
		}
	}
}

func BenchmarkSDK(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewSDK("https://ai.mysite.com"); err != nil {
			b.Fatal(err)
		}
	}
}

func unpack(t *testing.T, tarball []byte) map[string][]byte {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(tarball))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for packed := tar.NewReader(unzipped); ; {
		h, err := packed.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(h.Name, "package/")
		if !ok || h.Mode != 0o644 || h.ModTime.Year() != 1985 {
			t.Errorf("%s: mode %o, time %v", h.Name, h.Mode, h.ModTime)
		}
		if files[name], err = io.ReadAll(packed); err != nil {
			t.Fatal(err)
		}
	}
}
