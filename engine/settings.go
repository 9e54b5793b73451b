package engine

import (
	"context"
	"net/http"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (e *Engine) showSettings(context.Context, control.None) (tally.Settings, error) {
	return e.catalog.Load().Settings, nil
}

func (e *Engine) setSettings(ctx context.Context, in control.SettingsFields) (tally.Settings, error) {
	if reflect.ValueOf(in).IsZero() {
		return tally.Settings{}, tally.Errorf(tally.Invalid, "nothing to change was given").WithHint("see: tallygate settings set --help")
	}
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		s := storedSettings(c)
		if err := applySettings(&s, &in); err != nil {
			return nil, err
		}
		return []tally.Change{tally.Put(&s, now)}, nil
	})
	if err == nil {
		err = e.settingsChanged(ctx, in.DropWords != nil, in.CountryFile != nil)
	}
	return e.catalog.Load().Settings, err
}

// storedSettings are the settings as they are stored: a default that is filled in must stay
// free to change.
func storedSettings(c *tally.Catalog) tally.Settings {
	if old, ok := c.Entity(tally.KindSettings, tally.SettingsID).(*tally.Settings); ok {
		return *old
	}
	return tally.Settings{Meta: tally.Meta{ID: tally.SettingsID}}
}

// applySettings applies the owner's fields to the settings.
func applySettings(s *tally.Settings, in *control.SettingsFields) error {
	if in.CountryFile != nil {
		if *in.CountryFile == "none" {
			*in.CountryFile = ""
		}
		if path := *in.CountryFile; path != "" && !filepath.IsAbs(path) {
			return tally.Errorf(tally.Invalid, "the country file %q is not named from the root on", path).WithHint("give the whole path: the gateway may run in another folder than you")
		}
	}
	return firstError(
		set(&s.Unpriced, in.Unpriced, nil),
		set(&s.DefaultMaxOutput, in.DefaultMaxOutput, between[int64]("the default of output tokens", 0, maxOutputByRule)),
		set(&s.OnLeave, in.OnLeave, nil),
		setWait(&s.HoldWait, in.HoldWait),
		setWait(&s.VisitorWait, in.VisitorWait),
		setWait(&s.RetryFor, in.RetryFor),
		set(&s.VisitorMaxOutput, in.VisitorMaxOutput, between[int64]("the output of visitors", 1, maxOutputByRule)),
		set(&s.VisitorInFlight, in.VisitorInFlight, between("the requests of an address", 1, 10_000)),
		set(&s.RetentionDays, in.RetentionDays, between("the days to keep records", 0, maxRetention)),
		set(&s.RefusedDays, in.RefusedDays, between("the days to keep refusals", 0, maxRetention)),
		set(&s.VisitorDays, in.VisitorDays, between("the days to keep records of visitors", 0, maxRetention)),
		set(&s.DropWords, in.DropWords, nil),
		setList(&s.TrustedProxies, in.TrustedProxies, checkProxies),
		setHeader(&s.TrustedHeader, in.TrustedHeader),
		set(&s.CountryFile, in.CountryFile, checkCountryFile),
		set(&s.Head, in.StatementHead, optional("head of statements", maxHead, true)),
		setCurrency(&s.Currency, in.Currency),
		setTax(&s.TaxBasisPoints, in.TaxPercent),
	)
}

// settingsChanged does what settings are to do at once, of those that were set.
func (e *Engine) settingsChanged(ctx context.Context, words, countries bool) error {
	s := e.catalog.Load().Settings
	if countries {
		e.openCountries(s.CountryFile)
	}
	if !words || !s.DropWords {
		return nil
	}
	e.gateway.ForgetWords()
	return e.store.Forget(ctx, e.clock().AddDate(0, 0, 2)) // all of it, also what will be settled today
}

// longestWait bounds how long requests may be let wait: clients give up after a
// minute or two.
const longestWait = 5 * time.Minute

func setWait(to **time.Duration, wait *time.Duration) error {
	if wait == nil {
		return nil
	}
	if *wait < 0 || *wait > longestWait {
		return tally.Errorf(tally.Invalid, "requests may wait, or be tried again, from 0s to %s, not %s",
			control.FormatSpan(longestWait), control.FormatSpan(*wait)).
			WithHint("clients give up after a minute or two: the defaults are seconds")
	}
	*to = wait
	return nil
}

// setHeader takes the name of a header, in its canonical form.
func setHeader(to *string, name *string) error {
	if name == nil {
		return nil
	}
	text := strings.TrimSpace(*name)
	if text == "none" {
		text = ""
	}
	if strings.Trim(text, headerLetters) != "" || len(text) > 100 {
		return tally.Errorf(tally.Invalid, "%.100q is not the name of a header", text).WithHint("like X-Forwarded-For, X-Real-IP or CF-Connecting-IP; none: any of the usual")
	}
	*to = http.CanonicalHeaderKey(text)
	return nil
}

const headerLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// checkProxies writes proxies as networks, each once.
func checkProxies(list []string) ([]string, error) {
	var out []string
	for _, text := range list {
		text = strings.TrimSpace(text)
		p, err := netip.ParsePrefix(text)
		if ip, bare := netip.ParseAddr(text); bare == nil && ip.Zone() == "" {
			p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		switch {
		case err != nil || p.Addr().Is4In6():
			return nil, tally.Errorf(tally.Invalid, "%q is not an address or a network", text).WithHint("like 127.0.0.1, 10.0.0.0/8 or 2001:db8::/32")
		case p.Bits() == 0:
			return nil, tally.Errorf(tally.Invalid, "%s is everybody: then anybody could claim any address", text).WithHint("name the addresses of your reverse proxy")
		case p.Masked() != p:
			return nil, tally.Errorf(tally.Invalid, "%s is an address within a network", text).WithHint("the network is %s, the address alone %s", p.Masked(), p.Addr())
		}
		if !slices.Contains(out, p.String()) {
			out = append(out, p.String())
		}
	}
	if len(out) > maxListed {
		return nil, tally.Errorf(tally.Invalid, "there are more than %d proxies", maxListed)
	}
	return out, nil
}
