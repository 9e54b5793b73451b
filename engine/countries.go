package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/geo"
	"tallygate/engine/tally"
)

// countriesEvery is how often the owner's country database is looked at.
const countriesEvery = time.Minute

// country tells where a visitor's address is, "" if it is not known.
func (e *Engine) country(ip netip.Addr) string {
	if db := e.countries.Load(); db != nil {
		return db.Country(ip)
	}
	return ""
}

// openCountries takes the owner's country database, or the one in the binary,
// into use. Where the owner's cannot be used, requests go on with the other and
// the status says so.
func (e *Engine) openCountries(path string) {
	if path == "" && e.opts.Countries == nil {
		e.countries.Store(nil)
		return
	}
	o := geo.Options{Embedded: e.opts.Countries, Path: path}
	err := json.Unmarshal([]byte(cmp.Or(string(e.opts.CountriesAbout), "{}")), &o.About)
	var db *geo.DB
	if err == nil {
		db, err = geo.Open(o)
	}
	if err != nil {
		e.log.Error("no country is known", "error", err)
		e.countries.Store(nil)
		return
	}
	if problem := db.Info().Problem; problem != nil {
		e.log.Warn("countries come from the built-in database", "error", problem)
	}
	e.countries.Store(db)
}

// checkCountryFile opens a database that the owner wants to use.
func checkCountryFile(path string) error {
	if path == "" {
		return nil
	}
	if _, err := geo.Open(geo.Options{Path: path}); err != nil {
		return tally.Errorf(tally.Invalid, "%w", err).WithHint("a GeoLite2 or DB-IP file, country or city, that ends in .mmdb; none goes back to the built-in one")
	}
	return nil
}

// reloadCountries takes up a new issue of the owner's database.
func (e *Engine) reloadCountries(context.Context) error {
	db := e.countries.Load()
	if db == nil {
		return nil
	}
	changed, err := db.Reload()
	if changed {
		info := db.Info()
		e.log.Info("the country database was read again", "path", info.Path, "type", info.Type, "built", info.Built.Format(time.DateOnly))
	}
	return err
}

// countryStatus describes the database in use.
func (e *Engine) countryStatus(now time.Time) control.CountryDatabase {
	db := e.countries.Load()
	if db == nil {
		return control.CountryDatabase{}
	}
	info := db.Info()
	out := control.CountryDatabase{Path: info.Path, Type: info.Type, Built: info.Built, Old: info.Old(now)}
	if info.Problem != nil {
		out.Problem = info.Problem.Error()
	}
	return out
}

// rulesCountries reports whether anybody goes by countries: a gateway, or an
// access token that was used lately.
func (e *Engine) rulesCountries(c *tally.Catalog) bool {
	for _, gw := range c.Gateways {
		if len(gw.AllowedCountries)+len(gw.BlockedCountries) > 0 {
			return true
		}
		for _, t := range e.verifier.Tokens(c, gw) {
			if len(t.AllowedCountries)+len(t.BlockedCountries) > 0 {
				return true
			}
		}
	}
	return false
}
