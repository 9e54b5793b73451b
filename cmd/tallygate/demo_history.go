package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/assets"
	"tallygate/engine"
	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
)

// demo is a demo that runs.
type demo struct {
	*agency
	dir string
	log *slog.Logger

	gateways  map[string]*tally.Gateway
	providers map[string]tally.ID
	made      []demoAccount // of the clients, in their order

	traffic  traffic
	visitors visitors
}

// demoAccount is a client of the demo as the engine made it.
type demoAccount struct {
	tally.Client
	keys   []tally.ID
	secret []string // the keys themselves
}

// fill makes the store of the demo. An engine whose clock stands at the
// beginning makes the entities, as an owner would; the history then goes
// through the port of the store, where it passes the same limits as live
// requests. Nobody follows along meanwhile, so that the first second of the
// interface is not a season.
func (d *demo) fill(ctx context.Context) (err error) {
	if err := d.price(); err != nil {
		return err
	}
	history := d.history()
	store, err := badgerdb.Open(ctx, badgerdb.Options{Dir: filepath.Join(d.dir, storeFolder), Profile: badgerdb.Desktop, Durability: badgerdb.Normal, Logger: d.log, Version: programVersion()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	began := time.Now()
	if err := d.setUp(ctx, store, d.budgets(history)); err != nil {
		return err
	}
	if err := d.write(ctx, store, history); err != nil {
		return err
	}
	d.log.Info("the demo is filled", "requests", len(history), "took", time.Since(began))
	return nil
}

// setUp makes gateways, providers, models, clients and keys.
func (d *demo) setUp(ctx context.Context, store storage.Store, budgets []tally.NanoUSD) error {
	e, err := engine.New(ctx, engine.Options{
		Store: store, Kinds: kinds(), PriceBook: assets.Prices, KeyFile: filepath.Join(d.dir, keyFile),
		Clock: func() time.Time { return d.began }, Logger: d.log, Version: "demo", Data: d.dir,
	})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	ln, dial := control.Memory()
	owner := control.NewClient(dial)
	var running sync.WaitGroup
	running.Go(func() { e.Control().Serve(serving, ln, control.Write) })
	err = errors.Join(d.makeUpstreams(ctx, owner), d.makeClients(ctx, owner, budgets))
	owner.Close()
	stop()
	running.Wait()
	return errors.Join(err, e.Close())
}

func (d *demo) makeUpstreams(ctx context.Context, owner control.Caller) error {
	d.providers, d.gateways = map[string]tally.ID{}, map[string]*tally.Gateway{}
	for _, m := range d.models {
		if d.providers[m.provider] == "" {
			p, err := control.ProvidersCreate.Do(ctx, owner, control.CreateProvider{Name: m.provider, ProviderKind: "sim", NoImport: true})
			if err != nil {
				return err
			}
			d.providers[m.provider] = p.ID
		}
		var in control.CreateModel
		in.Provider, in.Name = m.provider, m.name
		in.Prices = []control.PriceField{{Class: "input", Amount: *m.prices[0].Input}, {Class: "output", Amount: *m.prices[0].Output}}
		if _, err := control.ModelsCreate.Do(ctx, owner, in); err != nil {
			return err
		}
	}
	// One more without a price, as every list has some.
	_, err := control.ModelsCreate.Do(ctx, owner, control.CreateModel{Provider: d.models[0].provider, Name: "gpt-next-preview"})
	if err != nil {
		return err
	}
	model := d.models[0].name
	for slug, name := range map[string]string{"agency": "Agency", "website": "Website"} {
		g, err := control.GatewaysCreate.Do(ctx, owner, control.CreateGateway{Slug: slug, GatewayFields: control.GatewayFields{Name: &name, DefaultModel: &model}})
		if err != nil {
			return err
		}
		d.gateways[slug] = &g.Gateway
	}
	return nil
}

func (d *demo) makeClients(ctx context.Context, owner control.Caller, budgets []tally.NanoUSD) error {
	for i := range d.clients {
		c := &d.clients[i]
		limits := []tally.LimitEdit{{Limit: tally.Limit{Metric: tally.Cost, Window: tally.Window{Unit: tally.Month}, Max: int64(budgets[i])}}}
		for _, text := range []string{c.more, "requests=60/minute"} {
			if text == "" || text != c.more && c.more == "requests=30/minute" {
				continue
			}
			edit, err := tally.ParseLimit(text)
			if err != nil {
				return err
			}
			limits = append(limits, edit)
		}
		in := control.CreateClient{Slug: c.slug, Gateway: c.gateway, ClientFields: control.ClientFields{Name: &c.name, Company: &c.company, Email: &c.email, Limits: limits}}
		if c.markup != "" {
			in.Markup = new(control.Percent)
			if err := in.Markup.UnmarshalText([]byte(c.markup)); err != nil {
				return err
			}
		}
		client, err := control.ClientsCreate.Do(ctx, owner, in)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		account := demoAccount{Client: client}
		for _, label := range c.keys {
			k, err := control.KeysCreate.Do(ctx, owner, control.CreateKey{Client: client.Slug, Label: label})
			if err != nil {
				return err
			}
			account.keys, account.secret = append(account.keys, k.ID), append(account.secret, k.Key)
		}
		if c.suspended {
			if _, err := control.ClientsSuspend.Do(ctx, owner, control.Named{Name: client.Slug}); err != nil {
				return err
			}
		}
		d.made = append(d.made, account)
	}
	return nil
}

// write puts the history into the store. Many write at the same time, because
// the store makes what comes together durable together; the order stays that of
// time but for a few neighbours.
func (d *demo) write(ctx context.Context, store storage.Store, history []demoRequest) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var writing sync.WaitGroup
	for range 64 * runtime.GOMAXPROCS(0) {
		writing.Go(func() {
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if i >= int64(len(history)) {
					return
				}
				if err := d.writeOne(ctx, store, &history[i]); err != nil {
					stop(err)
				}
			}
		})
	}
	writing.Wait()
	return context.Cause(ctx)
}

