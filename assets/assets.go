// Package assets holds the files that ship inside the binary. It imports
// nothing of ours, so that every part of the program may be handed what it
// needs of it.
//
// prices.json is the price book: what each publisher charges for its models,
// in USD per million tokens, as decimal strings. A rate that is left out is
// the rate of its parent (cached input and cache write fall back to input,
// reasoning to output), never free. A price with above_tokens is a long-prompt
// band: it re-prices the whole request once the prompt is longer, and a rate
// it leaves out is that of the band below. A price with from counts from that
// day (UTC) on; the latest one that has begun is in force.
//
// Where one rate must stand for several, it is the dearest, because a budget
// must not be exceeded: DeepSeek's peak hours, and sound or picture tokens of
// models made for them. Batch, flex and priority tiers are not in the book.
//
// geo/country.mmdb is the country of every address, in MaxMind's format; see
// NOTICE for its origin and licence.
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
