package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tallygate/engine/control"
	"tallygate/engine/tally"

	"github.com/spf13/cobra"
)

func (a *app) statusCommand() *cobra.Command {
	check := false
	return verb[control.None, control.Status]{
		op: control.EngineStatus, name: "status", group: groupSee,
		example: "  tallygate status --json\n  tallygate status --check",
		prepare: func(cmd *cobra.Command, _ *control.None) func() error {
			cmd.Flags().BoolVar(&check, "check", false, "say nothing unless requests cannot be served; for health checks of containers")
			return nil
		},
		absent: func(dir string) (*control.Status, error) {
			return &control.Status{
				PID: os.Getpid(), Version: a.version, Data: dir, Last24Hours: control.NewSums(&tally.Sums{}),
				Warnings: []control.Warning{control.NothingSetUp}}, nil
		},
		show: func(p *printer, in *control.None, s *control.Status) {
			if !check {
				showStatus(p, in, s)
			}
		},
		verdict: func(s *control.Status) error {
			if !s.Serving {
				return tally.Errorf(tally.Unavailable, "nothing serves %s", s.Data).WithHint("start it with tallygate serve")
			}
			for _, part := range s.Parts {
				if check && part.Essential && !part.OK {
					return tally.Errorf(tally.Unavailable, "requests cannot be served: %s", part.State).WithHint("%s", part.Next)
				}
			}
			return nil
		},
	}.command(a)
}

func showStatus(p *printer, _ *control.None, s *control.Status) {
	facts := []string{"serving", servingText(s)}
	if !s.MonthSince.IsZero() {
		facts = append(facts, monthName(s.MonthSince), spentText(&s.Month))
	}
	underWay := []string{spentText(&s.Last24Hours)}
	for _, x := range []struct {
		n    int64
		what string
	}{{int64(s.InFlight), "in flight"}, {int64(s.Waiting), "waiting for room"}, {int64(s.LeftBehind), "left behind"}, {s.Unknown, "with unknown credentials since the start"}} {
		if x.n > 0 {
			underWay = append(underWay, tally.Group(x.n)+" "+x.what)
		}
	}
	disk := ""
	if s.DiskBytes > 0 || s.FreeBytes > 0 {
		disk = size(s.DiskBytes) + " used, " + size(s.FreeBytes) + " free"
	}
	facts = append(facts,
		"last 24 hours", strings.Join(underWay, "; "),
		"providers", fmt.Sprintf("%d of %d can be asked, for %s", s.ProvidersReady, s.Providers, things(s.Models, "model")),
		"clients", things(s.Clients, "client")+" with "+things(s.Keys, "working key")+", at "+things(s.Gateways, "gateway"),
		"books", booksText(s), "disk", disk, "data", s.Data, "certificates", certificatesText(s.Certificates), "backups", backupsText(s.Backups), "nodes", nodesText(s.Nodes),
		"prices from", pricesText(&s.Prices), "countries from", countriesText(&s.Countries), "clock behind by", when(s.ClockLag > 0, s.ClockLag.String(), ""),
	)
	sign := control.Faint
	if s.Serving {
		sign = control.Good
	}
	p.signed(sign, facts...)
	p.warnings(s.Warnings)
	if s.AlertsOpen > 0 {
		p.say("\n%s: tallygate alerts list --open", things(s.AlertsOpen, "open alert"))
	}
}

