package demo

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"tallygate/assets"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Options say how much of the agency there is.
type Options struct {
	Now time.Time // when its history ends
	// Days are how long the history is, and Share is how much of its traffic there is:
	// 1 is all of it, about 200 requests a day.
	Days  int
	Share float64
	// Lately is how many requests have come in beside these in the last quarter of an
	// hour, short ones.
	Lately int
	Zone   *time.Location // of its days and months; the machine's for nil
	// AtOnce is how many requests are written at a time. A store on a disk makes those
	// durable together; with 1 their order is the same each time.
	AtOnce int
	Logger *slog.Logger // nil discards
}

// Agency is what the demo is about. Its methods may be called concurrently once Fill
// has returned.
type Agency struct {
	Options
	began     time.Time
	gateways  map[string]*tally.Gateway // by slug
	providers map[string]tally.ID       // by name
	models    []model
	clients   []client
	tokens    []accessToken
}

// model is a model of the demo: a real name with its price in the book, at a provider
// whose name says that it is pretend.
type model struct {
	name, provider string
	prompt, answer float64 // tokens of a typical request; no answer for embeddings
	prices         []tally.Price
}

// client is a client of the demo.
type client struct {
	slug, name, company, email string
	gateway                    string
	perDay                     float64 // requests on a working day
	models                     []string
	night, weekend             float64 // traffic then, as a share of the working day's
	full                       float64 // how much of its budget of the month is used by now
	markup                     control.Percent
	sessions                   int // end users; 0 if it names none
	limits                     []string
	keys                       []string
	suspended                  bool

	made tally.Client // as the engine made it, and so what follows
	live []key
}

// key is a key that works.
type key struct {
	id     tally.ID
	secret string
}

// The names that more than one place speaks of.
const (
	agencyGateway = "agency"
	siteGateway   = "website"
	siteTemplate  = "guide"
	openAI        = "pretend-openai"
	anthropic     = "pretend-anthropic"
	google        = "pretend-google"
	spare         = "pretend-spare"
)

