package engine

import (
	"context"
	"errors"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// listPatience bounds how long an upstream may take to list its models.
const listPatience = 20 * time.Second

// openProvider makes a provider that is not in the routes.
func (e *Engine) openProvider(p *tally.Provider, keys []string) (providers.Provider, error) {
	kind, ok := e.kinds[p.ProviderKind]
	if !ok {
		return nil, tally.Errorf(tally.Invalid, "kind %q is not built into this version", string(p.ProviderKind))
	}
	impl, err := kind.New(providers.Config{Provider: p, APIKeys: keys})
	if err != nil {
		return nil, tally.Errorf(tally.Invalid, "provider %q cannot be used: %w", p.Name, err).WithHint("%s", tally.AsError(err).Hint)
	}
	return impl, nil
}

// tryOut says what is wrong with a provider before it is stored. Without keys
// it is tried without any.
func (e *Engine) tryOut(p *tally.Provider, keys []string) error {
	impl, err := e.openProvider(p, keys)
	if err != nil {
		return err
	}
	return impl.Close()
}

// askModels asks an upstream what it offers, for a bounded time. It talks to
// the upstream by itself, so that a provider can be tried before it is stored
// and while it is switched off. The error is for the owner.
func (e *Engine) askModels(ctx context.Context, p *tally.Provider, keys []string) ([]providers.ModelInfo, *tally.Error) {
	impl, err := e.openProvider(p, keys)
	if err != nil {
		return nil, tally.AsError(err)
	}
	defer impl.Close() // it holds nothing but idle connections
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	models, err := impl.Models(ctx)
	if err != nil {
		return nil, upstreamError(p, err)
	}
	return models, nil
}

// askStored asks a provider as it is stored.
func (e *Engine) askStored(ctx context.Context, p *tally.Provider) ([]providers.ModelInfo, *tally.Error) {
	keys, err := e.providerKeys(p.ID)
	if err != nil {
		return nil, tally.AsError(err)
	}
	return e.askModels(ctx, p, keys)
}

// upstreamError puts an upstream's failure into words for the owner. What the
// upstream itself said is left out: some repeat the key.
func upstreamError(p *tally.Provider, err error) *tally.Error {
	up, ok := errors.AsType[*providers.UpstreamError](err)
	if !ok {
		return tally.Errorf(tally.Upstream, "provider %q failed: %w", p.Name, err)
	}
	say := func(format string, args ...any) *tally.Error {
		return tally.Errorf(tally.Upstream, "provider %q, asked for its models, "+format, append([]any{p.Name}, args...)...)
	}
	switch up.Fault {
	case providers.Unreachable:
		return say("cannot be reached at %s: %w", p.BaseURL, err).WithHint("is the address right, and is it running?")
	case providers.TimedOut, providers.Gone:
		return say("did not answer in time").WithHint("is the address %s right?", p.BaseURL)
	case providers.BadKey:
		return say("does not accept the API key (status %d)", up.Status).WithHint("give it another: tallygate providers update %s --api-key-stdin", tally.ShellWord(p.Name))
	case providers.OutOfQuota:
		return say("says that the account is used up (status %d)", up.Status).WithHint("add credit there")
	case providers.Busy:
		return say("has too much to do (status %d)", up.Status).WithHint("try again in a moment")
	case providers.NoFiles:
		return say("was not reached: %w", up.Err)
	case providers.Refused, providers.NotHere:
		return say("answered with status %d", up.Status).WithHint("%s/models must list the models; most addresses end in /v1", p.BaseURL)
	case providers.ServerError:
		return say("failed with status %d", up.Status).WithHint("try again later")
	}
	return say("gave an answer that is no list of models").WithHint("is the address %s right? most end in /v1", p.BaseURL)
}

// warningOf is an error that did not stop anything, with its next step.
func warningOf(err *tally.Error) string {
	if err.Hint == "" {
		return err.Message
	}
	return err.Message + "; " + err.Hint
}

func (e *Engine) testProvider(ctx context.Context, in control.Named) (control.ProviderTest, error) {
	p, err := findProvider(e.catalog.Load(), in.Name)
	if err != nil {
		return control.ProviderTest{}, err
	}
	begin := time.Now()
	models, failed := e.askStored(ctx, p)
	return tested(begin, models, failed), nil
}

// probeProvider asks an upstream that is not a provider yet, and stores
// nothing.
func (e *Engine) probeProvider(ctx context.Context, in control.CreateProvider) (control.ProviderTest, error) {
	draft, keys, err := e.newProvider(e.catalog.Load(), &in, e.clock())
	if err != nil {
		return control.ProviderTest{}, err
	}
	begin := time.Now()
	models, failed := e.askModels(ctx, draft, keys)
	return tested(begin, models, failed), nil
}

func tested(begin time.Time, models []providers.ModelInfo, failed *tally.Error) control.ProviderTest {
	out := control.ProviderTest{OK: failed == nil, Models: len(models), Latency: time.Since(begin)}
	if failed != nil {
		out.Message, out.Hint = failed.Message, failed.Hint
	}
	return out
}

// refreshModels imports what a provider offers now, or tells what that would
// change.
func (e *Engine) refreshModels(ctx context.Context, in control.ImportModels) (control.Imported, error) {
	p, err := findProvider(e.catalog.Load(), in.Provider)
	if err != nil {
		return control.Imported{}, err
	}
	offered, failed := e.askStored(ctx, p)
	if failed != nil {
		return control.Imported{}, failed
	}
	var report control.Imported
	err = e.change(ctx, func(c *tally.Catalog, now time.Time) (changes []tally.Change, err error) {
		if c.Provider(p.ID) == nil {
			return nil, tally.Errorf(tally.NotFound, "provider %q was deleted meanwhile", p.Name)
		}
		if err := checkChosen(c, p, &in.ChoosePrices); err != nil {
			return nil, err
		}
		if changes, report = e.importModels(c, p, offered, &in, now); in.DryRun {
			return nil, nil
		}
		return changes, nil
	})
	return report, err
}

func (e *Engine) listProviders(ctx context.Context, in control.Listing) ([]control.ProviderView, error) {
	c := e.catalog.Load()
	if in.Gateway != "" { // every gateway asks all of them, in the end
		if _, err := findGateway(c, in.Gateway); err != nil {
			return nil, err
		}
	}
	views, err := e.viewProviders(ctx, c, "", c.Providers)
	if err != nil {
		return nil, err
	}
	return control.Select(control.ProviderTable, views, in.Rows, commonCalendar(c, e.clock()))
}

func (e *Engine) showProvider(ctx context.Context, in control.Named) (control.ProviderView, error) {
	c := e.catalog.Load()
	p, err := findProvider(c, in.Name)
	if err != nil {
		return control.ProviderView{}, err
	}
	views, err := e.viewProviders(ctx, c, string(p.ID), []*tally.Provider{p})
	if err != nil {
		return control.ProviderView{}, err
	}
	return views[0], nil
}

// lastFailure is the latest attempt at a provider that failed, nil if none is known.
func (e *Engine) lastFailure(p *tally.Provider, now time.Time) *control.LastFailure {
	f, ok := e.gateway.LastFailure(p.ID)
	if !ok {
		return nil
	}
	if now.Sub(f.At) > tally.KeptDetails {
		f.Attempt.Detail = ""
	}
	return &control.LastFailure{At: f.At, Request: f.Request, AttemptView: control.NewAttemptView(&f.Attempt, p.Name)}
}

// viewProviders tells how providers stand; only is the ID of the one, if it is
// one.
func (e *Engine) viewProviders(ctx context.Context, c *tally.Catalog, only string, list []*tally.Provider) ([]control.ProviderView, error) {
	calendar := commonCalendar(c, e.clock())
	sums, err := e.spending(ctx, tally.ByProvider, only, calendar.Now, calendar)
	if err != nil {
		return nil, err
	}
	day, err := e.sumsBy(ctx, tally.ByProvider, only, 24*time.Hour, e.clock())
	if err != nil {
		return nil, err
	}
	failed, err := e.failures(ctx, only, e.clock())
	if err != nil {
		return nil, err
	}
	out := make([]control.ProviderView, 0, len(list))
	for _, p := range list {
		v := control.ProviderView{
			Provider: *p, Local: e.kinds[p.ProviderKind].Local, Last24Hours: day(string(p.ID)), Failures: failed[p.ID],
			Health: e.healthOf(c, p),
		}
		of := sums(calendar, string(p.ID))
		v.MonthSince, v.Month, v.Last30Days = of.since, of.month, of.last
		v.LastFailure = e.lastFailure(p, calendar.Now)
		for _, m := range c.Models {
			if m.Provider == p.ID {
				v.Models++
				v.Enabled = v.Enabled || m.Enabled
			}
		}
		out = append(out, v)
	}
	return out, nil
}
