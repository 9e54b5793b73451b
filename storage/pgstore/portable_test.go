package pgstore

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// dialect is the file in which SQL may stand that not all databases take.
const dialect = "dialect.go"

var (
	sqlText    = regexp.MustCompile(`\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|SET|BEGIN|LOCK)\b`)
	sqlComment = regexp.MustCompile(`--[^\n]*`)
	sqlQuoted  = regexp.MustCompile(`'[^']*'`)
	noChange   = regexp.MustCompile(`(?i)\b(for|do)\s+update\b`)
	changes    = regexp.MustCompile(`(?i)\b(?:insert\s+into|delete\s+from|update)\s+(\w+)`)
	notTaken   = map[string]*regexp.Regexp{
		"functions and blocks in a language":             regexp.MustCompile(`(?i)\bplpgsql\b|\blanguage\b|\bdo\s+\$|\bcreate\s+(or\s+replace\s+)?(function|procedure)\b`),
		"notifications":                                  regexp.MustCompile(`(?i)\b(un)?listen\b|\bnotify\b|\bpg_notify\b`),
		"advisory locks and locked tables":               regexp.MustCompile(`(?i)advisory|\block\s+table\b`),
		"sequences":                                      regexp.MustCompile(`(?i)\bsequence\b|\b(next|curr|set|last)val\b|\b(small|big)?serial[248]?\b|\bidentity\b`),
		"temporary and unlogged tables":                  regexp.MustCompile(`(?i)\btemp(orary)?\b|\bunlogged\b`),
		"triggers and rules":                             regexp.MustCompile(`(?i)\btrigger\b|\bcreate\s+(or\s+replace\s+)?rule\b`),
		"partitions and inheritance":                     regexp.MustCompile(`(?i)\bpartition\b|\binherits\b|\b(de|at)tach\b`),
		"division, which is not everywhere of integers":  regexp.MustCompile(`/`),
		"settings of the session":                        regexp.MustCompile(`(?i)\bset\s+(session|time\s+zone|\w+\s+to)\b|\bset_config\([^)]*false`),
		"prepared statements and cursors of the session": regexp.MustCompile(`(?i)\b(prepare|deallocate|declare|with\s+hold)\b`),
		"what is of PostgreSQL's own storage":            regexp.MustCompile(`(?i)\b(ctid|xmin|xmax|oid|vacuum|tablespace|txid_\w+|pg_\w+)\b`),
		"extensions, exclusion and deferred constraints": regexp.MustCompile(`(?i)\bextension\b|\bexclude\b|\bdeferrable\b|\busing\s+(gist|brin|hash|spgist)\b`),
		"ONLY, MERGE and sampling":                       regexp.MustCompile(`(?i)\bfrom\s+only\b|\bmerge\b|\btablesample\b`),
	}
)

// fault says what a database would not take of a text, "" if there is nothing.
func fault(sql string) string {
	sql = sqlQuoted.ReplaceAllStringFunc(sqlComment.ReplaceAllString(sql, ""), func(q string) string {
		if strings.EqualFold(q, "'plpgsql'") {
			return "plpgsql"
		}
		return "''"
	})
	for what, pattern := range notTaken {
		if found := pattern.FindString(sql); found != "" {
			return what + ": " + found
		}
	}
	for statement := range strings.SplitSeq(sql, ";") {
		seen := map[string]bool{}
		for _, m := range changes.FindAllStringSubmatch(noChange.ReplaceAllString(statement, ""), -1) {
			table := strings.ToLower(m[1])
			if seen[table] {
				return "a table that a statement changes twice: " + table
			}
			seen[table] = true
		}
	}
	return ""
}

// All SQL of the package is of the kind that PostgreSQL, CockroachDB and YugabyteDB take.
func TestPortable(t *testing.T) {
	var texts int
	check := func(where, sql string) {
		if !sqlText.MatchString(sql) {
			return
		}
		texts++
		if f := fault(sql); f != "" {
			t.Errorf("%s: %s\n%s", where, f, sql)
		}
	}
	schemas, _ := filepath.Glob("*.sql")
	for _, name := range schemas {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		check(name, string(text))
	}
	fset := token.NewFileSet()
	var files []*ast.File
	names, _ := filepath.Glob("*.go")
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || name == dialect {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	// What constants come to, too; that the imports are missing is of no matter to that.
	info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Error: func(error) {}}
	config.Check("pgstore", fset, files, &info)
	for e, x := range info.Types {
		if x.Value != nil && x.Value.Kind() == constant.String {
			check(fset.Position(e.Pos()).String(), constant.StringVal(x.Value))
		}
	}
	if len(schemas) == 0 || texts < 12 {
		t.Errorf("only %d texts in %d schemas and %d files", texts, len(schemas), len(files))
	}
}

func TestPortableBites(t *testing.T) {
	for sql, want := range map[string]string{
		`SELECT pg_advisory_xact_lock(1)`:                              "advisory",
		`LISTEN wanted`:                                                "LISTEN",
		`SELECT sum(a) / 2 FROM x`:                                     "/",
		`CREATE TABLE x (id BIGSERIAL)`:                                "BIGSERIAL",
		`CREATE TEMP TABLE x (id int8)`:                                "TEMP",
		`CREATE TABLE x (id int8) PARTITION BY RANGE (id)`:             "PARTITION",
		`SET SESSION statement_timeout = 1`:                            "SET SESSION",
		`SELECT set_config('a', 'b', false)`:                           "false",
		`WITH a AS (UPDATE x SET b = 1 RETURNING 1) DELETE FROM x`:     "twice: x",
		`WITH a AS (INSERT INTO x VALUES (1)) UPDATE x SET b = 2`:      "twice: x",
		`WITH a AS (INSERT INTO x VALUES (1)) UPDATE y SET b = 2`:      "",
		`INSERT INTO x VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2`: "",
		`SELECT 1 FROM x FOR UPDATE OF x`:                              "",
		`SELECT 'a/b' FROM x -- and/or`:                                "",
		`UPDATE x SET a = 1; UPDATE x SET a = 2`:                       "",
		`SELECT set_config('a', 'b', true)`:                            "",
	} {
		if got := fault(sql); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
}
