package engine

import (
	"cmp"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/statement"
	"tallygate/engine/tally"
)

// How the amounts of statements are said.

// maxHead is the longest head of statements, in bytes.
const maxHead = 1000

func setCurrency(to *string, text *string) error {
	if text == nil {
		return nil
	}
	if *text == "" || strings.EqualFold(strings.TrimSpace(*text), "USD") {
		*to = ""
		return nil
	}
	m, err := statement.NewMoney(*text, "1", "")
	if err == nil {
		*to = m.Currency
	}
	return err
}

func setTax(to *int, tax *control.Percent) error {
	if tax == nil {
		return nil
	}
	if *tax < 0 || *tax > 10_000 {
		return tally.Errorf(tally.Invalid, "a tax of %s%% is none", *tax).WithHint("from 0 to 100, like 23")
	}
	*to = int(*tax)
	return nil
}

// moneyOf is how the amounts of statements are said.
func moneyOf(s *tally.Settings, in *control.StatementQuery) (statement.Money, error) {
	tax := control.Percent(s.TaxBasisPoints)
	if in.Tax != nil {
		if err := setTax(new(int), in.Tax); err != nil {
			return statement.Money{}, err
		}
		tax = *in.Tax
	}
	return statement.NewMoney(cmp.Or(in.Currency, s.Currency), in.Rate, tax.String())
}
