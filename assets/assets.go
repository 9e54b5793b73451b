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
// geo/country.mmdb is the country of every address, in MaxMind's format; see
// NOTICE for its origin and licence.
//
// docs are texts for people that the program prints: what "tallygate help money"
// says.
//
// page is what a browser sees at the gateway's address: nothing in it comes from
// elsewhere, and no script or style stands in the HTML.
//
// sdk is the JavaScript client for pages, served as a module and as an npm
// package. sdk/testdata has the tokens that its minting and that of the command
// line must both make.
package assets

import (
	"embed"
	"io/fs"
)

// Prices is the price book in JSON.
//
//go:embed prices.json
var Prices []byte

// Countries is the country database. It stays in the program's file until parts
// of it are read, so nothing may go through all of it or copy it.
//
//go:embed geo/country.mmdb
var Countries []byte

// Money says what "never more than you said" means, in Markdown that reads well as
// it is.
//
//go:embed docs/money.md
var Money string

//go:embed page
var page embed.FS

// Page is the page at the gateway's address: index.html and what it refers to.
func Page() fs.FS {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is a valid one
	}
	return files
}
