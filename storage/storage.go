// Package storage is the port between the engine and whatever keeps its data.
//
// The port speaks the domain. Each method is one atomic act: it happens whole
// or not at all, and once it has returned without an error it survives kill -9
// of the process. No transaction handle, key, iterator or backend error crosses
// it; errors are *tally.Error, except the *tally.LimitError of Reserve.
//
// Time is always passed in and never runs backwards ([tally.Steady]), except that
// AcceptClock takes it back. There are no callbacks into the engine while an act is under
// way, so that a store may retry one. Cursors are opaque strings.
//
// Conservation holds for every counter at every instant:
//
//	used = Σ Amounts(record) over the subject's records admitted in the period
//	held = Σ bound at the granted output over its open reservations admitted in the period
//
// so a limit that is added, moved to another zone or given another first day
// in mid-period counts at once what the period has already seen.
//
// storage/memory is the executable specification, storage/badgerdb the store of the
// program on one machine, storage/pgstore that of several, which is a [Cluster];
// storage/storetest is the suite that all pass.
package storage

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/backup"
)

// Config keeps the entities. The engine reads them once and changes them
// rarely; requests never come here.
type Config interface {
	// Load returns every entity and the revision of the last change (0 for a
	// new store).
	Load(ctx context.Context) ([]tally.Entity, int64, error)
	// Apply makes all changes or none. Each entity's IfRev must be its current
	// revision; otherwise the error is a Conflict. The new revision, which all
	// changed entities get in Meta.Rev, is returned; the entities passed in are
	// updated to it. In the same act the audit log gets an entry for each change, in
	// their order, but for those that are not [tally.EntityKind.Audited].
	Apply(ctx context.Context, by tally.Act, changes ...tally.Change) (rev int64, err error)
	// AuditLog returns selected entries of the audit log, the latest first, and a
	// cursor for the next page, "" on the last. Nothing ever deletes an entry.
	AuditLog(ctx context.Context, q AuditQuery) ([]tally.AuditEntry, string, error)
	// VerifyAudit proves that every entry of the audit log is there as it was written.
	VerifyAudit(ctx context.Context) (tally.AuditReport, error)
}

// AuditQuery selects entries of the audit log. Zero fields select all.
type AuditQuery struct {
	Things []string  // any of these is the ID or, in any case of letters, the name of what was changed
	Actor  string    // a part of the actor, in any case of letters
	Since  time.Time // At from then on
	// After is the cursor of an earlier answer.
	After string
	// Limit is the most entries to return, 1 to 1,000; 0 means 100.
	Limit int
}

// Match reports whether an entry is selected, apart from After and Limit.
func (q *AuditQuery) Match(e *tally.AuditEntry) bool {
	is := func(thing string) bool { return string(e.ID) == thing || strings.EqualFold(e.Name, thing) }
	return (len(q.Things) == 0 || slices.ContainsFunc(q.Things, is)) &&
		(q.Actor == "" || strings.Contains(strings.ToLower(e.Actor), strings.ToLower(q.Actor))) &&
		(q.Since.IsZero() || !e.At.Before(q.Since))
}

// Page reads After and Limit: entries with a Seq below before are to be returned, at
// most so many. end is the Seq of the latest entry.
func (q *AuditQuery) Page(end uint64) (before uint64, most int, err error) {
	before, most = end+1, q.Limit
	if most == 0 {
		most = 100
	}
	if most < 1 || most > 1000 {
		return 0, 0, tally.Errorf(tally.Invalid, "a page has 1 to 1,000 entries, not %d", most)
	}
	if q.After != "" {
		n, err := strconv.ParseUint(q.After, 10, 64)
		if err != nil {
			return 0, 0, tally.Errorf(tally.Invalid, "%q is not a cursor", q.After)
		}
		before = min(before, n)
	}
	return before, most, nil
}

