package engine

import (
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Months begin by the gateway's zone and its day of the cycle, to the second, in lists
// as in usage; and credits less cost are the margin.
func TestMonths(t *testing.T) {
	w := newWorld(t)
	do(w, control.EngineSetup, control.Setup{TimeZone: "Asia/Kathmandu"}) // 5:45 ahead
	gw := w.engine.catalog.Load().Gateways[0]
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: gw.Slug, GatewayFields: control.GatewayFields{CycleDay: to(15)}})
	cl, key := w.client("Aurora")
	kathmandu, err := time.LoadLocation("Asia/Kathmandu")
	if err != nil {
		t.Fatal(err)
	}
	m := do(w, control.ModelsShow, control.PickModel{Model: "sim-small"})
	spend := func(at time.Time, cost, credits tally.NanoUSD) {
		w.wait(at.Sub(w.clock()))
		w.settled(1, func(r *tally.Record) {
			r.Gateway, r.Client, r.Key, r.Provider, r.Model, r.Cost, r.Credits = gw.ID, cl.ID, key.ID, m.Provider, m.Name, cost, credits
		})
	}
	begins := time.Date(2026, 12, 15, 0, 0, 0, 0, kathmandu)
	spend(begins.AddDate(0, -1, 0).Add(-time.Second+30*24*time.Hour), 1, 2) // 14 Dec
	spend(begins.Add(-time.Second), 10, 20)
	spend(begins, 100, 150)
	spend(begins.Add(time.Hour), 1000, 1600)

	v := do(w, control.ClientsShow, control.Named{Name: cl.Slug})
	if v.Month.CostNanoUSD != 1100 || v.Month.Margin() != 650 || !v.MonthSince.Equal(begins) || v.Last30Days.CostNanoUSD != 1111 {
		t.Errorf("the client: %+v since %v", v.Month, v.MonthSince)
	}
	cells := map[string]string{"cost": "1100", "credits": "1750", "margin": "650", "cost_30d": "1111"}
	for name, want := range cells {
		if got := control.ClientTable.Column(name).Get(&v).Raw(); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	k, g := do(w, control.KeysList, control.ListKeys{Client: cl.Slug})[0], do(w, control.GatewaysShow, control.Named{Name: gw.Slug})
	m = do(w, control.ModelsShow, control.PickModel{Model: "sim-small"})
	if k.Month != v.Month || g.Month != v.Month || m.Month != v.Month {
		t.Errorf("key %+v\ngateway %+v\nmodel %+v\nwant %+v", k.Month, g.Month, m.Month, v.Month)
	}
	for month, want := range map[control.Month]tally.NanoUSD{"this": 1100, "last": 11, "2026-11": 11, "2026-12": 1100} {
		u := do(w, control.UsageShow, control.UsageQuery{By: "client", Month: month})
		if u.Total.CostNanoUSD != want || len(u.Rows) != 1 || u.Rows[0].CostNanoUSD != want {
			t.Errorf("usage of month %s: %v, %+v; want %v", month, u.Total.CostNanoUSD, u.Rows, want)
		}
		if row := u.Rows[0]; control.UsageTable.Column("margin").Get(&row).N != int64(row.CreditsNanoUSD-row.CostNanoUSD) {
			t.Errorf("margin of %+v", row)
		}
	}
}
