package main

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) templateCommands() *cobra.Command {
	show := func(p *printer, v *control.TemplateView) {
		thing(p, control.TemplateTable, v, control.None{})
	}
	return family(groupOwn, "templates", "what gateways put around the words of a page's visitor",
		list(verb[control.Listing, []control.TemplateView]{
			op:      control.TemplatesList,
			example: "  tallygate templates list --gateway my-site",
		}, control.TemplateTable).command(a),
		verb[control.PickTemplate, control.TemplateView]{
			op:      control.TemplatesShow,
			example: "  tallygate templates show product-questions --gateway my-site",
			show: func(p *printer, _ *control.PickTemplate, out *control.TemplateView) {
				show(p, out)
				p.section("System text")
				sayLines(p, out.System)
			},
		}.command(a),
		a.setTemplateCommand(),
		verb[control.PickTemplate, control.None]{
			op:      control.TemplatesDelete,
			example: "  tallygate templates delete product-questions --gateway my-site",
			show: func(p *printer, in *control.PickTemplate, _ *control.None) {
				p.say("deleted template %s", in.Name)
			},
		}.command(a),
	)
}

// sayLines writes a text of several lines.
func sayLines(p *printer, text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		p.say("%s", line)
	}
}

func (a *app) setTemplateCommand() *cobra.Command {
	var file string
	return verb[control.SetTemplate, control.TemplateView]{
		op: control.TemplatesSet,
		example: "  tallygate templates set product-questions --gateway my-site --system-file prompt.txt --max-output 500\n" +
			"  echo \"Answer in one sentence.\" | tallygate templates set short --system-file -",
		prepare: func(cmd *cobra.Command, in *control.SetTemplate) func() error {
			cmd.Flags().StringVar(&file, "system-file", "", "`FILE` with the system text; - is standard input")
			cmd.MarkFlagFilename("system-file")
			return func() error {
				switch {
				case file == "":
					return nil
				case in.System != nil:
					return wrongUse(cmd, "give --system or --system-file, not both")
				}
				text, err := a.systemText(file)
				if err != nil {
					return err
				}
				in.System = &text
				return nil
			}
		},
		show: func(p *printer, _ *control.SetTemplate, out *control.TemplateView) {
			p.say("set template %s of gateway %s: %s of system text", out.Name, out.Gateway, countOf(out.Bytes, "byte", "bytes"))
		},
	}.command(a)
}

// systemText reads a text of a file, or of standard input, without the ends of lines that
// end it.
func (a *app) systemText(file string) (string, error) {
	from := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", tally.Errorf(tally.Invalid, "read the system text: %w", err)
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, tally.MaxTemplateBytes+2))
	if err != nil {
		return "", tally.Errorf(tally.Invalid, "read the system text: %w", err)
	}
	return strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), nil
}
