package meter

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// Callers choose the values of tags, and each value has rows in the store and may have
// counters. So a client has at most so many of them in a month; the values beyond count
// together.
const (
	maxTagsSeen = 1000
	// TagsSeenFor is over how many days before now the values of a client are told apart.
	TagsSeenFor = 31
	// maxSessionsSeen is how many sessions of a client are told apart on a day.
	maxSessionsSeen = 1000
	tagsAgain       = 24 * time.Hour // when values that are not used any more are forgotten
)

// seenTags are the tags of one client.
type seenTags struct {
	mu    sync.RWMutex // guards the fields that follow
	until time.Time    // they are looked up anew; zero before the first time
	tags  map[string]bool
	keys  map[string]int // how many of tags they have
}

// seenSessions are the sessions of one client on one day.
type seenSessions struct {
	mu  sync.Mutex // guards the fields that follow
	day time.Time
	of  map[string]bool
}

// Tags are the tags that a client's request counts under: those it has, but for values
// that are too many. Those that the owner has named never are: no caller may leave a limit,
// or what its key says, by making up others. The values of a key that limits are per are
// counted apart from all others, so that those of a tag like run do not crowd them out.
func (m *Meter) Tags(ctx context.Context, p *tally.Principal, tags tally.Tags, now time.Time) tally.Tags {
	if tags == "" {
		return ""
	}
	client := p.Client.ID
	of, ok := m.seen.Load(client)
	if !ok {
		of, _ = m.seen.LoadOrStore(client, &seenTags{})
	}
	s := of.(*seenTags)
	if s.knowAll(tags, now) {
		return tags
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !now.Before(s.until) {
		s.load(m.tagsOf(ctx, client, now), now)
	}
	out := tally.Tags("")
	for tag := range tags.All() {
		key, _, _ := strings.Cut(tag, "=")
		many := len(s.tags)
		if limitedPer(p, key) {
			many = s.keys[key]
		}
		if s.tags[tag] || many < maxTagsSeen || ownerNamed(p, tag) {
			s.know(tag)
		} else {
			if _, known := s.keys[key]; !known {
				key = tally.OtherTag
			}
			tag = key + "=" + tally.OtherTag
		}
		out = out.With(tag)
	}
	return out
}

// ownerNamed reports whether the owner has named a tag: it is the key's, or a limit's.
func ownerNamed(p *tally.Principal, tag string) bool {
	return limitedPer(p, tag) || p.Key != nil && p.Key.Tags.Has(tag)
}

// limitedPer reports whether a client's request has a limit per a tag, or a key of tags.
func limitedPer(p *tally.Principal, per string) bool {
	is := func(l tally.Limit) bool { return l.Window.Per == per }
	return slices.ContainsFunc(p.Client.Limits, is) || p.Key != nil && slices.ContainsFunc(p.Key.Limits, is)
}

func (s *seenTags) knowAll(tags tally.Tags, now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !now.Before(s.until) {
		return false
	}
	for tags != "" {
		var tag string
		if tag, tags = tags.Cut(); !s.tags[tag] {
			return false
		}
	}
	return true
}

// otherSession reports whether the session of a request is one of too many of its client on a day, in
// UTC, to be told apart where usage is broken down by sessions. Limits tell it apart.
func (m *Meter) otherSession(ctx context.Context, client tally.ID, session string, now time.Time) bool {
	of, ok := m.sessions.Load(client)
	if !ok {
		of, _ = m.sessions.LoadOrStore(client, &seenSessions{})
	}
	s := of.(*seenSessions)
	s.mu.Lock()
	defer s.mu.Unlock()
	if day := now.Truncate(24 * time.Hour); !day.Equal(s.day) {
		s.day, s.of = day, map[string]bool{}
		for _, known := range m.sessionsOf(ctx, client, day) {
			s.of[known] = true
		}
	}
	if !s.of[session] && len(s.of) < maxSessionsSeen {
		s.of[session] = true
	}
	return !s.of[session]
}

func (s *seenTags) load(list []string, now time.Time) {
	s.until, s.tags, s.keys = now.Add(tagsAgain), map[string]bool{}, map[string]int{}
	for _, tag := range list {
		s.know(tag)
	}
}

func (s *seenTags) know(tag string) {
	key, value, _ := strings.Cut(tag, "=")
	if n := s.keys[key]; value == tally.OtherTag || s.tags[tag] {
		s.keys[key] = n
	} else {
		s.keys[key], s.tags[tag] = n+1, true
	}
}
