package control

import (
	"cmp"
	"time"

	"tallygate/engine/tally"
)

// Breakdown is what usage is broken down by.
type Breakdown string

// Words lists the breakdowns.
func (Breakdown) Words() []string {
	return []string{"client", "key", "model", "upstream", "provider", "gateway", "country", "status", "code", "token", "tag", "tool", "session"}
}

// Step is the length of the rows of usage over time.
type Step string

// The steps, which are civil hours and days.
const (
	Hourly Step = "hour"
	Daily  Step = "day"
)

// Words lists the steps.
func (Step) Words() []string { return []string{string(Hourly), string(Daily)} }

// UsageQuery asks for usage.
type UsageQuery struct {
	By      Breakdown `json:"by,omitempty" help:"break down by client, key, model, upstream, provider, gateway, country, status, code, token, tag, tool or, with --client, session (by days of UTC)"`
	Tag     string    `json:"tag,omitempty" help:"with --by tag: only this one, by its key, like project; without it, a request counts for each of its tags"`
	Since   Since     `json:"since,omitempty" help:"24h, 7d, 30d, 90d, today, or a date; default 30d"`
	Until   Since     `json:"until,omitempty" help:"a date; default now"`
	Month   Month     `json:"month,omitempty" help:"=month"`
	Every   Step      `json:"every,omitempty" help:"a row per hour or day"`
	Client  string    `json:"client,omitempty" of:"client" help:"only of this client (with --by key, model, status, code, tag, tool or session)"`
	Gateway string    `json:"gateway,omitempty" of:"gateway" help:"only of this gateway (with --by country or code)"`
	Token   string    `json:"token,omitempty" help:"only with this access token, by its id (with --by country or code)"`
}

// UsageRow is usage of one thing over one span. The rows of a span add up to its total:
// what has not what By names, as a visitor's request has no client, is a row without ID,
// the last one.
type UsageRow struct {
	Part string    `json:"part,omitempty"` // of an export that has several spans
	At   time.Time `json:"at,omitzero"`    // the span's start, with Every
	By   Breakdown `json:"by,omitempty"`
	ID   string    `json:"id,omitempty"`   // of what By names
	Name string    `json:"name,omitempty"` // as commands take it; "without client" where there is no ID
	// Called is what people call it, where that is another word: the name of a client, the
	// label of a key.
	Called string `json:"called,omitempty"`
	Sums
	// Failures are, of a provider, its attempts that failed, whatever became of their
	// requests.
	Failures Failures `json:"failures,omitempty"`
}

// Title is what people call what the row is of.
func (r *UsageRow) Title() string { return cmp.Or(r.Called, r.Name, r.ID) }

// Usage is the answer. Spans begin on quarters of an hour, so Since is rounded
// down to one.
type Usage struct {
	Since time.Time  `json:"since"`
	Until time.Time  `json:"until"`
	Zone  string     `json:"zone"` // IANA name: whose days and hours the spans are
	Total Sums       `json:"total"`
	Rows  []UsageRow `json:"rows"`
}

// RequestQuery selects records, the latest first unless they are sorted.
type RequestQuery struct {
	Filter   string        `json:"filter,omitempty" help:"words to search for; NAME:WORD looks in one column, NAME:>N compares, like latency:>1s; see help filters"`
	Limit    int           `json:"limit,omitempty" help:"=rows" min:"1"`
	After    string        `json:"after,omitempty" help:"=after"`
	Sort     string        `json:"sort,omitempty" help:"column to order by, the most first, like latency or cost; with a minus the other way round"`
	Client   string        `json:"client,omitempty" of:"client" help:"only of this client"`
	Key      string        `json:"key,omitempty" of:"key" help:"only of this key id"`
	Token    string        `json:"token,omitempty" help:"=of token"`
	Model    string        `json:"model,omitempty" of:"model" help:"only of this model"`
	Provider string        `json:"provider,omitempty" of:"provider" help:"=of provider"`
	Status   int           `json:"status,omitempty" help:"only with this HTTP status"`
	Outcome  tally.Outcome `json:"outcome,omitempty" help:"only ok, denied, limited, upstream, canceled or lost"`
	Code     string        `json:"code,omitempty" help:"only with this error code"`
	Tag      string        `json:"tag,omitempty" help:"only with this tag, KEY=VALUE; tool=codex for a tool"`
	Since    Since         `json:"since,omitempty" help:"24h, 7d, today, or a date"`
	Until    Since         `json:"until,omitempty" help:"a date"`
	Month    Month         `json:"month,omitempty" help:"=month"`
}