// nodesText is how many nodes share the store: "3 live, 1 gone"; "" where there is one.
func nodesText(nodes []control.NodeView) string {
	counts := map[string]int{}
	for i := range nodes {
		counts[nodes[i].State]++
	}
	var out []string
	for _, state := range control.NodeStates {
		if n := counts[state]; n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(out, ", ")
}

func servingText(s *control.Status) string {
	if !s.Serving {
		return "no; tallygate " + s.Version
	}
	return s.BaseURL + ", process " + strconv.Itoa(s.PID) + ", up " + upText(time.Since(s.StartedAt)) + ", tallygate " + s.Version
}

// upText is how long something has run, by minutes once it is some.
func upText(d time.Duration) string {
	if d = max(d, 0); d < time.Minute {
		return control.FormatSpan(d.Truncate(time.Second))
	}
	return control.FormatSpan(d.Truncate(time.Minute))
}

// monthName is a month as people call it, if it is one of the calendar.
func monthName(since time.Time) string {
	// A gateway in another zone begins it some hours before or after midnight here.
	if noon := since.Add(12 * time.Hour).Local(); noon.Day() == 1 {
		return noon.Format("January")
	}
	return "since " + since.Local().Format("2 Jan")
}

// spentText is what requests have cost, and what became of them: "$2.38, 1,949 answered, 3 failed".
func spentText(s *control.Sums) string {
	out := s.CostNanoUSD.Display() + ", " + tally.Group(s.Requests-s.Errors) + " answered"
	if s.CreditsNanoUSD != s.CostNanoUSD {
		out += ", credits " + s.CreditsNanoUSD.Display() + ", margin " + (s.CreditsNanoUSD - s.CostNanoUSD).Display()
	}
	for _, x := range []struct {
		n    int64
		what string
	}{{s.Refused, "refused"}, {s.Errors, "failed"}} {
		if x.n > 0 {
			out += ", " + tally.Group(x.n) + " " + x.what
		}
	}
	return out
}

func things(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return tally.Group(int64(n)) + " " + what
}

// booksText is how many records there are, which went, and whether the latest check has
// proved them.
func booksText(s *control.Status) string {
	out := things(int(s.Records), "record")
	if s.Holds > 0 {
		out += ", " + things(s.Holds, "open hold")
	}
	if p := s.Pruned; p != nil && p.Going {
		out += ", those before " + p.Before.Format(time.DateOnly) + " are being removed"
	} else if p != nil {
		out += fmt.Sprintf(", %s before %s removed %s", tally.Group(int64(p.Records)), p.Before.Format(time.DateOnly), minute(p.At))
	}
	switch c := s.Checked; {
	case c == nil:
		return out + "; tallygate verify proves them"
	case c.Faults > 0:
		return fmt.Sprintf("✗ %s; %s found %s", out, things(c.Faults, "fault"), minute(c.At))
	default:
		return "✓ " + out + ", proved " + minute(c.At)
	}
}

// signed writes names and values below each other, with a sign before the first.
func (p *printer) signed(first control.Tone, pairs ...string) {
	widest := 0
	for i := 0; i < len(pairs); i += 2 {
		widest = max(widest, utf8.RuneCountInString(pairs[i]))
	}
	sign := p.paint(inks[first], first.Sign())
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		name := pairs[i] + strings.Repeat(" ", widest-utf8.RuneCountInString(pairs[i]))
		fmt.Fprintf(p, "%s %s  %s\n", sign, p.paint(inks[control.Faint], name), p.wrapped(pairs[i+1], widest+4))
		sign = " "
	}
}

// warnings writes what needs attention: each in a line with its details beside it where
// there is room, and the command that deals with it below.
func (p *printer) warnings(list []control.Warning) {
	if len(list) == 0 {
		return
	}
	p.section("NEEDS ATTENTION, " + strconv.Itoa(len(list)))
	widest := 0
	for i := range list {
		widest = max(widest, utf8.RuneCountInString(list[i].Sentence))
	}
	widest = min(widest, 44)
	for i := range list {
		w := &list[i]
		p.warning(w.Gravity, w.Sentence, joinWith(", ", w.Detail, w.When(time.Local)), w.Next, widest)
	}
}

// warning writes one of them, whose sentence is padded to a width.
func (p *printer) warning(gravity control.Tone, sentence, detail, next string, pad int) {
	sign := gravity.Sign()
	if gravity == control.Warn {
		sign = "!"
	}
	line := sign + " " + p.wrapped(clean(sentence), 2)
	if detail = clean(detail); detail != "" {
		gapped := strings.Repeat(" ", max(pad+2-utf8.RuneCountInString(line), 0)) + "  " + detail
		if p.width > 0 && utf8.RuneCountInString(line+gapped) > p.width {
			gapped = "\n  " + p.wrapped(detail, 2)
		}
		line += gapped
	}
	fmt.Fprintln(p, p.paint(inks[gravity], line))
	if next != "" {
		fmt.Fprintln(p, "  "+p.paint(command, clean(next))) // whole, so that it can be copied
	}
}

// wrapped breaks text between words where a terminal ends, and indents what follows.
func (p *printer) wrapped(text string, indent int) string {
	room := p.width - indent
	if p.width <= 0 || room < 20 {
		return text
	}
	var out strings.Builder
	used := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case used+1+n > room:
			out.WriteString("\n" + strings.Repeat(" ", indent))
			used = 0
		default:
			out.WriteString(" ")
			used++
		}
		out.WriteString(word)
		used += n
	}
	return out.String()
}

// joinWith joins the texts that are not empty.
func joinWith(by string, texts ...string) string {
	var out []string
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return strings.Join(out, by)
}

func countriesText(c *control.CountryDatabase) string {
	if c.Type == "" {
		return ""
	}
	return when(c.Path == "", "the built-in database", c.Path) + " of " + c.Built.Format(time.DateOnly)
}

func certificatesText(list []control.Certificate) string {
	var out []string
	for i := range list {
		c := &list[i]
		text := strings.Join(c.Names, ", ")
		if c.Problem != "" {
			text += ": " + c.Problem
		} else {
			text += " until " + minute(c.Until)
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func backupsText(b *control.Backups) string {
	switch {
	case b == nil:
		return ""
	case b.At.IsZero():
		return "none yet, each " + control.FormatSpan(b.Every) + " in " + b.Dir
	}
	return minute(b.At) + ", " + b.File + ", " + size(b.Bytes) + ", each " + control.FormatSpan(b.Every) + " in " + b.Dir
}

func pricesText(b *control.PriceBook) string {
	if b.AsOf == "" {
		return ""
	}
	return "the built-in book of " + b.AsOf + " (" + when(b.AgeDays == 1, "1 day", strconv.Itoa(b.AgeDays)+" days") + " old)"
}