// Meter keeps holds and counters. It is on the road of every request.
type Meter interface {
	// Reserve adds the request's bound to every charge's counter if all have
	// room, and keeps the hold until it is settled. The granted output is the
	// largest in [MinOutput, WantOutput] for which all charges fit, decided in
	// the same act, and the request's places are taken. If not even MinOutput fits,
	// nothing changes and the error is a *tally.LimitError for the first charge
	// that has no room. An ID that is held already is a Conflict.
	//
	// A reservation with Wait waits if only holds, places or earlier waiters stand in its
	// way. It also waits if the holds of others leave it less output than its Floor, or
	// less than the unspent rest would pay for, whichever is less. Waiters at one counter
	// are served one by one in the order of Since, as settlements make room; a later one
	// is let past only while the earlier one could not be served without it either. Where
	// somebody waits, nobody gets more than its Floor. When the time of a waiter is over,
	// whatever has room is granted, from MinOutput on, unless others wait for the same
	// room. What spent amounts refuse is refused at once. At most 256 wait for a counter.
	// Once ctx is done nothing is held, and the error is Unavailable with ctx's cause.
	Reserve(ctx context.Context, r tally.Reservation) (tally.Grant, error)
	// Raise adds to a hold what another attempt of the request may use, at the
	// largest output from least to want that has room beside it, and never waits.
	// The request and its session are not counted again. NotFound if it is not
	// held; a *tally.LimitError if there is no room: then nothing changes.
	Raise(ctx context.Context, id tally.ID, least, want int64, bounds tally.Bounds) (tally.Grant, error)
	// Join charges a hold on more counters, which must have room for all that it holds, and
	// takes more places: those of an upstream that was chosen only now. It never waits.
	// What the request will have used counts on them as on the others. NotFound if it is
	// not held; a *tally.LimitError if there is no room: then nothing changes.
	Join(ctx context.Context, id tally.ID, charges []tally.Charge, places []tally.Place) error
	// Settle replaces a hold by the truth: counters, record and rollups in one
	// act. It never refuses an amount: one above the hold is recorded, and left
	// goes below zero. An ID that is not held, or no longer, is NotFound.
	Settle(ctx context.Context, s tally.Settlement) error
	// Refuse adds the record of a refusal. It touches no counter.
	Refuse(ctx context.Context, r tally.Record) error
	// Enter adds an entry to the book of money: a record whose amounts count at once on the
	// gateway and the client that it names, and may be below zero. Of the record only what
	// [tally.Entry] names is kept; it is returned as it is kept. One without a client counts
	// on its gateway alone. A Conflict if the client has an entry of that ID, NotFound for an
	// expiry where nothing is left.
	Enter(ctx context.Context, r tally.Record) (tally.Record, error)
	// Extend moves the deadline of a hold that is still at work. NotFound if it
	// is not held.
	Extend(ctx context.Context, id tally.ID, until time.Time) error
	// Expire settles at most max holds whose deadline is at or before now, at
	// their held amounts, with outcome lost, basis held, and says how many.
	// Holds that outlived their process are overdue whatever their deadline.
	Expire(ctx context.Context, now time.Time, max int) (int, error)
	// Usage returns the state of counters, in order.
	Usage(ctx context.Context, counters ...tally.Counter) ([]tally.Usage, error)
	// LastUsed returns when a request of each subject was last admitted, in
	// order; zero if never.
	LastUsed(ctx context.Context, subjects ...tally.Subject) ([]time.Time, error)
	// Holds returns how many holds are open, and what they hold.
	Holds(ctx context.Context, q HoldQuery) (HoldSum, error)
}

// HoldQuery selects open holds. Zero fields select all.
type HoldQuery struct {
	Client tally.ID
	Until  time.Time // admitted before
}

// Match reports whether the hold of a request is selected, by the draft of its record.
func (q *HoldQuery) Match(draft *tally.Record) bool {
	return (q.Client == "" || draft.Client == q.Client) && (q.Until.IsZero() || draft.At.Before(q.Until))
}