func (d *demo) writeOne(ctx context.Context, store storage.Store, r *demoRequest) error {
	account := &d.made[r.client]
	rec := tally.Record{
		ID: tally.NewID("req", r.at), At: r.at, Gateway: account.Gateway, Client: account.ID, Key: account.keys[r.key], Provider: d.providers[r.model.provider],
		Endpoint: "chat/completions", Model: r.model.name, Upstream: r.model.name, Attempts: 1, Status: r.status, Outcome: r.outcome, Stream: r.stream,
		Basis: tally.Exact, Tokens: r.tokens, Cost: r.cost, Credits: r.cost.WithMarkup(account.MarkupBasisPoints), FirstByte: r.first, Total: r.total, Code: r.code, Count: 1,
	}
	switch {
	case r.model.answer == 0:
		rec.Endpoint = "embeddings"
	case r.outcome == tally.Lost:
		rec.Basis = tally.Held
	case r.outcome == tally.Canceled:
		rec.Basis = tally.Estimated
	case r.outcome == tally.OutcomeFailed:
		rec.Tries = []tally.Attempt{failedAttempt(&rec, time.Since(r.at) < tally.KeptDetails)}
	}
	if r.outcome.Refused() {
		rec.Provider, rec.Upstream, rec.Attempts, rec.Basis, rec.Model = "", "", 0, "", "gpt-9"
		return store.Refuse(ctx, rec)
	}
	hold := tally.Reservation{ID: rec.ID, At: r.at, ExpiresAt: r.at.Add(time.Hour), Draft: rec}
	for i, amount := range rec.Amounts() {
		hold.Bounds[i].Base = amount
	}
	for _, l := range account.Limits {
		if l.Window.Unit != tally.Minute {
			hold.Charges = append(hold.Charges, tally.Charge{
				Counter: tally.Counter{Subject: tally.SubjectOf("client", account.ID), Metric: l.Metric, Period: l.Window.Period(r.at, time.Local, 1)}, Max: l.Max,
			})
		}
	}
	if r.session > 0 {
		hold.Session = &tally.SessionUse{Client: account.ID, Member: fmt.Sprintf("%s-%d", account.Slug, r.session), Until: r.at.Add(tally.DefaultSessionLength)}
	}
	_, err := store.Reserve(ctx, hold)
	if limit, ok := errors.AsType[*tally.LimitError](err); ok {
		rec.Status, rec.Outcome, rec.Code = 429, tally.OutcomeLimited, tally.LimitCode(limit.Metric)
		rec.Provider, rec.Upstream, rec.Attempts, rec.Basis, rec.Tokens, rec.Cost, rec.Credits, rec.FirstByte, rec.Total = "", "", 0, "", tally.Tokens{}, 0, 0, 0, time.Millisecond
		return store.Refuse(ctx, rec)
	}
	if err != nil {
		return err
	}
	return store.Settle(ctx, tally.Settlement{ID: rec.ID, Record: rec})
}

// failedAttempt is why a request of the history has failed; words is whether they are
// kept still.
func failedAttempt(rec *tally.Record, words bool) tally.Attempt {
	a := tally.Attempt{Provider: rec.Provider, Upstream: rec.Upstream, Took: rec.Total, Cause: string(providers.ServerError), Status: 500, Code: "server_error",
		Detail: `"The server had an error while processing your request"`}
	if rec.Code == tally.CodeProviderTimeout {
		a.Cause, a.Status, a.Code, a.Detail = string(providers.TimedOut), 0, "", "the upstream took too long"
	}
	if !words {
		a.Detail = ""
	}
	return a
}
