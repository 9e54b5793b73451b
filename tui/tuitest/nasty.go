package tuitest

import (
	"fmt"
	"strings"
	"time"
)

// Nasty are texts that users may put into names, and that must not reach a
// terminal as they are.
var Nasty = []string{
	"\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b]52;c;ZXZpbA==\x07", "a\rb", "two\nlines", "tab\there", "nul\x00byte", "\u202eright to left\u202c",
	"\u200bzero\u200dwidth\ufeff", "👩‍👩‍👧‍👦 family", "👍🏽 thumb", "❤️ heart", "🇵🇹 flag", "株式会社テスト", "مرحبا بالعالم", "שלום", "e\u0301\u0302\u0303\u0304\u0305zalgo",
	"\u0e01\u0e33\u0e49", "क्षि", "\u009b31mC1", "\x9bbytes\xff", "\U000e0041tag", "ｆｕｌｌ", "\u2028line\u2029", "%s%d%!v(MISSING)", strings.Repeat("w", 200), strings.Repeat("宽", 66),
}

// Hostile is Full with names made by somebody who means harm.
func Hostile(clock func() time.Time) *World {
	w := Full(clock)
	n := 0
	next := func() string {
		n++
		return Nasty[n%len(Nasty)]
	}
	w.rename(next)
	for _, n := range Nasty {
		c := w.addClient(w.gateways[0], n, "cost=50/month", time.Hour)
		c.Name, c.Slug, c.Email, c.Company, c.Phone, c.Note = n, n, n, n, n, n
		c.Models, c.Origins = []string{n}, []string{n}
		c.LimitStates[0].Name, c.LimitStates[0].Period = n, n
		w.addKey(c, n, time.Hour)
	}
	w.status.Warnings = Nasty
	w.settleTraffic(40)
	for i := range w.events {
		if r := w.events[i].Record; r != nil {
			r.Model, r.Upstream, r.Code, r.Session, r.Country, r.Origin, r.Endpoint = next(), next(), next(), next(), next(), next(), next()
			w.records[r.Seq-1] = *r
		}
	}
	return w
}

// Long is Full with names as long as the engine allows.
func Long(clock func() time.Time) *World {
	w := Full(clock)
	n := 0
	w.rename(func() string {
		n++
		return fmt.Sprintf("a-very-long-name-%d-%s", n, strings.Repeat("that-goes-on-and-", 10))
	})
	return w
}

// rename gives everything that has a name a new one.
func (w *World) rename(name func() string) {
	for _, g := range w.gateways {
		g.Name, g.Slug, g.PublicURL, g.TimeZone, g.DefaultModel = name(), name(), name(), name(), name()
		g.Origins, g.Aliases, g.Models = []string{name()}, map[string]string{name(): name()}, []string{name()}
		for i := range g.ProviderNames {
			g.ProviderNames[i] = name()
		}
	}
	for _, p := range w.providers {
		p.Name, p.BaseURL, p.KeyHints = name(), name(), []string{name()}
	}
	for _, m := range w.models {
		m.Name, m.Upstream, m.ProviderName, m.Mode = name(), name(), name(), name()
		for i := range m.Prices {
			m.Prices[i].Source = name()
		}
	}
	for _, c := range w.clients {
		c.Name, c.Slug, c.Email, c.Company, c.GatewaySlug = name(), name(), name(), name(), name()
	}
	for _, k := range w.keys {
		k.Label, k.ClientSlug, k.Masked = name(), name(), name()
	}
}