// HoldSum is how many holds there are, and what they hold.
type HoldSum struct {
	Count int
	Held  tally.Amounts
}

// EntryQuery selects entries of the book of money. Zero fields select all.
type EntryQuery struct {
	ID           tally.ID
	Client       tally.ID
	Since, Until time.Time // At in [Since, Until)
}

// Match reports whether a record is a selected entry.
func (q *EntryQuery) Match(r *tally.Record) bool {
	return r.Entry != nil && (q.ID == "" || r.ID == q.ID) && (q.Client == "" || r.Client == q.Client) &&
		(q.Since.IsZero() || !r.At.Before(q.Since)) && (q.Until.IsZero() || r.At.Before(q.Until))
}

// RecordQuery selects records of requests. Zero fields select all.
type RecordQuery struct {
	ID                             tally.ID  // that one record only
	Since, Until                   time.Time // At in [Since, Until)
	Gateway, Client, Key, Provider tally.ID
	Token, Endpoint                string
	Tag                            string          // KEY=VALUE
	Status                         int             // an HTTP status, or the first figure of one: 5 selects 500 to 599
	Models, Codes                  []string        // any of these
	Outcomes                       []tally.Outcome // any of these
	// After is the cursor of an earlier answer.
	After string
	// Limit is the most records to return, 1 to 1,000; 0 means 100.
	Limit int
}

// Match reports whether a record is selected, apart from After and Limit.
func (q *RecordQuery) Match(r *tally.Record) bool {
	return r.Entry == nil && (q.ID == "" || r.ID == q.ID) &&
		(q.Since.IsZero() || !r.At.Before(q.Since)) && (q.Until.IsZero() || r.At.Before(q.Until)) &&
		(q.Gateway == "" || r.Gateway == q.Gateway) && (q.Client == "" || r.Client == q.Client) &&
		(q.Key == "" || r.Key == q.Key) && (q.Provider == "" || r.Provider == q.Provider) &&
		(q.Token == "" || r.Token == q.Token) && (q.Endpoint == "" || r.Endpoint == q.Endpoint) &&
		(q.Tag == "" || r.Tags.Has(q.Tag)) &&
		(q.Status == 0 || r.Status == q.Status || r.Status/100 == q.Status) &&
		(len(q.Outcomes) == 0 || slices.Contains(q.Outcomes, r.Outcome)) &&
		(len(q.Models) == 0 || slices.Contains(q.Models, r.Model)) && (len(q.Codes) == 0 || slices.Contains(q.Codes, r.Code))
}

// SeriesQuery asks for sums of one family between edges: n+1 edges make n
// spans. Edges ascend and are multiples of [tally.Bucket]; the last may lie in
// the future. A record counts in the span of its admission.
type SeriesQuery struct {
	Family tally.Family
	// First selects rows by the first part of the family's value; "" all.
	First string
	Edges []time.Time
}

// Point is the sum of one family value over one span. Spans without traffic have none, nor
// have those whose figures are all 0.
type Point struct {
	Of  int       // the query, by its place among those that were asked together
	At  time.Time // the span's first edge
	Dim tally.Dim
	tally.Sums
}

// Horizons say up to when records go: all of them, and those of a kind, if that is later.
// The zero time means none.
type Horizons struct {
	All time.Time
	Of  [tally.NumRecordKinds]time.Time
}

// Before is the horizon of all records.
func Before(t time.Time) Horizons { return Horizons{All: t} }

// CoarseDays is how many UTC days, counted from 1970 on, are made coarse together.
const CoarseDays = 32

