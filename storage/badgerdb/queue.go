package badgerdb

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// job is one act to be made durable. Jobs that come while a transaction is
// being committed go into the next one together.
type job struct {
	kind  jobKind
	hold  *ledger.Hold
	id    tally.ID
	now   time.Time
	entry entry
	day   uint32       // in the key of the entry
	alone func() error // runs between transactions

	entered *tally.Record // gets the entry as it is kept

	err  error
	done chan struct{} // gets one token
}

type jobKind int

const (
	jobHold jobKind = iota
	jobSettle
	jobRefuse
	jobEnter
	jobLose
	jobMade // a record of another store
	jobAlone
)

// queue is where jobs wait for the writer.
type queue struct {
	mu   sync.Mutex // guards the fields that follow
	more *sync.Cond // of mu: there is something to do
	jobs []*job
	tick bool // a second is over
	idle bool // the writer waits

	closed atomic.Bool // written under mu
	pool   sync.Pool
}

func newQueue() *queue {
	q := &queue{}
	q.more = sync.NewCond(&q.mu)
	q.pool.New = func() any { return &job{done: make(chan struct{}, 1)} }
	return q
}

func (q *queue) newJob(k jobKind) *job {
	j := q.pool.Get().(*job)
	j.kind = k
	return j
}

// send hands jobs to the writer, which decides them in this order.
func (q *queue) send(jobs ...*job) error {
	q.mu.Lock()
	if q.closed.Load() {
		q.mu.Unlock()
		return errClosed()
	}
	q.jobs = append(q.jobs, jobs...)
	q.wake()
	q.mu.Unlock()
	return nil
}

// wait waits until a job is durable, or has failed, and gives it back.
func (q *queue) wait(j *job) error {
	<-j.done
	err := j.err
	*j = job{done: j.done}
	q.pool.Put(j)
	return err
}

// do sends a job and waits for it.
func (q *queue) do(j *job) error {
	if err := q.send(j); err != nil {
		return err
	}
	return q.wait(j)
}

// alone runs something in the writer, between transactions.
func (q *queue) alone(f func() error) error {
	j := q.newJob(jobAlone)
	j.alone = f
	return q.do(j)
}

// wake wakes the writer if it waits. mu is held.
func (q *queue) wake() {
	if q.idle {
		q.idle = false
		q.more.Signal()
	}
}

// second tells the writer that a second is over.
func (q *queue) second() {
	q.mu.Lock()
	q.tick = true
	q.wake()
	q.mu.Unlock()
}

// close lets nothing more in; the writer ends when it has done what waits.
func (q *queue) close() (first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	first = !q.closed.Swap(true)
	q.wake()
	return first
}

// take returns all jobs that wait, in their order, and whether a second is over
// or the store is closed. Unless busy it waits until there is one of these.
func (q *queue) take(room []*job, busy bool) (jobs []*job, tick, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.jobs) == 0 && !q.tick && !q.closed.Load() && !busy {
		q.idle = true
		q.more.Wait()
		q.mu.Unlock()
		runtime.Gosched() // others who are about to send go into the same transaction
		q.mu.Lock()
	}
	q.idle = false
	jobs, q.jobs = q.jobs, room[:0]
	tick, q.tick = q.tick, false
	return jobs, tick, q.closed.Load()
}
