// Package assets holds the files that ship inside the binary. It imports
// nothing of ours, so that every part of the program may be handed what it
// needs of it.
//
// prices.json is the price book: what each publisher charges for its models, made
// of the lists in book by the command there. Amounts are decimal strings in USD:
// rates and other for each million tokens, pieces each, request for each call;
// factors are in basis points and, like other, for people only. A model that is an
// alias has the prices of the other. Days are those of UTC: a row counts from the
// start of its first (from) to the end of its last (until).
//
// What is left out follows from what is there. A rate is that of its parent (those
// of a prompt fall back to input, reasoning to output), never free. A row with
// above_tokens is a long-prompt band: it re-prices the whole request once the
// prompt is longer, and a rate it leaves out is that of the band below, unless it
// is its parent's there as well. A row with a tier, hours or dates of its own
// leaves out what it shares with the plain one, and has no band below what the
// plain one has there; a tier that is dearer has a rate that no source names at its
// factor.
// A model that is answered by another one after its shutdown has that one's price
// from then on.
//
// Where one figure must stand for several, it is the dearest, because a budget
// must not be exceeded: the plain row has the peak hours, a model that searches on
// every request the fee of its largest search. Holidays are not expressed.
//
// geo/country.mmdb.zst is the country of every address, in MaxMind's format, packed by
// zstd -19 --ultra -22; see NOTICE for its origin and licence. geo/country.json says what it
// says of itself, so that nobody has to unpack it for that.
//
// docs are guides for people, which "tallygate help" prints. Each is Markdown that reads
// well as it is, 80 columns wide. Its sh blocks are run in order in an empty folder by a
// test of cmd/tallygate; docs/keys.md is made by a test of tui. pictures are those of the
// README, made by the same test, and are not in the binary.
//
// docs/llms.txt and docs/tallygate, a skill, are for agents; "tallygate help skill" prints
// the skill, whose blocks are run like those of guides.
//
// package has what packages and services need: those files that a service manager wants
// are in the binary too. The rest is put together by .goreleaser.yaml and .ci/packages.
//
// grafana has a dashboard, which "tallygate metrics --dashboard" prints. A test of
// engine/metrics holds it to the figures that there are.
//
// page is what a browser sees at the gateway's address, and at /share for those who have a
// link: nothing in it comes from elsewhere, and no script or style stands in the HTML.
//
// sdk is the JavaScript client for pages, served as a module and as an npm
// package. sdk/testdata has the tokens that its minting and that of the command
// line must both make.
package assets

import (
	"embed"
	"io/fs"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Prices is the price book in JSON.
//
//go:embed prices.json
var Prices []byte

//go:embed geo/country.mmdb.zst
var countries []byte

// Countries unpacks the country database, which takes 30 ms and 8 MB each time: whoever
// needs it keeps it, and whoever does not leaves it packed.
func Countries() ([]byte, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.DecodeAll(countries, nil)
}

// CountriesAbout is what the country database says of itself, in JSON.
//
//go:embed geo/country.json
var CountriesAbout []byte

//go:embed docs
var docs embed.FS

// Guide is a text for people, in Markdown.
type Guide struct {
	Name  string // what "tallygate help" calls it: the file's, without .md
	Title string // its first line, without the sign of a heading
	Text  string // with the title
}

// Guides are all guides, in the order of their names.
func Guides() []Guide {
	files, err := fs.Glob(docs, "docs/*.md")
	if err != nil {
		panic(err) // the pattern is a valid one
	}
	guides := make([]Guide, len(files))
	for i, file := range files {
		text, err := docs.ReadFile(file)
		if err != nil {
			panic(err) // it is embedded
		}
		first, _, _ := strings.Cut(string(text), "\n")
		guides[i] = Guide{
			Name:  strings.TrimSuffix(path.Base(file), ".md"),
			Title: strings.TrimPrefix(first, "# "),
			Text:  string(text),
		}
	}
	return guides
}

// Skill is what an agent is told of the program, in the form of Agent Skills: Markdown
// behind a name and a description.
//
//go:embed docs/tallygate/SKILL.md
var Skill string

// The files with which systems start the program by themselves. Each names it in the
// place where it usually is.
//
//go:embed package/tallygate.service
var SystemdUnit string

// LaunchdJob is a property list for macOS, with /Users/you as the home.
//
//go:embed package/tallygate.plist
var LaunchdJob string

// WindowsTask is a script for PowerShell.
//
//go:embed package/tallygate.ps1
var WindowsTask string

// Dashboard is one of Grafana, in its JSON, for the figures of engine/metrics.
//
//go:embed grafana/tallygate.json
var Dashboard string

//go:embed page
var page embed.FS

// Page is the page at the gateway's address, index.html, that of links, share.html, and what
// they refer to.
func Page() fs.FS {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is a valid one
	}
	return files
}
