package geo

// countries are the officially assigned codes of ISO 3166-1 alpha-2 and XK,
// which everybody uses for Kosovo, in order.
const countries = "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZ" +
	"CACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFR" +
	"GAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJP" +
	"KEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZ" +
	"NANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURW" +
	"SASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZ" +
	"UAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW"

// IsCountry reports whether code is a country that rules can name and look-ups
// can return: ISO 3166-1 alpha-2 in capitals, or XK.
func IsCountry(code string) bool { return len(code) == 2 && known([]byte(code)) == code }

// known returns a country's code as it is in the list, which costs no memory,
// and "" for anything else that files put there: continents (EU, AP), countries
// that are gone (AN, CS), proxies (A1).
func known(code []byte) string {
	if len(code) != 2 {
		return ""
	}
	a, b := code[0]&^0x20, code[1]&^0x20 // capitals
	if a == 'U' && b == 'K' {
		b, a = 'B', 'G' // common for the United Kingdom, and reserved for it
	}
	low, high := 0, len(countries)/2
	for low < high {
		mid := (low + high) / 2
		switch x, y := countries[2*mid], countries[2*mid+1]; {
		case x == a && y == b:
			return countries[2*mid : 2*mid+2]
		case x < a || x == a && y < b:
			low = mid + 1
		default:
			high = mid
		}
	}
	return ""
}
