package statement

import (
	"math"
	"math/big"
	"strings"

	"tallygate/engine/tally"
)

// Money is how amounts are said: in a currency, by a rate that holds for this statement
// alone, with or without a tax.
type Money struct {
	Currency string `json:"currency"`              // ISO 4217, like EUR
	Rate     string `json:"rate,omitempty"`        // of it for a US dollar, a decimal number; "" for USD
	Tax      string `json:"tax_percent,omitempty"` // like 23; "" for none
}

// Due is what is to be paid, in the smallest unit of the currency.
type Due struct {
	Net int64 `json:"net_minor"`
	// Covered is what of that was paid in advance.
	Covered int64 `json:"covered_minor,omitempty"`
	Tax     int64 `json:"tax_minor"`
	Gross   int64 `json:"gross_minor"`
	// Digits is how many decimals the currency has.
	Digits int `json:"digits"`
}

// digits is how many decimals a currency has where they are not two, by ISO 4217.
var digits = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "VND": 0, "VUV": 0,
	"XAF": 0, "XOF": 0, "XPF": 0, "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

// NewMoney checks how amounts are to be said. The currency is USD if it is left out; any
// other needs a rate.
func NewMoney(currency, rate, tax string) (m Money, err error) {
	m = Money{strings.ToUpper(strings.TrimSpace(currency)), strings.TrimSpace(rate), strings.TrimSpace(tax)}
	if m.Currency == "" {
		m.Currency = "USD"
	}
	if len(m.Currency) != 3 || strings.Trim(m.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return m, tally.Errorf(tally.Invalid, "%.20q is not a currency", currency).WithHint("three letters, like EUR")
	}
	switch {
	case m.Currency == "USD" && m.Rate != "":
		return m, tally.Errorf(tally.Invalid, "amounts are in US dollars, so there is no rate").WithHint("--currency EUR --rate 0.86")
	case m.Currency != "USD" && m.Rate == "":
		return m, tally.Errorf(tally.Invalid, "a statement in %s needs a rate: what a US dollar comes to", m.Currency).
			WithHint("--rate 0.86; it stands on the statement, and changes no other")
	case m.Rate != "":
		n, err := tally.ParseUSD(m.Rate)
		if err != nil || n <= 0 {
			return m, tally.Errorf(tally.Invalid, "%.40q is not a rate", rate).WithHint("what a US dollar comes to, like 0.86")
		}
		m.Rate = n.String()
	}
	if m.Tax == "0" {
		m.Tax = ""
	}
	if m.Tax != "" {
		n, err := tally.ParseUSD(m.Tax)
		if err != nil || n > 100*tally.Dollar || n%(tally.Dollar/100) != 0 {
			return m, tally.Errorf(tally.Invalid, "%.40q is not a tax", tax).WithHint("a percentage with at most two decimals, like 23")
		}
		m.Tax = strings.TrimSuffix(n.String(), ".00")
	}
	return m, nil
}

func (m Money) digits() int {
	if n, known := digits[m.Currency]; known {
		return n
	}
	return 2
}

// scaled is the amount in the smallest unit, as a fraction of scale.
func (m Money) scaled(n tally.NanoUSD) (of, scale *big.Int) {
	of, scale = big.NewInt(int64(n)), big.NewInt(int64(tally.Dollar))
	if m.Rate != "" {
		rate, _ := tally.ParseUSD(m.Rate) // it was checked
		of.Mul(of, big.NewInt(int64(rate)))
		scale = new(big.Int).Mul(scale, big.NewInt(int64(tally.Dollar)))
	}
	for range m.digits() {
		of.Mul(of, big.NewInt(10))
	}
	return of, scale
}

// minor is the amount in the smallest unit of the currency, a half rounded up.
func (m Money) minor(n tally.NanoUSD) (int64, error) {
	of, scale := m.scaled(n)
	of.Mul(of, big.NewInt(2)).Add(of, scale)
	of.Div(of, new(big.Int).Mul(scale, big.NewInt(2))) // Euclidean, so down for a positive scale
	if !of.IsInt64() {
		return 0, tally.Errorf(tally.Invalid, "the statement is of more %s than can be counted", m.Currency).WithHint("look at the rate")
	}
	return of.Int64(), nil
}

// due is what is to be paid of a total, of which a part was paid in advance.
func (m Money) due(total, covered tally.NanoUSD) (d Due, err error) {
	if d.Net, err = m.minor(total); err != nil {
		return d, err
	}
	if d.Covered, err = m.minor(covered); err != nil {
		return d, err
	}
	d.Digits = m.digits()
	left := d.Net - d.Covered
	if m.Tax != "" {
		percent, _ := tally.ParseUSD(m.Tax) // it was checked
		tax := new(big.Int).Mul(big.NewInt(left), big.NewInt(int64(percent)))
		half := big.NewInt(50 * int64(tally.Dollar))
		tax.Add(tax, half).Div(tax, new(big.Int).Add(half, half))
		d.Tax = tax.Int64()
	}
	d.Gross = tally.AddSat(left, d.Tax)
	return d, nil
}

// shares are amounts in the smallest unit so that they add up to what their sum is shown as:
// each is rounded down, and what is missing goes to the largest remainders.
func (m Money) shares(amounts []tally.NanoUSD, sum int64) []int64 {
	type rest struct {
		at   int
		left *big.Int
	}
	out, rests := make([]int64, len(amounts)), make([]rest, len(amounts))
	missing := sum
	for i, n := range amounts {
		of, scale := m.scaled(n)
		whole, left := new(big.Int).DivMod(of, scale, new(big.Int))
		out[i], rests[i] = whole.Int64(), rest{i, left}
		missing -= out[i]
	}
	tally.OrderStable(rests, func(a, b rest) int { return b.left.Cmp(a.left) })
	for i := range rests {
		if int64(i) < missing {
			out[rests[i].at]++
		}
	}
	return out
}

// amount writes an amount in the smallest unit: "1,234.50".
func (d Due) amount(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	unit := int64(1)
	for range d.Digits {
		unit *= 10
	}
	text := tally.Group(n / unit)
	if d.Digits > 0 {
		frac := big.NewInt(unit + n%unit).String() // a 1 and the decimals
		text += "." + frac[1:]
	}
	return sign + text
}

// Billionths is an amount in the smallest unit in billionths of the currency, held at the
// ends of what can be counted.
func (d Due) Billionths(n int64) tally.NanoUSD {
	for range 9 - d.Digits {
		switch {
		case n > math.MaxInt64/10:
			return math.MaxInt64
		case n < math.MinInt64/10:
			return math.MinInt64
		}
		n *= 10
	}
	return tally.NanoUSD(n)
}
