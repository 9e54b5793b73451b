package dialog

import (
	"fmt"
	"slices"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Imported tells what an import of models or of prices did.
func Imported(heading string, r control.Imported) screen.Dialog {
	return &Note{Heading: heading, Lines: func(t *theme.Theme) []string {
		var out []string
		if r.Warning != "" {
			out = append(out, t.Paint(theme.Warn, t.Glyphs.Alert+" "+widget.Safe(r.Warning)), "")
		}
		switch {
		case r.Provider == "": // prices alone
			out = append(out, t.Paint(theme.OK, t.Glyphs.Good)+fmt.Sprintf(" It has %s; %d are here.", part.Plural(int64(r.Offered), "model"), r.Matched))
		case r.Offered > 0 || r.Warning == "":
			out = append(out, t.Paint(theme.OK, t.Glyphs.Good)+fmt.Sprintf(" It lists %s; %d are new here, %d of them with a price.", part.Plural(int64(r.Offered), "model"), r.Added, r.Priced))
		default:
			out = append(out, "It is stored. e mends address and key, T tests again, i imports its models then.")
		}
		if len(r.Unpriced) > 0 {
			out = append(out, "", "Without a price, so requests for them are refused until p in Models gives them one:", widget.Safe(strings.Join(r.Unpriced, ", ")))
		}
		return append(out, importedPrices(t, &r)...)
	}}
}

// importedPrices tells how many prices an import has changed or refused; which is
// for the command line, where there is room.
func importedPrices(t *theme.Theme, r *control.Imported) (out []string) {
	var changed []string
	for _, c := range r.Changes {
		if c.Applied && !slices.Contains(changed, c.Model) {
			changed = append(changed, c.Model)
		}
	}
	if len(changed) > 0 {
		out = append(out, "", fmt.Sprintf("New prices from now on for %s: what was charged before stays.", part.Plural(int64(len(changed)), "model")))
	}
	if len(r.Missing) > 0 {
		out = append(out, "", fmt.Sprintf("It no longer lists %s that it had.", part.Plural(int64(len(r.Missing)), "model")))
	}
	if len(r.Refused) > 0 {
		again := "tallygate models import " + tally.ShellWord(r.Provider)
		if r.Provider == "" {
			again = "tallygate prices import book"
		}
		out = append(out, "", t.Paint(theme.Warn, t.Glyphs.Alert+" "+fmt.Sprintf("The prices of %s were refused: they look wrong, or you have set others.", part.Plural(int64(len(r.Refused)), "model"))),
			"What they are, and how to take them: "+again)
	}
	return out
}