// History answers what happened.
type History interface {
	// Records returns selected records, the latest settled first, and a cursor
	// for the next page, "" on the last.
	Records(ctx context.Context, q RecordQuery) ([]tally.Record, string, error)
	// Entries returns selected entries of the book of money, in the order in which they were
	// made. They are kept for good, also when their records are pruned.
	Entries(ctx context.Context, q EntryQuery) ([]tally.Record, error)
	// Series answers queries, all as of one instant: what one counts the others count
	// as well. It returns points ordered by query, span, then value.
	Series(ctx context.Context, of ...SeriesQuery) ([]Point, error)
	// Prune deletes the records settled on whole UTC days before those that contain the
	// horizons, and says how many went. Counters and rollups stay. After each act that makes
	// requests wait it rests so many times as long; 0 means not at all.
	Prune(ctx context.Context, before Horizons, rest int) (int, error)
	// Coarsen gives up what sums of old days tell by the quarter of an hour, and returns
	// before when it did: the latest multiple of [CoarseDays] up to before. From then on a
	// day's sums are told as a whole and between its edges, as they are asked for now; they
	// should be where civil days end. A query or a period with an edge inside of that counts
	// from the edge before. It rests like Prune.
	Coarsen(ctx context.Context, before time.Time, edges func(day time.Time) []time.Time, rest int) (time.Time, error)
	// Forget deletes the details of attempts that failed in requests of whole UTC days
	// before the one that contains before. Prune does so as well.
	Forget(ctx context.Context, before time.Time) error
}

// Status describes the store for people.
type Status struct {
	Records   int64     `json:"records"`    // kept
	LastSeen  time.Time `json:"last_seen"`  // the latest admission or settlement it knows; zero if none
	DiskBytes int64     `json:"disk_bytes"` // 0 if it keeps nothing on disk
	FreeBytes int64     `json:"free_bytes"`
	Admitting bool      `json:"admitting"` // false while the disk is nearly full or has a fault
	// Fault is why the disk does not keep what it is given, "" if it does.
	Fault   string `json:"fault,omitempty"`
	Waiting int    `json:"waiting"` // reservations that wait for room
	// Unsynced is the age of the oldest act that is not on the disk yet; Tables is how many
	// files have the data. Both are 0 where nothing is kept on disk.
	Unsynced time.Duration `json:"unsynced_ns,omitempty"`
	Tables   int           `json:"tables,omitempty"`
}

// Store is everything together. Its methods may be called concurrently, except
// Close, which comes last and makes every later call Unavailable.
type Store interface {
	Config
	Meter
	History
	// AcceptClock takes the time back to now: the clock was ahead, and whoever owns the
	// store says that it is right. After that, times from now on may be passed in. What
	// was admitted ahead stays where it is, in periods that come yet, and counts there;
	// sessions end. A Conflict while requests are held or wait, Invalid if now is not
	// before the latest time that was seen: then nothing changes.
	AcceptClock(ctx context.Context, now time.Time) error
	// Status describes the store.
	Status(ctx context.Context) (Status, error)
	// Backup writes a copy of everything but wrapping keys, as it is at one instant. With
	// since it leaves out the records that another backup has; one of another store, or of
	// another past of this one, is a Conflict.
	Backup(ctx context.Context, since *backup.Info, w io.Writer) (backup.Info, error)
	// Verify replays every record and proves counters and rollups. It finds faults and
	// repairs nothing. After each 5 ms of work it rests for the time given; 0 means not
	// at all.
	Verify(ctx context.Context, rest time.Duration) (tally.Report, error)
	Close() error
}

type ownKey struct{}

// Own has reads of a [Cluster] ask no database: records and sums are of this node alone, and of
// counters is added what was last heard of others. It is for figures that are said to be so.
func Own(ctx context.Context) context.Context { return context.WithValue(ctx, ownKey{}, true) }

// IsOwn reports whether a read is to tell of this node alone.
func IsOwn(ctx context.Context) bool { return ctx.Value(ownKey{}) != nil }

// Hook receives records of requests in the order of Seq once they are durable. It is given
// when a store is opened, is called from one goroutine, and must not block.
type Hook func([]tally.Record)
