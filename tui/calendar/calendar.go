// Package calendar is the dialog of what each day has cost: a month by weeks, three months
// as a map of heat, and what the month under way comes to.
package calendar

import (
	"cmp"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// months is how many of them can be looked at, the one under way among them.
const months = 4

// Calendar is the dialog.
type Calendar struct {
	env    *screen.Env
	client string // slug of whose spend it is, "" for all
	name   string
	budget tally.NanoUSD // of a month, 0 for none
	usage  control.Usage // by day
	ahead  control.Forecast
	zone   *time.Location
	at     time.Time // noon of the day that is chosen
}

// Open reads what the days have cost, of a client by its slug or of all, and opens the
// dialog.
func Open(e *screen.Env, client, name string, budget tally.NanoUSD) tea.Cmd {
	now := e.Clock()
	first := time.Date(now.Year(), now.Month()-months+1, 1, 12, 0, 0, 0, time.UTC)
	in := control.UsageQuery{Client: client, Since: control.Since(first.Format("2006-01-02")), Every: control.Daily}
	return func() tea.Msg {
		out, err := screen.Run(screen.Patience, e, control.UsageShow, in)
		var ahead control.Forecast
		if err == nil {
			ahead, err = screen.Run(screen.Patience, e, control.ForecastShow, control.ForecastQuery{Client: client, MonthOnly: true})
		}
		return screen.Reply{Take: func() tea.Cmd {
			zone, wrong := time.LoadLocation(out.Zone)
			if err = cmp.Or(err, wrong); err != nil {
				return screen.Fail(err)
			}
			return screen.Ask(screen.Open{Dialog: &Calendar{env: e, client: client, name: name, budget: budget, usage: out, ahead: ahead, zone: zone, at: noon(e.Clock(), zone)}})
		}}
	}
}

func noon(at time.Time, zone *time.Location) time.Time {
	return part.Midnight(at, zone).Add(12 * time.Hour)
}

// Title implements screen.Dialog, as do the methods below.
func (c *Calendar) Title() string {
	return "Spend of " + cmp.Or(c.name, "all") + ", " + c.at.Format("January 2006")
}
func (c *Calendar) Typing() bool { return false }
func (c *Calendar) Esc() tea.Cmd { return screen.Ask(screen.Close{Dialog: c}) }

func (c *Calendar) Update(msg tea.Msg) tea.Cmd {
	key, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch key.String() {
	case "h":
		c.move(0, -1)
	case "l":
		c.move(0, 1)
	case "up", "k":
		c.move(0, -7)
	case "down", "j":
		c.move(0, 7)
	case "left":
		c.move(-1, 0)
	case "right":
		c.move(1, 0)
	case "C":
		return c.Esc()
	case "enter":
		filter := part.DayFilter(c.at)
		if c.client != "" {
			filter += " client:=" + c.client
		}
		return tea.Sequence(c.Esc(), screen.Ask(screen.Goto{Screen: "requests", Filter: filter}))
	}
	return nil
}

// move goes so many months and days on, within the days that are known.
func (c *Calendar) move(months, days int) {
	to := c.at.AddDate(0, 0, days)
	if months != 0 {
		first := c.at.AddDate(0, months, 1-c.at.Day())
		to = first.AddDate(0, 0, min(c.at.Day(), first.AddDate(0, 1, -1).Day())-1)
	}
	first, last := noon(c.usage.Since, c.zone), noon(c.env.Clock(), c.zone)
	switch {
	case to.Before(first):
		to = first
	case to.After(last):
		to = last
	}
	c.at = to
}

// Press implements screen.Pointed, as does Wheel: a day is chosen, and opened if it was.
func (c *Calendar) Press(s widget.Spot) (enter bool) {
	if s.What != widget.RowSpot {
		return false
	}
	was := c.at
	c.move(0, part.DaysBetween(c.at, c.usage.Since.In(c.zone), c.zone)+s.N)
	return c.at.Equal(was)
}

func (c *Calendar) Wheel(_ widget.Spot, _, notches int) { c.move(0, 7*notches) }
