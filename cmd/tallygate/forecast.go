package main

import (
	"time"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
)

func (a *app) forecastCommand() *cobra.Command {
	cmd := verb[control.ForecastQuery, control.Forecast]{
		op: control.ForecastShow, name: "forecast", group: groupSee, slow: "looking ahead",
		example: "  tallygate forecast\n  tallygate forecast hotel-aurora\n  tallygate forecast --month-only --json",
		show:    showForecast,
		write:   writes(control.ForecastTable, func(out *control.Forecast) []control.LimitForecast { return out.Limits }),
	}.command(a)
	cmd.Long = `Shows what each limit, and the month as a whole, is likely to come to, from the days of
the last four weeks: the likely figure, and from where to where it lies in four of five
cases. It is a guess about what was used before; nothing goes by it.

A limit runs out where the likely figure reaches it before it resets, and may run out
where only the high one does. Days of the week are told apart from three weeks on, if
they differ by more than chance. With less than a week of data, or fewer than three days
with usage, for windows shorter than a day, and where nothing is left, there is no
forecast. Days on which a limit was used up do not count: nobody knows what they would
have used. The month has what requests and entries come to, without the minimum of a
tariff. Of spikes that have never come yet no range knows.`
	return cmd
}

// showForecast writes what the month comes to, and below it the limits.
func showForecast(p *printer, _ *control.ForecastQuery, out *control.Forecast) {
	zone, err := time.LoadLocation(out.Zone)
	if err != nil {
		zone = time.UTC
	}
	p.say("month from %s to %s (%s), in four of five cases between from and to", out.Since.In(zone).Format(time.DateOnly),
		out.Until.Add(-time.Second).In(zone).Format(time.DateOnly), out.Zone)
	rows(p, control.MoneyForecastTable, out.Month, "")
	if len(out.Limits) > 0 {
		p.section("Limits")
		rows(p, control.ForecastTable, out.Limits, "")
	}
}