// RequestPage is a page of records; Next is empty on the last. Where few records
// pass a filter a page may have less than was asked for, or none, and go on all
// the same. A sorted page is the only one: it is chosen from the latest records.
type RequestPage struct {
	Requests []RequestView `json:"requests"`
	Next     string        `json:"next,omitempty"`
	// From is how many records a sorted page was chosen from, and Since the oldest of
	// them if there are older ones.
	From  int       `json:"from,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// PickRequest picks a request.
type PickRequest struct {
	ID string `json:"id" arg:"1" help:"request id, as in x-request-id"`
}

// The operations on usage and history.
var (
	UsageShow    = Op[UsageQuery, Usage]{"usage.show", Read, "show what was used and what it cost"}
	RequestsList = Op[RequestQuery, RequestPage]{"requests.list", Read, "list requests, the latest first"}
	RequestsShow = Op[PickRequest, RequestView]{"requests.show", Read, "explain one request"}
)

// Status describes the running engine.
type Status struct {
	Serving    bool      `json:"serving"` // the public plane is up
	BaseURL    string    `json:"base_url,omitempty"`
	PID        int       `json:"pid"`
	Version    string    `json:"version"`
	Data       string    `json:"data"`
	StartedAt  time.Time `json:"started_at"`
	Rev        int64     `json:"rev"`
	Records    int64     `json:"records"`
	Holds      int       `json:"holds"`
	InFlight   int       `json:"in_flight"`
	Waiting    int       `json:"waiting"`             // requests that wait for room that others hold
	LeftBehind int       `json:"left_behind"`         // of those in flight, answers that are read to their end for callers who have left
	Unknown    int64     `json:"unknown_credentials"` // refused since the start, counted in memory only
	Gateways   int       `json:"gateways"`
	Clients    int       `json:"clients"`
	Keys       int       `json:"keys"`
	Providers  int       `json:"providers"`
	// ProvidersReady is how many of them are on and not asked last.
	ProvidersReady int             `json:"providers_ready"`
	Models         int             `json:"models_usable"`
	DiskBytes      int64           `json:"disk_bytes"`
	FreeBytes      int64           `json:"free_bytes"`
	ClockLag       time.Duration   `json:"clock_lag_ns,omitempty"` // how far the wall clock is behind the last time seen; windows go by the time that passes until it has caught up
	Certificates   []Certificate   `json:"certificates,omitempty"` // that client apps are served with
	Backups        *Backups        `json:"backups,omitempty"`      // nil where none are scheduled
	Fault          string          `json:"disk_fault,omitempty"`   // why the disk does not keep what it is given
	Checked        *Checked        `json:"checked,omitempty"`      // the latest check of the night, since the start
	Pruned         *Pruned         `json:"pruned,omitempty"`       // what the retention has removed, since the start
	Countries      CountryDatabase `json:"country_database"`
	Prices         PriceBook       `json:"prices"`
	Refused        RefusedCounts   `json:"refused_now"`
	Parts          []HealthPart    `json:"parts"`              // what serving needs
	Warnings       []Warning       `json:"warnings,omitempty"` // the gravest first
	// Nodes are those that share the store; none where there is one, or where their database
	// is out of reach.
	Nodes []NodeView `json:"nodes,omitempty"`
	// Alerts are those that are open, the latest first, at most [MaxOpenAlerts]; AlertsOpen
	// is how many there are.
	Alerts      []AlertView `json:"alerts,omitempty"`
	AlertsOpen  int         `json:"alerts_open"`
	Last24Hours Sums        `json:"last_24h"`
	MonthSince  time.Time   `json:"month_since,omitzero"` // when the month under way began, by the calendar of all gateways
	Month       Sums        `json:"month"`
}

// MaxOpenAlerts bounds the open alerts of a [Status].
const MaxOpenAlerts = 20

// Stop ends the process that serves.
type Stop struct {
	Now bool `json:"now,omitempty" help:"cut off requests under way; they are settled at what they have delivered"`
}

// Stopping is a process that was told to stop, and what it had under way then.
type Stopping struct {
	PID      int    `json:"pid"`
	BaseURL  string `json:"base_url"`
	InFlight int    `json:"in_flight"`
	Waiting  int    `json:"waiting"`
}

// HealthPart is something that serving needs, and how it is.
type HealthPart struct {
	Name      string `json:"name"`
	OK        bool   `json:"ok"`
	Essential bool   `json:"essential,omitempty"` // without it no request is served
	State     string `json:"state"`               // for people
	Next      string `json:"next,omitempty"`      // what to do, if it is not well
}

// Certificate is what client apps are served HTTPS with.
type Certificate struct {
	Names   []string  `json:"names"`
	File    string    `json:"file,omitempty"` // "" for one that came by itself
	Until   time.Time `json:"until,omitzero"`
	Ends    bool      `json:"ends,omitempty"`    // soon, or it has
	Problem string    `json:"problem,omitempty"` // why there is none
}

// Upgrading is a process that becomes another program.
type Upgrading struct {
	PID  int    `json:"pid"` // which stays
	From string `json:"from"`
	To   string `json:"to"`
}

// Checked is what the check of a night has found.
type Checked struct {
	At     time.Time `json:"at"`
	Faults int       `json:"faults"`
}

// Pruned is what the retention of records has removed, or removes now.
type Pruned struct {
	Before  time.Time `json:"before"`  // it kept what was settled from then on
	Records int       `json:"records"` // that went
	At      time.Time `json:"at"`      // when that was done, or began
	Going   bool      `json:"going,omitempty"`
}

// CountryDatabase is where visitors' countries come from.
type CountryDatabase struct {
	Path    string    `json:"path,omitempty"` // "" for the built-in one
	Type    string    `json:"type,omitempty"` // what it calls itself; "" if there is none
	Built   time.Time `json:"built,omitzero"`
	Old     bool      `json:"old,omitempty"`
	Problem string    `json:"problem,omitempty"` // why the owner's is not in use, or not its newest state
}

// PriceBook is how old the built-in prices are.
type PriceBook struct {
	AsOf    string `json:"as_of,omitempty"` // a date; "" if there are none
	AgeDays int    `json:"age_days"`
	Old     bool   `json:"old"`
}

// Setup prepares an empty store: a gateway, a provider for every API key that
// is passed in and the pretend one if there is none, a client with safe limits
// and its first key.
type Setup struct {
	Name     string `json:"name,omitempty" help:"name of the first client; default: default"`
	TimeZone Zone   `json:"time_zone,omitempty" help:"IANA zone of the gateway; default: this machine's"`
	// Limits are the client's; nil for limits that let it try things out.
	Limits    []tally.LimitEdit `json:"limits,omitempty" flag:"limit" help:"METRIC=MAX/WINDOW of the first client, like cost=5/month; repeat; default: safe ones"`
	Providers []SetupProvider   `json:"providers,omitempty" flag:"-"`
	// BaseURL is where it will be served, "" for the usual; what serves already knows
	// better.
	BaseURL string `json:"base_url,omitempty" flag:"-"`
}

// SetupProvider is a provider found in the environment.
type SetupProvider struct {
	ProviderKind tally.ProviderKind `json:"kind"`
	BaseURL      string             `json:"base_url,omitempty"`
	APIKey       Secret             `json:"api_key,omitempty"`
}

// SetupDone is the first set-up; Key is shown here and never again.
type SetupDone struct {
	Gateway   string   `json:"gateway"`
	Client    string   `json:"client"`
	Key       string   `json:"key"`
	Model     string   `json:"model"`
	BaseURL   string   `json:"base_url"`
	Curl      string   `json:"curl"`
	Providers []string `json:"providers"`
	Limits    []string `json:"limits"`
	Warnings  []string `json:"warnings,omitempty"`
}

// Try sends one request through every check.
type Try struct {
	Model  string `json:"model,omitempty" arg:"1?" of:"model" help:"model; default: the gateway's"`
	Client string `json:"client,omitempty" of:"client" help:"as this client; default: the first active one"`
	Prompt string `json:"prompt,omitempty" help:"what to ask; default: say hello"`
}

// TryStep is one check on the road of a request.
type TryStep struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Tried explains what happened to the request.
type Tried struct {
	OK      bool        `json:"ok"`
	Steps   []TryStep   `json:"steps"`
	Answer  string      `json:"answer,omitempty"`
	Status  int         `json:"status"`
	Request RequestView `json:"request"`
}

// SettingsFields are what the owner may change while the engine runs.
type SettingsFields struct {
	Unpriced         *tally.UnpricedPolicy `json:"unpriced,omitempty" group:"costs" label:"Models without a price" help:"models without a price: refuse, or allow (they count as free)"`
	DefaultMaxOutput *int64                `json:"default_max_output,omitempty" group:"costs" label:"Longest answer, if unsaid" unset:"the model's, at most 16,384" help:"output tokens of a request that names no maximum, where money or tokens are limited; 0: the model's, at most 16384"`
	OnLeave          *tally.OnLeave        `json:"on_leave,omitempty" group:"costs" label:"When a client leaves" help:"a stream whose client has left: cancel, drain (read it to its end), or auto (cancel where that stops the provider's bill)"`
	HoldWait         *time.Duration        `json:"hold_wait_ns,omitempty" flag:"hold-wait" group:"costs" label:"Wait for room" help:"how long a request waits for money or places that others hold; 0s: not at all; default 10s"`
	RetryFor         *time.Duration        `json:"retry_for_ns,omitempty" flag:"retry-for" group:"costs" label:"Try again for" help:"how long a request is tried again that every provider has turned away for a moment; 0s: not at all; default 8s"`
	RetentionDays    *int                  `json:"retention_days,omitempty" group:"records" label:"Keep records, days" unset:"for good" help:"days to keep request records; 0 keeps them"`
	RefusedDays      *int                  `json:"refused_days,omitempty" flag:"retention-refused-days" group:"records" label:"Keep refusals, days" unset:"as long as others" help:"days to keep the records of requests that were refused, if fewer; 0: as long as others"`
	VisitorDays      *int                  `json:"visitor_days,omitempty" flag:"retention-visitor-days" group:"records" label:"Keep visitors, days" unset:"as long as others" help:"days to keep the records of a website's visitors, if fewer; 0: as long as others"`
	DropWords        *bool                 `json:"drop_words,omitempty" group:"records" label:"Drop words of failures" unset:"no: kept for 7 days" help:"keep only status and code of what providers say of failures, not their first words, which may quote a prompt and are kept for 7 days"`
	VisitorWait      *time.Duration        `json:"visitor_wait_ns,omitempty" flag:"visitor-wait" group:"visitors" label:"Visitors wait for room" help:"how long a request of a website's visitor waits for them; default 2s"`
	VisitorMaxOutput *int64                `json:"visitor_max_output,omitempty" group:"visitors" label:"Longest answer of visitors" help:"output tokens of a visitor's request, unless the access token says more; default 2048"`
	VisitorInFlight  *int                  `json:"visitor_in_flight,omitempty" group:"visitors" label:"In flight, each visitor" help:"requests of one visitor's address at the same time; default 8"`
	TrustedProxies   *[]string             `json:"trusted_proxies,omitempty" flag:"trusted-proxy" group:"visitors" label:"Trusted proxies" unset:"none" help:"reverse proxy, as an address or CIDR, that is believed whom it forwards for; repeat; none clears"`
	TrustedHeader    *string               `json:"trusted_header,omitempty" group:"visitors" label:"Trusted header" unset:"any of the usual, as long as they agree" help:"header in which trusted proxies say so, like X-Real-IP; none: X-Forwarded-For, Forwarded or X-Real-IP, as long as they agree"`
	CountryFile      *string               `json:"country_file,omitempty" group:"visitors" label:"Countries from" unset:"the built-in database" help:"country database of yours, GeoLite2 or DB-IP; none: the built-in one"`
	StatementHead    *string               `json:"statement_head,omitempty" group:"bills" label:"Head of statements" unset:"none" help:"what stands above statements: your name, address, tax number, with line breaks"`
	Currency         *string               `json:"currency,omitempty" group:"bills" label:"Currency" unset:"USD" help:"what statements are in that name no other, like EUR; they need a rate then"`
	TaxPercent       *Percent              `json:"tax_percent,omitempty" flag:"tax" group:"bills" label:"Tax %" unset:"none" help:"what is added to the total of statements that name no other, like 23"`
}

// AcceptClock accepts the machine's clock as it is.
type AcceptClock struct {
	Yes bool `json:"yes,omitempty" help:"do it"`
}

// ClockAccepted says from what time to what time the gateway went back.
type ClockAccepted struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// The operations on the engine itself.
var (
	EngineStatus = Op[None, Status]{"engine.status", Read, "show whether it serves, and how it is"}
	// EngineSeconds tells of the seconds with traffic in the last 15 minutes, the
	// oldest first; each is named by its end. The first one is there without
	// traffic as well: figures begin with it. Later ones come as events.
	EngineSeconds = Op[None, []tally.Second]{"engine.seconds", Read, "show the traffic of the last 15 minutes, second by second"}
	EngineSetup   = Op[Setup, SetupDone]{"engine.setup", Write, "set up an empty store"}
	// EngineStop answers at once; the process goes on until requests under way have
	// finished, or were cut off. Told again with Now, it does not wait any longer.
	EngineStop = Op[Stop, Stopping]{"engine.stop", Write, "end the process that serves, once requests under way have finished"}
	// EngineUpgrade answers at once: the process becomes the other program once requests
	// under way have finished. A program that does not run, or cannot read the store, is
	// Invalid or a Conflict, and nothing changes.
	EngineUpgrade       = Op[None, Upgrading]{"engine.upgrade", Write, "have the process that serves go on as the program that was put in its place"}
	EngineTry           = Op[Try, Tried]{"engine.try", Write, "send one request and explain every check it passed"}
	EngineVerify        = Op[None, tally.Report]{"engine.verify", Read, "replay the records and prove counters and rollups"}
	SettingsShow        = Op[None, tally.Settings]{"settings.show", Read, "show the settings"}
	SettingsSet         = Op[SettingsFields, tally.Settings]{"settings.set", Write, "change settings"}
	SettingsAcceptClock = Op[AcceptClock, ClockAccepted]{"settings.accept-clock", Write, "go by the machine's clock again, after it was ahead"}
)
