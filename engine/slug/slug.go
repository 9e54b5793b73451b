// Package slug makes short names, which people type and commands take, of names as
// people write them.
package slug

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Longest is the length of the longest slug, in bytes.
const Longest = 63

// Of is a name in a-z, 0-9 and single dashes, neither first nor last: letters of Latin,
// Greek and Cyrillic as they are written in plain Latin, whatever else a dash. It is ""
// if nothing is left, as of a name in Chinese, whose reading depends on the language.
func Of(name string) string {
	var plain strings.Builder
	for _, r := range norm.NFKD.String(name) {
		if !unicode.Is(unicode.Mn, r) { // the accents, which NFKD has cut off
			plain.WriteRune(unicode.ToLower(r))
		}
	}
	var b strings.Builder
	dash := false
	for _, r := range latin.Replace(plain.String()) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			dash = b.Len() > 0
			continue
		}
		if dash {
			b.WriteByte('-')
			dash = false
		}
		b.WriteRune(r)
	}
	return strings.TrimRight(b.String()[:min(b.Len(), Longest)], "-")
}

// latin spells letters that are no Latin letter with an accent: Greek by ELOT 743,
// Cyrillic as passports of ICAO 9303 have it, with the letters that Russian has not.
var latin = strings.NewReplacer(
	"ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "đ", "d", "ð", "d", "þ", "th", "ł", "l", "ħ", "h", "ı", "i", "ŋ", "ng", "ŧ", "t", "ə", "e",

	"ου", "ou", "α", "a", "β", "v", "γ", "g", "δ", "d", "ε", "e", "ζ", "z", "η", "i", "θ", "th", "ι", "i", "κ", "k", "λ", "l", "μ", "m",
	"ν", "n", "ξ", "x", "ο", "o", "π", "p", "ρ", "r", "σ", "s", "ς", "s", "τ", "t", "υ", "y", "φ", "f", "χ", "ch", "ψ", "ps", "ω", "o",

	"а", "a", "б", "b", "в", "v", "г", "g", "д", "d", "е", "e", "ж", "zh", "з", "z", "и", "i", "к", "k", "л", "l", "м", "m", "н", "n",
	"о", "o", "п", "p", "р", "r", "с", "s", "т", "t", "у", "u", "ф", "f", "х", "kh", "ц", "ts", "ч", "ch", "ш", "sh", "щ", "shch",
	"ъ", "ie", "ы", "y", "ь", "", "э", "e", "ю", "iu", "я", "ia",
	"є", "ie", "і", "i", "ґ", "g", "ђ", "d", "ј", "j", "љ", "lj", "њ", "nj", "ћ", "c", "џ", "dz", "ѕ", "dz",
)
