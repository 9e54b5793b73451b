package tally

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Piece is what is priced by the piece, beside tokens. The names are the price
// book's; those below are metered, and with them the finer names of images: the
// quality, the size or both may stand behind it, as in "image_high",
// "image_1024x1536" and "image_medium_2k".
type Piece string

// The pieces that are metered.
const (
	Search      Piece = "search"    // a web search, a source or a result, whichever the upstream bills
	Image       Piece = "image"     // a picture that is made
	Character   Piece = "character" // of a text that is spoken
	Query       Piece = "query"     // that up to a hundred parts of documents are ranked by
	SoundSecond Piece = "second"    // of sound that is written down
	SoundHour   Piece = "hour"      // 3,600 of them, where the price of one has no round figure
)

// imageInput is the book's name for a picture that goes in. No request is charged for one.
const imageInput Piece = "image_in"

// Metered reports whether requests are charged for a piece.
func (p Piece) Metered() bool { return p == Search || p.alone() }

// alone reports whether requests may be billed for the piece and for nothing else, so
// that a price of it can stand without one of tokens.
func (p Piece) alone() bool {
	switch p {
	case Image, Character, Query, SoundSecond, SoundHour:
		return true
	}
	return p.imageOf() && p != imageInput
}

func (p Piece) imageOf() bool {
	rest, ok := strings.CutPrefix(string(p), string(Image)+"_")
	return ok && rest != "" && len(rest) <= 40 &&
		strings.IndexFunc(rest, func(r rune) bool { return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }) < 0
}

// Units is what a request is billed for by the piece: so many of one of Search, Image,
// Character, Query and SoundSecond.
type Units struct {
	Piece Piece
	Count int64
	// Quality and Size are those of images as the request names them, the size as
	// WIDTHxHEIGHT, or 1k, 2k, 4k; "" leaves it to the upstream.
	Quality, Size string
}

// EachOf is the piece that the row prices such units by, and what one of them costs, per
// hour where the piece is [SoundHour]; false if the row has no price for them. Of prices that
// fit an image equally well, since the request leaves it to the upstream, the dearest
// counts.
func (q *Quote) EachOf(u *Units) (name Piece, each NanoUSD, ok bool) {
	if q.Row == nil {
		return "", 0, false
	}
	switch prices := q.Row.Pieces; u.Piece {
	case Image:
		return q.imageFor(u)
	case SoundSecond:
		if each, ok = prices[SoundHour]; ok {
			return SoundHour, each, true
		}
	}
	each, ok = q.Row.Pieces[u.Piece]
	return u.Piece, each, ok
}

// UnitsOf are so many of what a price names: of images the quality and the size stand in the
// name, as far as the price told them apart.
func UnitsOf(name Piece, n int64) Units {
	u := Units{Piece: name, Count: n}
	if !name.imageOf() || name == imageInput {
		return u
	}
	u.Piece = Image
	for part := range strings.SplitSeq(strings.TrimPrefix(string(name), string(Image)+"_"), "_") {
		if isSize(part) {
			u.Size = part
		} else {
			u.Quality = part
		}
	}
	return u
}

// imageFor is EachOf of images.
func (q *Quote) imageFor(u *Units) (name Piece, each NanoUSD, ok bool) {
	best := -1
	// Where a price depends on the size, none is known of a size in words that nobody knows,
	// or of one beyond all classes.
	class := sizeClass(u.Size)
	bySize := u.Size != "" && (class == "" || class == beyond) &&
		slices.ContainsFunc(slices.Collect(maps.Keys(q.Row.Pieces)), Piece.saysSize)
	for _, p := range slices.Sorted(maps.Keys(q.Row.Pieces)) {
		fits, n := p.fits(u)
		fits = fits && (!bySize || p.saysSize())
		if price := q.Row.Pieces[p]; fits && (n > best || n == best && price > each) {
			best, name, each, ok = n, p, price, true
		}
	}
	return name, each, ok
}

// fits reports whether a price of the name may be that of an image, and how many of what
// the request says of the image the name says too.
func (p Piece) fits(u *Units) (fits bool, known int) {
	if p != Image && (!p.imageOf() || p == imageInput) {
		return false, 0
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(string(p), string(Image)), "_") {
		asked, same := u.Quality, part == u.Quality
		if isSize(part) {
			asked, same = u.Size, part == u.Size || part == sizeClass(u.Size)
		}
		switch {
		case part == "" || asked == "":
		case !same:
			return false, 0
		default:
			if known++; part == u.Size {
				known++ // the very size says more than the class of sizes
			}
		}
	}
	return true, known
}

// saysSize reports whether the name says the size of an image.
func (p Piece) saysSize() bool {
	return p.imageOf() && p != imageInput && slices.ContainsFunc(strings.Split(string(p), "_"), isSize)
}

// isSize reports whether a word is a size: 1k, or 1024x1536.
func isSize(word string) bool { return len(word) > 1 && word[0]-'0' <= 9 }

// Pixels is what a size comes to, 0 if the size is not known.
func Pixels(size string) int64 {
	switch size {
	case "1k":
		return 1 << 20
	case "2k":
		return 4 << 20
	case "4k":
		return 16 << 20
	}
	w, h, _ := strings.Cut(size, "x")
	width, err1 := strconv.ParseInt(w, 10, 32)
	height, err2 := strconv.ParseInt(h, 10, 32)
	if err1 != nil || err2 != nil || width <= 0 || height <= 0 || width > 1<<15 || height > 1<<15 {
		return 0
	}
	return width * height
}

// sizeClass is the class of a size by its area, a tenth more of which is still the same:
// pictures of one class are wide or tall in steps.
func sizeClass(size string) string {
	switch n := Pixels(size); {
	case n == 0:
		return ""
	case n <= 11<<20/10:
		return "1k"
	case n <= 44<<20/10:
		return "2k"
	case n <= 176<<20/10:
		return "4k"
	}
	return beyond
}

const beyond = "more"

// CostOf prices units at the row's price, rounded up; 0 if it has none for them. The name
// is the piece that they are priced by.
func (q *Quote) CostOf(u *Units) (cost NanoUSD, name Piece) {
	name, each, _ := q.EachOf(u)
	per := int64(1)
	if name == SoundHour {
		name, per = SoundSecond, 3600
	}
	return NanoUSD(mulDivUp(max(u.Count, 0), int64(each), per)), name
}

// CostOfPieces prices so many of a piece by the name that records keep: at the row's own price
// of it, or at the one that fits.
func (q *Quote) CostOfPieces(name Piece, n int64) NanoUSD {
	if q.Row == nil {
		return 0
	}
	if each, named := q.Row.Pieces[name]; named && name != SoundSecond {
		return NanoUSD(mulDivUp(max(n, 0), int64(each), 1))
	}
	u := UnitsOf(name, n)
	cost, _ := q.CostOf(&u)
	return cost
}
