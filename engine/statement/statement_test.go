package statement

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

func sample(t testing.TB, m Money) Statement {
	t.Helper()
	s, err := Make(Statement{
		Issuer: []string{"Acme Agency GmbH", "DE123456789"},
		Client: Party{ID: "cl_1", Slug: "hotel-aurora", Name: "Hotel <Aurora> | \x1b[31m", Email: "it@aurora.example"},
		Period: Period{Name: "2026-11", First: "2026-11-01", Last: "2026-11-30", Zone: "Europe/Lisbon",
			From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
		Models: []Usage{{"gpt-mini", 1234, 5_000_000, 300_000, 333_333_333}, {"gpt-large", 1, 10, 2, 333_333_333}, {"other", 1, 1, 1, 333_333_334}},
		Keys:   []Usage{{"bot", 1236, 5_000_011, 300_003, 1_000_000_000}},
		Entries: []Entry{{"en_1", "2026-11-03", tally.Adjustment, "", "outage", "", -250_000_000},
			{"en_2", "2026-11-02", tally.Fee, "", "set-up", "invoice 7", 20 * tally.Dollar}},
		Used: 1_000_000_000, Minimum: 50 * tally.Dollar,
		Prepaid: &Prepaid{Before: tally.Dollar, Paid: 2 * tally.Dollar, Charged: tally.Dollar, After: 2 * tally.Dollar},
		Open:    &Open{1, 40_000_000},
	}, m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestText(t *testing.T) {
	m, err := NewMoney("eur", "0.860", "23")
	if err != nil {
		t.Fatal(err)
	}
	s := sample(t, m)
	var out strings.Builder
	s.Write(&out, Text)
	const want = `                                                              Acme Agency GmbH
                                                                   DE123456789
Statement so far
Hotel <Aurora> | \uFFFD[31m
it@aurora.example
2026-11-01 to 2026-11-30, Europe/Lisbon

By model                        requests        input     output           EUR
other                                  1            1          1          0.29
gpt-large                              1           10          2          0.29
gpt-mini                           1,234    5,000,000    300,000          0.28

By key                          requests        input     output           EUR
bot                                1,236    5,000,011    300,003          0.86

Beside requests                                                            EUR
2026-11-02 fee, set-up, invoice 7                                        17.20
2026-11-03 adjustment, outage                                            -0.21

minimum of $50.00                                            EUR         25.15
total                                                        EUR         43.00
paid in advance                                              EUR        -17.85
tax 23%                                                      EUR          5.78
to be paid                                                   EUR         30.93

1 USD is 0.86 EUR. In US dollars the total is $50.00.

In advance, in US dollars: $1.00 before, $2.00 paid, $1.00 charged, $2.00 left.

1 more request is being answered, of at most $0.04.
`
	if got := out.String(); got != strings.ReplaceAll(want, `\uFFFD`, "\uFFFD") {
		t.Errorf("got\n%s", got)
	}
	out.Reset()
	s.Write(&out, HTML)
	if page := out.String(); !strings.Contains(page, "Hotel &lt;Aurora&gt;") || strings.Contains(page, "\x1b") || strings.Contains(page, "<script") {
		t.Errorf("the page says %s", page)
	}
	out.Reset()
	s.Write(&out, Markdown)
	if text := out.String(); !strings.Contains(text, `Hotel &lt;Aurora> \|`) {
		t.Errorf("markdown: %s", text)
	}
}

// What is kept of a statement is the same when it is read and written again.
func TestKept(t *testing.T) {
	s := sample(t, Money{Currency: "USD"})
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if twice, _ := again.Text(); twice != text || Digest(twice) != Digest(text) {
		t.Errorf("%s, and again %s", text, twice)
	}
	if _, err := Read(strings.Replace(text, `"version":1`, `"version":2`, 1)); err == nil {
		t.Error("one of another version is read")
	}
}

func TestMoney(t *testing.T) {
	for _, bad := range [][3]string{{"euro", "", ""}, {"EUR", "", ""}, {"EUR", "0", ""}, {"EUR", "x", ""}, {"EUR", "-1", ""}, {"", "0.8", ""}, {"USD", "1", ""},
		{"", "", "101"}, {"", "", "5.123"}, {"", "", "x"}, {"E R", "1", ""}} {
		if _, err := NewMoney(bad[0], bad[1], bad[2]); tally.CodeOf(err) != tally.Invalid || tally.AsError(err).Hint == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, tc := range []struct {
		money [3]string
		total tally.NanoUSD
		want  string
	}{
		{[3]string{"", "", ""}, 5_000_000, "USD 0.01"}, {[3]string{"", "", ""}, 4_999_999, "USD 0.00"}, {[3]string{"", "", ""}, -5_000_001, "USD -0.01"},
		{[3]string{"", "", ""}, 1_234_567 * tally.Dollar, "USD 1,234,567.00"}, {[3]string{"jpy", "150.5", ""}, tally.Dollar, "JPY 151"},
		{[3]string{"KWD", "0.3075", ""}, tally.Dollar, "KWD 0.308"}, {[3]string{"", "", "19"}, 100 * tally.Dollar, "USD 119.00"},
		{[3]string{"", "", "7.5"}, 10 * tally.Dollar, "USD 10.75"},
	} {
		m, err := NewMoney(tc.money[0], tc.money[1], tc.money[2])
		if err != nil {
			t.Fatal(err)
		}
		s, err := Make(Statement{Used: tc.total, Models: []Usage{{Name: "m", Credits: tc.total}}}, m)
		if got := s.Owed(); err != nil || got != tc.want {
			t.Errorf("%v of %d: %s, %v; want %s", tc.money, tc.total, got, err, tc.want)
		}
	}
	if _, err := Make(Statement{Used: 1 << 62}, Money{Currency: "EUR", Rate: "99999999"}); tally.CodeOf(err) != tally.Invalid {
		t.Errorf("more than can be counted: %v", err)
	}
}

// Lines that are shown add up to what is shown below them, and none is off by a unit.
func TestLinesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Money{Currency: rapid.SampledFrom([]string{"USD", "EUR", "JPY", "KWD"}).Draw(t, "currency")}
		if m.Currency != "USD" {
			m.Rate = rapid.SampledFrom([]string{"0.86", "150.123456789", "0.000000001", "1"}).Draw(t, "rate")
		}
		amount := rapid.Custom(func(t *rapid.T) tally.NanoUSD {
			return tally.NanoUSD(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "amount") >> rapid.IntRange(0, 40).Draw(t, "small"))
		})
		var s Statement
		for _, n := range rapid.SliceOfN(amount, 0, 9).Draw(t, "models") {
			s.Models, s.Used = append(s.Models, Usage{Credits: n}), s.Used+n
		}
		s.Keys = []Usage{{Name: "all", Credits: s.Used}}
		for _, n := range rapid.SliceOfN(amount, 0, 9).Draw(t, "entries") {
			s.Entries = append(s.Entries, Entry{Credits: n})
		}
		s.Minimum = max(0, amount.Draw(t, "minimum"))
		s, err := Make(s, m)
		if err != nil {
			t.Fatal(err)
		}
		sums := map[string]*big.Int{}
		for _, l := range s.Lines() {
			shown, ok := new(big.Int).SetString(strings.NewReplacer(",", "", ".", "").Replace(l.Amount), 10)
			if !ok {
				t.Fatalf("%q is no amount", l.Amount)
			}
			if sums[l.Part] == nil {
				sums[l.Part] = new(big.Int)
			}
			sums[l.Part].Add(sums[l.Part], shown)
			of, scale := m.scaled(l.Exact)
			off := new(big.Int).Sub(new(big.Int).Mul(shown, scale), of)
			if bound := new(big.Int).Mul(scale, big.NewInt(2)); l.Part != "key" && off.CmpAbs(bound) >= 0 {
				t.Errorf("%+v is off by more than is rounded", l)
			}
		}
		of := func(parts ...string) int64 {
			out := int64(0)
			for _, p := range parts {
				if sums[p] != nil {
					out += sums[p].Int64()
				}
			}
			return out
		}
		if net := of("net"); of("key", "entry", "minimum") != net || len(s.Models) > 0 && of("model", "entry", "minimum") != net || s.Due.Net != net {
			t.Errorf("%d by key, %d by model, %d beside, %d in all", of("key"), of("model"), of("entry", "minimum"), net)
		}
	})
}