// New makes an agency whose history is still to be written.
func New(o Options) (*Agency, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	a := &Agency{
		Options: o, began: o.Now.AddDate(0, 0, -o.Days).Truncate(time.Hour),
		models: []model{
			{name: "gpt-4.1-mini", provider: openAI, prompt: 9000, answer: 380},
			{name: "gpt-4.1", provider: openAI, prompt: 11000, answer: 620},
			{name: "text-embedding-3-small", provider: openAI, prompt: 52000},
			{name: "claude-sonnet-4-5", provider: anthropic, prompt: 8400, answer: 740},
			{name: "gemini-2.5-flash", provider: google, prompt: 12000, answer: 450},
			{name: "gpt-4.1-mini", provider: spare, prompt: 9000, answer: 380},
			{name: "gpt-4.1-nano", provider: spare, prompt: 4000, answer: 300},
		},
		clients: []client{
			{slug: "hotel-aurora", name: "Hotel Aurora", company: "Aurora Hospitality", email: "it@aurora.example", gateway: agencyGateway, perDay: 39, models: []string{"gpt-4.1-mini", "gpt-4.1"}, night: .25, weekend: 1.2, full: .93, markup: 2000, sessions: 60, limits: []string{"requests=60/minute"}, keys: []string{"whatsapp-bot", "website"}},
			{slug: "acme-bakery", name: "Acme Bakery", company: "Acme Foods", email: "owner@acme-bakery.example", gateway: agencyGateway, perDay: 17, models: []string{"gpt-4.1-mini"}, night: .05, weekend: .8, full: .41, markup: 2000, sessions: 25, limits: []string{"requests=60/minute"}, keys: []string{"orders"}},
			{slug: "dr-silva-clinic", name: "Dr. Silva Clinic", company: "Silva Saúde", email: "front@silva.example", gateway: agencyGateway, perDay: 21, models: []string{"claude-sonnet-4-5", "gpt-4.1-mini"}, night: .02, weekend: .1, full: .78, markup: 3500, sessions: 30, limits: []string{"sessions=900/month", "requests=60/minute"}, keys: []string{"triage"}},
			{slug: "gym-pulse", name: "Gym Pulse", email: "hello@gympulse.example", gateway: agencyGateway, perDay: 13, models: []string{"gemini-2.5-flash"}, night: .15, weekend: 1.1, full: .37, markup: 2000, sessions: 20, limits: []string{"requests=60/minute"}, keys: []string{"coach-bot"}},
			{slug: "nordlicht-reisen", name: "Nordlicht Reisen", company: "Nordlicht GmbH", email: "edv@nordlicht.example", gateway: agencyGateway, perDay: 25, models: []string{"gpt-4.1", "gemini-2.5-flash"}, night: .1, weekend: .4, full: 1, markup: 1500, limits: []string{"requests=60/minute"}, keys: []string{"itineraries"}},
			{slug: "cafe-lumiere", name: "Café Lumière", email: "lea@lumiere.example", gateway: agencyGateway, perDay: 8, models: []string{"gpt-4.1-mini"}, night: .05, weekend: 1.4, full: .22, markup: 2000, sessions: 10, limits: []string{"requests=60/minute"}, keys: []string{"menu"}},
			{slug: "ferreira-imoveis", name: "Ferreira Imóveis", company: "Ferreira & Filhos", email: "ti@ferreira.example", gateway: agencyGateway, perDay: 9, models: []string{"gpt-4.1-mini", "text-embedding-3-small"}, night: .05, weekend: .5, full: .55, markup: 2500, limits: []string{"requests=60/minute"}, keys: []string{"listings"}, suspended: true},
			{slug: "website-chat", name: "Website chat", company: "the agency itself", email: "web@agency.example", gateway: siteGateway, perDay: 30, models: []string{"gemini-2.5-flash", "gpt-4.1-mini"}, night: .4, weekend: .7, full: .66, sessions: 90, limits: []string{"requests=60/minute"}, keys: []string{"widget"}},
			{slug: "search-index", name: "Search index", company: "the agency itself", email: "web@agency.example", gateway: siteGateway, perDay: 22, models: []string{"text-embedding-3-small"}, night: 1, weekend: 1, full: .48, limits: []string{"requests=30/minute"}, keys: []string{"nightly"}},
		},
		tokens: siteTokens(),
	}
	return a, a.price()
}

// price gives the models their prices of the price book.
func (a *Agency) price() error {
	var book struct {
		Models []struct {
			Model  string
			Prices []struct {
				Rates struct{ Input, Output string }
			}
		}
	}
	if err := json.Unmarshal(assets.Prices, &book); err != nil {
		return fmt.Errorf("price book: %w", err)
	}
	for i := range a.models {
		m := &a.models[i]
		for _, entry := range book.Models {
			if entry.Model != m.name || len(entry.Prices) == 0 {
				continue
			}
			var price tally.Price
			for _, rate := range []struct {
				to   **tally.NanoUSD
				text string
			}{{&price.Input, entry.Prices[0].Rates.Input}, {&price.Output, entry.Prices[0].Rates.Output}} {
				usd, err := tally.ParseUSD(rate.text)
				if err != nil {
					return fmt.Errorf("price of %s: %w", m.name, err)
				}
				*rate.to = &usd
			}
			m.prices = []tally.Price{price}
			break
		}
		if m.prices == nil {
			return tally.Errorf(tally.Internal, "the price book has no %s", m.name)
		}
	}
	return nil
}

// model is the first model of a name: the one that is asked first.
func (a *Agency) model(name string) *model {
	return &a.models[slices.IndexFunc(a.models, func(m model) bool { return m.name == name })]
}

func (a *Agency) client(slug string) int {
	return slices.IndexFunc(a.clients, func(c client) bool { return c.slug == slug })
}
