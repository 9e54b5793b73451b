package main_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "tallygate"

// mayImport says which packages of ours each package may import: what lies
// above does not reach round what is between.
var mayImport = map[string][]string{
	"assets":                 {},
	"assets/book":            {},
	"assets/package":         {},
	"assets/package/sbom":    {},
	"engine/tally":           {},
	"engine/auth":            {"engine/tally", "engine/token"},
	"engine/billfile":        {"engine/tally", "engine/control", "providers"},
	"engine/capture":         {"engine/tally", "engine/auth"},
	"engine/config":          {"engine/tally", "engine/control"},
	"engine/control":         {"engine/tally", "engine/statement"},
	"engine/feed":            {"engine/tally"},
	"engine/forecast":        {},
	"engine/geo":             {},
	"engine/metrics":         {"engine/tally"},
	"engine/pricefile":       {"engine/tally", "providers"},
	"engine/route":           {"engine/tally", "providers"},
	"engine/slug":            {},
	"engine/statement":       {"engine/tally"},
	"engine/token":           {"engine/tally", "engine/geo"},
	"engine/meter":           {"engine/tally", "storage"},
	"engine/gateway":         {"engine/tally", "engine/auth", "engine/capture", "engine/token", "engine/route", "engine/meter", "providers", "providers/coding", "providers/dialect", "providers/dialect/wire", "providers/dialect/chat", "providers/dialect/messages", "providers/dialect/ollama", "providers/dialect/responses"},
	"engine":                 {"engine/tally", "engine/auth", "engine/capture", "engine/config", "engine/control", "engine/feed", "engine/forecast", "engine/gateway", "engine/geo", "engine/meter", "engine/metrics", "engine/pricefile", "engine/route", "engine/slug", "engine/statement", "engine/token", "engine/webhook", "storage", "storage/backup", "providers"},
	"engine/webhook":         {"engine/tally"},
	"engine/demo":            {"engine/tally", "engine", "engine/control", "providers", "storage", "assets"},
	"storage":                {"engine/tally", "storage/backup"},
	"storage/backup":         {"engine/tally"},
	"storage/ledger":         {"engine/tally", "storage"},
	"storage/lease":          {"engine/tally", "storage/ledger"},
	"storage/memory":         {"engine/tally", "storage", "storage/backup"},
	"storage/pgstore":        {"engine/tally", "storage", "storage/backup", "storage/badgerdb", "storage/lease", "storage/ledger"},
	"storage/badgerdb":       {"engine/tally", "storage", "storage/backup", "storage/ledger"},
	"storage/pgstore/pgtest": {},
	"storage/storetest":      {"engine/tally", "storage", "storage/memory"},
	"providers":              {"engine/tally", "providers/dialect", "providers/dialect/wire", "providers/sound"},
	"providers/sound":        {},
	"providers/transport":    {"engine/tally", "providers"},
	"providers/coding":       {},
	"providers/openai":       {"engine/tally", "providers", "providers/coding", "providers/dialect", "providers/dialect/messages", "providers/dialect/responses", "providers/transport"},
	"providers/sim":          {"engine/tally", "providers"},
	"providers/providertest": {"engine/tally", "providers", "providers/dialect"},
	"tui":                    {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget", "tui/analytics", "tui/clients", "tui/gateways", "tui/keys", "tui/models", "tui/overview", "tui/providers", "tui/requests", "tui/settings", "assets"},
	"tui/action":             {},
	"tui/analytics":          {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget", "tui/calendar"},
	"tui/calendar":           {"engine/tally", "engine/control", "tui/part", "tui/screen", "tui/theme", "tui/widget"},
	"tui/clients":            {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget", "tui/keys", "tui/calendar"},
	"tui/dialog":             {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget"},
	"tui/gateways":           {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget", "engine/token"},
	"tui/keys":               {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget"},
	"tui/models":             {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget"},
	"tui/overview":           {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget", "tui/keys", "tui/calendar"},
	"tui/providers":          {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget"},
	"tui/requests":           {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget"},
	"tui/settings":           {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget"},
	"tui/wizard":             {"engine/tally", "engine/control", "tui/action", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/widget", "tui/keys"},
	"tui/live":               {"engine/tally", "engine/control"},
	"tui/part":               {"engine/tally", "engine/control", "tui/theme", "tui/widget"},
	"tui/screen":             {"engine/tally", "engine/control", "tui/action", "tui/live", "tui/part", "tui/theme", "tui/widget"},
	"tui/theme":              {},
	"tui/tuitest":            {"engine/tally", "engine", "engine/control", "engine/demo", "engine/feed", "providers", "providers/sim", "storage/memory", "assets", "tui", "tui/action", "tui/live", "tui/screen", "tui/theme", "tui/widget"},
	"tui/widget":             {"engine/tally", "engine/control", "tui/theme"},
	"cmd/tallygate":          {"cmd/tallygate/process", "cmd/tallygate/sshd", "engine/tally", "engine", "engine/billfile", "engine/control", "engine/statement", "engine/demo", "engine/token", "providers/dialect", "providers/dialect/chat", "providers/dialect/messages", "storage/backup", "storage/badgerdb", "storage/pgstore", "tui", "tui/dialog", "tui/live", "tui/part", "tui/screen", "tui/theme", "tui/wizard", "assets"},
	"cmd/tallygate/sshd":     {"engine/tally"},
	"cmd/tallygate/process":  {"engine/tally", "engine", "engine/auth", "engine/control", "engine/feed", "engine/metrics", "storage", "storage/backup", "storage/badgerdb", "storage/pgstore", "providers", "providers/openai", "providers/sim", "providers/transport", "assets"},

	"providers/dialect":           {"engine/tally", "providers/dialect/wire"},
	"providers/dialect/wire":      {},
	"providers/dialect/chat":      {"providers/dialect", "providers/dialect/wire"},
	"providers/dialect/responses": {"providers/dialect", "providers/dialect/wire"},
	"providers/dialect/messages":  {"providers/dialect", "providers/dialect/wire"},
	"providers/dialect/ollama":    {"providers/dialect", "providers/dialect/wire"},
}

// testsMayImport is what the tests of every package may use beside what their
// package may: real parts to test with. Those of a screen may lead to others, and those
// of a port use what implements it in the folders below.
var testsMayImport = []string{"engine/tally", "engine/feed", "engine/geo", "engine/token", "tui/tuitest", "assets", "storage", "storage/memory", "storage/badgerdb", "storage/storetest", "storage/pgstore/pgtest",
	"providers", "providers/openai", "providers/sim", "providers/providertest"}

// mayUse says which of our packages may import a module of others. A package
// with "tests of " before its name may in its tests only; "tests" stands for
// the tests of every package, and a name that ends in "..." for all that begin so.
var mayUse = map[string][]string{
	"charm.land/bubbles/v2":                   {"tui/screen", "tui/widget", "tui"},
	"charm.land/bubbletea/v2":                 {"tui", "tui/...", "cmd/tallygate", "cmd/tallygate/sshd"},
	"charm.land/ssh":                          {"cmd/tallygate/sshd"},
	"charm.land/wish/v2":                      {"cmd/tallygate/sshd"},
	"charm.land/lipgloss/v2":                  {"tui", "tui/screen", "tui/theme", "tui/widget"},
	"filippo.io/age":                          {"engine/config"},
	"go.yaml.in/yaml/v4":                      {"engine/config"},
	"github.com/andybalholm/brotli":           {"providers/coding"},
	"github.com/klauspost/compress":           {"assets", "providers/coding", "storage/backup", "storage/badgerdb"},
	"github.com/charmbracelet/colorprofile":   {"tui", "tui/tuitest"},
	"github.com/charmbracelet/x/ansi":         {"tui", "tui/tuitest", "tui/widget"},
	"github.com/dgraph-io/badger/v4":          {"storage/badgerdb"},
	"github.com/golang-jwt/jwt/v5":            {"engine/token"},
	"github.com/guptarohit/asciigraph":        {"tui/widget"},
	"github.com/jackc/pgx/v5":                 {"storage/pgstore", "storage/pgstore/pgtest"},
	"github.com/oschwald/maxminddb-golang/v2": {"engine/geo"},
	"github.com/prometheus/client_golang":     {"engine/metrics"},
	"github.com/prometheus/common":            {"engine/metrics"},
	"github.com/rogpeppe/go-internal":         {"tests of cmd/tallygate"},
	"github.com/spf13/cobra/doc":              {"tests of cmd/tallygate"}, // with what writes Markdown as pages
	"github.com/spf13/cobra":                  {"cmd/tallygate"},
	"github.com/spf13/pflag":                  {"cmd/tallygate"},
	"golang.org/x/crypto":                     {"cmd/tallygate/process", "cmd/tallygate/sshd", "engine/auth", "tests of cmd/tallygate"},
	"golang.org/x/net":                        {"cmd/tallygate/process"},
	"golang.org/x/sync":                       {"storage/pgstore"},
	"golang.org/x/sys":                        {"cmd/tallygate/process", "tests of cmd/tallygate", "engine/control", "providers/transport", "storage/badgerdb"},
	"golang.org/x/text":                       {"engine/slug"},
	"golang.org/x/term":                       {"cmd/tallygate"},
	"pgregory.net/rapid":                      {"tests", "storage/storetest"},
}

// imported is one import of one file, whatever system the file is for.
type imported struct {
	file string // relative to the module's root, with slashes
	path string
}

// violation says what an import breaks, "" if it may be.
func (i imported) violation() string {
	from, test := path.Dir(i.file), strings.HasSuffix(i.file, "_test.go")
	rule, known := mayImport[from]
	if !known {
		return fmt.Sprintf("%s: nothing says what %s may import", i.file, from)
	}
	to, ours := strings.CutPrefix(i.path, module+"/")
	if ours || i.path == module {
		if slices.Contains(rule, to) || test && (to == from || slices.Contains(testsMayImport, to) || strings.HasPrefix(from, "tui/") && strings.HasPrefix(to, "tui/") || strings.HasPrefix(to, from+"/")) {
			return ""
		}
		return fmt.Sprintf("%s: %s must not import %s", i.file, from, to)
	}
	if first, _, _ := strings.Cut(i.path, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	for mod, users := range mayUse {
		if _, own := mayUse[i.path]; own && i.path != mod || i.path != mod && !strings.HasPrefix(i.path, mod+"/") {
			continue // a package may have a rule of its own beside that of its module
		}
		if slices.Contains(users, from) || slices.ContainsFunc(users, func(u string) bool { all, ok := strings.CutSuffix(u, "..."); return ok && strings.HasPrefix(from, all) }) || test && (slices.Contains(users, "tests of "+from) || slices.Contains(users, "tests")) {
			return ""
		}
		return fmt.Sprintf("%s: %s is for %s only", i.file, mod, strings.Join(users, ", "))
	}
	return fmt.Sprintf("%s: nothing says who may import %s", i.file, i.path)
}

// TestImports holds the whole tree to the tables above: files for other
// systems, too, which go list would leave out.
func TestImports(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		file, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if os.IsNotExist(err) {
			return nil // an editor's file that has gone meanwhile
		}
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			i := imported{filepath.ToSlash(file), p}
			seen[path.Dir(i.file)] = true
			if v := i.violation(); v != "" {
				t.Error(v)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"cmd/tallygate", "engine", "engine/tally", "engine/control", "storage/memory", "providers"} {
		if !seen[from] {
			t.Errorf("%s was not looked at", from)
		}
	}
}

// The tables must refuse what they are there to refuse.
func TestImportRulesBite(t *testing.T) {
	for _, tc := range []struct {
		file, path string
		want       string // part of the violation; "" if there is none
	}{
		{"engine/tally/money.go", "tallygate/engine/meter", "engine/tally must not import engine/meter"},
		{"engine/tally/money.go", "tallygate", "must not import"},
		{"engine/control/server.go", "tallygate/engine/meter", "engine/control must not import engine/meter"},
		{"engine/gateway/forward.go", "tallygate/storage", "engine/gateway must not import storage"},
		{"engine/meter/meter.go", "tallygate/storage/memory", "engine/meter must not import storage/memory"},
		{"engine/engine.go", "tallygate/storage/badgerdb", "engine must not import storage/badgerdb"},
		{"storage/badgerdb/store.go", "tallygate/engine/meter", "storage/badgerdb must not import engine/meter"},
		{"storage/badgerdb/store.go", "tallygate/storage/memory", "storage/badgerdb must not import storage/memory"},
		{"storage/memory/memory.go", "tallygate/storage/ledger", "storage/memory must not import storage/ledger"},
		{"providers/openai/openai.go", "tallygate/providers/sim", "providers/openai must not import providers/sim"},
		{"providers/openai/openai.go", "tallygate/providers/providertest", "must not import providers/providertest"},
		{"cmd/tallygate/main.go", "tallygate/engine/gateway", "cmd/tallygate must not import engine/gateway"},
		{"cmd/tallygate/serve.go", "tallygate/engine/feed", "cmd/tallygate must not import engine/feed"},
		{"cmd/tallygate/process/serve.go", "tallygate/tui", "cmd/tallygate/process must not import tui"},
		{"cmd/tallygate/guests.go", "charm.land/wish/v2", "wish/v2 is for cmd/tallygate/sshd only"},
		{"cmd/tallygate/sshd/sshd.go", "tallygate/engine/control", "cmd/tallygate/sshd must not import engine/control"},
		{"cmd/tallygate/main_test.go", "tallygate/engine/gateway", "cmd/tallygate must not import engine/gateway"},
		{"engine/utils/utils.go", "fmt", "nothing says what engine/utils may import"},
		{"engine/meter/meter.go", "github.com/dgraph-io/badger/v4", "badger/v4 is for storage/badgerdb only"},
		{"engine/meter/meter_test.go", "github.com/dgraph-io/badger/v4/options", "badger/v4 is for storage/badgerdb only"},
		{"engine/gateway/forward.go", "github.com/spf13/cobra", "cobra is for cmd/tallygate only"},
		{"cmd/tallygate/root.go", "github.com/spf13/cobra/doc", "cobra/doc is for tests of cmd/tallygate only"},
		{"cmd/tallygate/man_test.go", "github.com/spf13/cobra/doc", ""},
		{"engine/gateway/forward.go", "golang.org/x/crypto/chacha20poly1305", "x/crypto is for cmd/tallygate/process, cmd/tallygate/sshd, engine/auth, tests of cmd/tallygate only"},
		{"engine/meter/meter.go", "pgregory.net/rapid", "rapid is for tests"},
		{"engine/meter/meter_test.go", "github.com/rogpeppe/go-internal/testscript", "go-internal is for tests of cmd/tallygate only"},
		{"cmd/tallygate/main.go", "github.com/rogpeppe/go-internal/testscript", "go-internal is for tests of cmd/tallygate only"},
		{"engine/control/server.go", "github.com/stretchr/testify/assert", "nothing says who may import"},
		{"engine/control/server.go", "github.com/tidwall/gjson", "nothing says who may import"},
		{"engine/auth/verify.go", "github.com/oschwald/maxminddb-golang/v2", "maxminddb-golang/v2 is for engine/geo only"},
		{"engine/auth/token.go", "github.com/golang-jwt/jwt/v5", "jwt/v5 is for engine/token only"},
		{"engine/geo/file.go", "tallygate/engine/tally", "engine/geo must not import engine/tally"},
		{"engine/meter/meter.go", "github.com/dgraph-io/badger/v44", "nothing says who may import"},

		{"engine/meter/meter.go", "tallygate/storage", ""},
		{"engine/meter/meter.go", "net/http", ""},
		{"engine/geo/file.go", "github.com/oschwald/maxminddb-golang/v2/mmdbdata", ""},
		{"engine/meter/meter_test.go", "tallygate/storage/memory", ""},
		{"engine/meter/meter_test.go", "tallygate/engine/meter", ""},
		{"engine/meter/meter_test.go", "pgregory.net/rapid", ""},
		{"tui/app.go", "tallygate/engine", "tui must not import engine"},
		{"tui/screen/clients.go", "tallygate/engine/demo", "tui/screen must not import engine/demo"},
		{"tui/live/live.go", "tallygate/storage/memory", "tui/live must not import storage/memory"},
		{"tui/tuitest/world.go", "tallygate/storage/badgerdb", "tui/tuitest must not import storage/badgerdb"},
		{"tui/tuitest/world.go", "tallygate/engine/demo", ""},
		{"storage/badgerdb/store.go", "github.com/dgraph-io/badger/v4/options", ""},
		{"cmd/tallygate/script_test.go", "github.com/rogpeppe/go-internal/testscript", ""},
	} {
		got := imported{tc.file, tc.path}.violation()
		if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
			t.Errorf("%s importing %s: %q, want %q", tc.file, tc.path, got, tc.want)
		}
	}
}
