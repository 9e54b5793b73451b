package route

import (
	"cmp"
	"sync"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// scope is what a failure tells of.
type scope int

const (
	ofNothing  scope = iota // the request itself, or this machine
	ofUpstream              // nothing behind the address answers
	ofModel                 // this model there
	ofKey                   // the account behind the API key
	ofLane                  // this model with this API key
)

// verdict says what a failure tells of, and when that is left alone.
type verdict struct {
	scope scope
	rule
}

// verdicts has one for each fault of an upstream's. A wrong key and an empty account do not
// mend by themselves, so one failure is enough. An upstream that is overloaded usually says
// until when.
var verdicts = map[providers.Fault]verdict{
	providers.Unreachable: {ofUpstream, rule{3, 5 * time.Second, 2 * time.Minute}},
	providers.TimedOut:    {ofModel, rule{3, 15 * time.Second, 5 * time.Minute}},
	providers.BadAnswer:   {ofModel, rule{3, 5 * time.Second, 2 * time.Minute}},
	providers.ServerError: {ofModel, rule{3, 5 * time.Second, 2 * time.Minute}},
	providers.Busy:        {ofLane, rule{2, 2 * time.Second, time.Minute}},
	providers.OutOfQuota:  {ofKey, rule{1, time.Minute, time.Hour}},
	providers.BadKey:      {ofKey, rule{1, time.Minute, time.Hour}},
}

// verdictOn is what an error tells of.
func verdictOn(err *providers.UpstreamError) verdict {
	v := verdicts[err.Fault]
	answered := err.Status != 0
	switch {
	case err.Fault == providers.Unreachable && !err.Free:
		v.scope = ofModel // it has taken the request, and broken off
	case err.Fault == providers.TimedOut && !answered && err.Free:
		v.scope = ofUpstream // there was no connection
	case err.Fault == providers.Busy && answered && err.Status != statusTooMany:
		v.scope = ofModel // whoever asks
	}
	return v
}

const statusTooMany = 429

// health is what the latest attempts say of an upstream.
type health struct {
	upstream breaker
	keys     []breaker
	models   sync.Map // tally.ID → *modelHealth
}

// modelHealth is that of a model, as a whole and with each key.
type modelHealth struct {
	model breaker
	lanes []breaker
}

func (h *health) of(model tally.ID) *modelHealth {
	if m, ok := h.models.Load(model); ok {
		return m.(*modelHealth)
	}
	m, _ := h.models.LoadOrStore(model, &modelHealth{lanes: make([]breaker, len(h.keys))})
	return m.(*modelHealth)
}

// breakers are those that an attempt of a lane depends on, the widest first.
func (l *Lane) breakers() [4]*breaker {
	h := &l.Upstream.health
	m := h.of(l.Model.ID)
	return [...]*breaker{
		ofUpstream - 1: &h.upstream, ofModel - 1: &m.model, ofKey - 1: &h.keys[l.Key], ofLane - 1: &m.lanes[l.Key],
	}
}

// ready reports whether a lane may be asked now. first says that no other lane would be
// asked before it: only then it may be the one that tries what is half open, so that no
// caller tries it who would ask another upstream first.
func (l *Lane) ready(now time.Time, first bool) bool {
	if l.well() {
		return true
	}
	if !l.looks(now, first) {
		return false
	}
	for _, b := range l.breakers() {
		if !b.open() {
			continue
		}
		if !b.claim(now) {
			l.Release(now)
			return false
		}
		l.tries = true
	}
	return true
}

// Release lets another request try what this lane was to try: it was not asked, or what came
// of it tells nothing.
func (l *Lane) Release(now time.Time) {
	if !l.tries {
		return
	}
	l.tries = false
	for _, b := range l.breakers() {
		b.release(now)
	}
}

// well reports whether nothing that the lane depends on is open.
func (l *Lane) well() bool {
	h := &l.Upstream.health
	m := h.of(l.Model.ID)
	return h.upstream.until.Load()|h.keys[l.Key].until.Load()|m.model.until.Load()|m.lanes[l.Key].until.Load() == 0
}

// looks is ready without trying anything.
func (l *Lane) looks(now time.Time, first bool) bool {
	open := false
	for _, b := range l.breakers() {
		if b.cooling(now) {
			return false
		}
		open = open || b.open()
	}
	return !open || first
}

// Report notes how an attempt has ended; err is nil if it was answered. An attempt that its
// caller ended, or for which this process had no file descriptor left, says nothing of the
// upstream.
func (l *Lane) Report(err *providers.UpstreamError, now time.Time) {
	defer l.Release(now) // what it says nothing of
	if err != nil && (err.Fault == providers.Gone || err.Fault == providers.NoFiles) {
		return
	}
	all := l.breakers()
	v := verdict{scope: ofNothing}
	if err != nil {
		v = verdictOn(err)
	}
	for i, b := range all {
		switch s := scope(i + 1); {
		case s == v.scope:
			b.fail(v.rule, trouble{
				fault: err.Fault, status: err.Status, code: cmp.Or(err.Words.Code, err.Words.Type),
			}, err.RetryAfter, now)
		case err == nil, err.Status != 0 && (s == ofUpstream || s == ofModel && v.scope == ofNothing):
			b.well() // it has answered, be it with a refusal of the request
		}
	}
}

// Health lists what is not well with a provider: what its latest attempts have failed for,
// the widest first; nil if all is well or it is not live.
func (r *Router) Health(id tally.ID, now time.Time) []Health {
	u := (*r.live.Load())[id]
	if u == nil {
		return nil
	}
	var out []Health
	add := func(b *breaker, model tally.ID, key int) {
		if h, ok := b.health(now); ok {
			h.Model, h.Key = model, key
			out = append(out, h)
		}
	}
	add(&u.health.upstream, "", 0)
	for i := range u.health.keys {
		add(&u.health.keys[i], "", i+1)
	}
	known := len(out)
	u.health.models.Range(func(id, m any) bool {
		add(&m.(*modelHealth).model, id.(tally.ID), 0)
		for i := range m.(*modelHealth).lanes {
			add(&m.(*modelHealth).lanes[i], id.(tally.ID), i+1)
		}
		return true
	})
	tally.Order(out[known:], func(a, b Health) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Key, b.Key))
	})
	return out
}
