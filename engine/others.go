package engine

import (
	"context"
	"sync"
	"time"

	"tallygate/storage"
)

// What other nodes serve is read only while somebody watches: a reader of events, or who has
// asked for the last minutes a moment ago.
const (
	othersEvery   = time.Second
	othersFor     = time.Minute
	othersAtOnce  = 2000 // records that are read of them at a time
	othersSeeding = 4000 // and at first, for the last minutes
)

// others is what this node has read of the others' requests.
type others struct {
	mu       sync.Mutex // guards the fields that follow
	watchers int
	asked    time.Time // when somebody last asked for the last minutes; the machine's clock

	reading sync.Mutex   // one who reads at a time; guards mark
	mark    storage.Mark // nil: nobody has watched for a while
}

// watch has the others' requests in the feed until done is called.
func (o *others) watch() (done func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watchers++
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.watchers--
		o.asked = time.Now()
	}
}

// ask has them in the feed for a while.
func (o *others) ask() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = time.Now()
}

func (o *others) watched() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.watchers > 0 || time.Since(o.asked) < othersFor
}

// followOthers tells the feed what other nodes have settled, if somebody watches. What they
// have settled before is in the charts and not told one by one.
func (e *Engine) followOthers(ctx context.Context) error {
	o := &e.others
	o.reading.Lock()
	defer o.reading.Unlock()
	if !o.watched() {
		o.mark = nil
		return nil
	}
	if _, apart := e.cluster.Reach(); apart != nil {
		return nil // status tells of it
	}
	most, begins := othersAtOnce, o.mark == nil
	if begins {
		most = othersSeeding
	}
	from := e.clock().Add(-seedSpan - time.Hour) // admitted long before they were settled
	records, mark, err := e.cluster.Others(ctx, from, o.mark, most)
	if err != nil {
		return err
	}
	if o.mark = mark; begins {
		e.feed.SeedOthers(records)
	} else if len(records) > 0 {
		e.feed.PublishOthers(records)
	}
	return nil
}
