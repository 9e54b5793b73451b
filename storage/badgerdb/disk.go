package badgerdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// A full disk is fatal: Badger's log is mapped into memory, and a write that finds no room
// is a SIGBUS. So the store stops admitting while there is still room for what is under
// way. It also keeps a ballast file, whose room a clean close can use.
//
// A disk may fill faster than it is looked at. So the space of Badger's logs is taken as
// they are opened, or seen for the first time, twice a second. This does not help with a
// log that Badger has begun since the last look, if the disk has lost its last [minFree] in
// the same half second. Nor does it help on file systems that give no space ahead.
const (
	minFree     = 256 << 20 // stop admitting below it; 8 memtables of a server
	minOpenFree = 64 << 20  // do not even open below it
	ballastName = "ballast"
	ballastSize = 16 << 20
)

// Free is the space that is left for a store in a folder, and the least with which it
// admits anything.
func Free(dir string) (free, least int64, err error) {
	free, err = freeBytes(dir)
	return free, minFree, err
}

func diskFull() error {
	return tally.Errorf(tally.Unavailable, "the disk is nearly full").WithHint("free some space; the gateway goes on by itself")
}

// A disk that fails does not tell a process that only writes into mapped memory. What is
// written there is lost with the process, or with the mount. So the store asks the disk
// twice a second: whether the folder is there, to sync the log, and to replace the head.
// While any of these fails, nothing is admitted, and no answer comes to its end before it
// is on the disk. The same holds while the oldest answer that has ended is not on the disk
// after a second. So a power cut takes a second of answers at most, and so does a disk that
// never again keeps what it is given. Once the disk has reported a failure, no answer is
// lost.
type diskTimes struct {
	look  time.Duration // between two questions
	quiet time.Duration // a pause after which what was committed is synced at once, not more often than look
	late  time.Duration // what is acknowledged without a sync is no older
	sync  time.Duration // a sync that takes longer has failed
	fault time.Duration // a fault that lasts so long does not mend itself
	// close is how long a close waits for the next slice, and faultyClose on a disk that
	// fails: Badger tries for ever to write what it has in memory.
	close, faultyClose time.Duration
}

var usualTimes = diskTimes{look: 500 * time.Millisecond, quiet: 5 * time.Millisecond, late: time.Second, sync: 5 * time.Second, fault: 30 * time.Second, close: 20 * time.Second, faultyClose: 3 * time.Second}

// DiskStep is one of the questions that the store asks the disk.
type DiskStep int

// The steps: to look at the free space and the folder, to take the space of new logs,
// to sync the log, and to replace the head.
const (
	DiskLook DiskStep = iota
	DiskSpace
	DiskSync
	DiskHead
	diskSteps
)

// disk is what is known of the disk under a store.
type disk struct {
	mu     sync.Mutex // guards the fields that follow
	faults [diskSteps]error
	since  time.Time // of the fault
	// unsynced is when the oldest act was committed that no sync has covered. next is the
	// same for the acts since the sync under way began. Each is zero if there is no such
	// act.
	unsynced, next time.Time
	latest         time.Time // commit
	paused         time.Time // when a pause was used for a sync
	syncing        bool      // a sync is under way
	looks          int       // how often it was looked at meanwhile: clocks may leap
	late           []*job    // acts whose callers wait for a sync that has not begun
	broken         bool
}

// fault is why the disk does not keep what it is given, nil if it does.
func (d *disk) fault() error {
	for _, err := range d.faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// Fault is why the disk does not keep what it is given, nil if it does.
func (s *Store) Fault() error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	return s.disk.fault()
}

// Broken is closed once the disk has failed for so long that the store does not wait for it
// any more. A disk that is only full does not count as failed.
func (s *Store) Broken() <-chan struct{} { return s.broken }

// fit says why nothing may be admitted, nil if requests may be admitted.
func (s *Store) fit() error {
	if !s.admitting.Load() {
		return diskFull()
	}
	if s.faulty.Load() {
		return tally.Errorf(tally.Unavailable, "the disk does not keep what it is given").WithHint("tallygate status says why")
	}
	return nil
}

// found notes the outcome of a step. Only changes of the outcome are logged.
func (s *Store) found(step DiskStep, err error) {
	d := &s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	now, before := time.Now(), d.fault()
	d.faults[step] = err
	after := d.fault()
	switch {
	case before == nil && after != nil:
		d.since = now
		s.faulty.Store(true)
		s.log.Error("the disk does not keep what it is given: nothing is admitted, and no answer ends, until it does", "err", after, "folder", s.opts.Dir)
	case before != nil && after == nil:
		s.faulty.Store(false)
		s.log.Warn("the disk keeps again what it is given", "after", now.Sub(d.since).Round(time.Millisecond))
	case after != nil && !d.broken && now.Sub(d.since) >= s.opts.times.fault && !isFull(after):
		d.broken = true
		close(s.broken)
	}
}

// ask takes one step, unless a test lets it fail.
func (s *Store) ask(step DiskStep, do func() error) error {
	if s.opts.Disk != nil {
		if err := s.opts.Disk(step); err != nil {
			return err
		}
	}
	return do()
}

// look looks how much room is left, and whether the folder is still there.
func (s *Store) look() {
	s.found(DiskLook, s.ask(DiskLook, func() error {
		if err := s.here(); err != nil {
			return err
		}
		free, err := s.opts.Free(s.opts.Dir)
		if err != nil {
			return fmt.Errorf("ask for the free space: %w", err)
		}
		first := s.free.Swap(free) == 0
		if ok := free >= minFree; s.admitting.Swap(ok) != ok && !(first && ok) {
			s.log.Warn("free space of the disk", "bytes", free, "admitting", ok)
		}
		return nil
	}))
}

// here says why the folder is not where it was opened, nil if it is.
func (s *Store) here() error {
	now, err := os.Stat(s.opts.Dir)
	if err != nil {
		return err
	}
	if s.folder == nil {
		s.folder = now
	}
	if !os.SameFile(s.folder, now) {
		return fmt.Errorf("%s is another folder than the one that was opened", s.opts.Dir)
	}
	return nil
}

// takeSpace takes the space of logs that were not seen before. Badger makes each log as
// large as it will ever be, with nothing in it, and maps it.
func (s *Store) takeSpace() {
	s.found(DiskSpace, s.ask(DiskSpace, func() error {
		if s.here() != nil {
			return nil // a missing folder is a fault already
		}
		names, err := os.ReadDir(s.opts.Dir)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, e := range names {
			name := e.Name()
			if kind := filepath.Ext(name); kind != ".mem" && kind != ".vlog" {
				continue
			}
			if !s.spaced[name] {
				if err := takeSpace(filepath.Join(s.opts.Dir, name)); err != nil {
					return fmt.Errorf("take the space of %s: %w", name, err)
				}
			}
			seen[name] = true
		}
		s.spaced = seen
		return nil
	}))
}

func takeSpace(name string) error {
	info, err := os.Stat(name)
	if err == nil && diskBytes(info) < info.Size() {
		var f *os.File
		if f, err = os.OpenFile(name, os.O_RDWR, 0); err == nil {
			defer f.Close()
			return allocate(f, info.Size())
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the log's table is written
	}
	return err
}

// head notes on the disk up to which record the store goes, unless another folder is in the
// place of the one that was opened.
func (s *Store) head(seq uint64) error {
	if err := s.here(); err != nil {
		return err
	}
	return writeHead(s.opts.Dir, seq)
}

// sync brings to the disk what was committed by now, and notes on the disk how far that
// goes. Then it lets those go on who wait for the sync. alone runs a function while nothing
// is written.
func (s *Store) sync(alone func(func() error) error) {
	d, seq := &s.disk, s.committed.Load()
	d.mu.Lock()
	covered := d.late
	d.late, d.next = nil, time.Time{}
	failed := d.faults[DiskSync] != nil
	d.mu.Unlock()

	err := s.ask(DiskSync, func() error {
		if failed {
			// The system may count pages as written that it has failed to write.
			if err := alone(func() error { return rewriteLogs(s.opts.Dir) }); err != nil {
				return err
			}
		}
		if err := s.db.Sync(); err != nil {
			return err
		}
		return syncLogs(s.opts.Dir)
	})
	s.found(DiskSync, err)
	if err == nil {
		err = s.ask(DiskHead, func() error { return s.head(seq) })
		s.found(DiskHead, err)
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncing = false
	if err != nil || d.faults[DiskLook] != nil {
		d.late = append(covered, d.late...)
		return
	}
	if d.unsynced = d.next; !d.unsynced.IsZero() {
		s.stir()
	}
	for _, j := range covered {
		j.done <- struct{}{}
	}
}

// claim says whether a sync is to begin; if so, the caller must begin it. A sync that takes
// too long is a fault.
func (s *Store) claim() bool {
	d := &s.disk
	d.mu.Lock()
	if !d.syncing {
		// While the folder is not there, another one may be in its place.
		d.looks, d.syncing = 0, (!d.unsynced.IsZero() || d.fault() != nil) && d.faults[DiskLook] == nil
		defer d.mu.Unlock()
		return d.syncing
	}
	d.looks++
	long := time.Duration(d.looks)*s.opts.times.look > s.opts.times.sync
	d.mu.Unlock()
	if long {
		s.found(DiskSync, fmt.Errorf("a sync takes longer than %s", s.opts.times.sync))
	}
	return false
}

// busy is how long to wait for a pause between commits, 0 if there is a pause now. Because
// a pause is used for a sync, the last answers before it are on the disk at once.
func (s *Store) busy() time.Duration {
	d := &s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if more := max(s.opts.times.quiet-time.Since(d.latest), s.opts.times.look-time.Since(d.paused)); more > 0 {
		return more
	}
	d.paused = time.Now()
	return 0
}

// stir has the keeper wait for a pause, since there is something to sync.
func (s *Store) stir() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// acknowledge tells those whose acts are committed. It holds back the ends of answers that
// must not be told before they are on the disk.
func (s *Store) acknowledge(jobs []*job) {
	d, now := &s.disk, time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.latest = now; d.unsynced.IsZero() {
		d.unsynced = now
		s.stir()
	}
	if d.next.IsZero() {
		d.next = now
	}
	wait := d.fault() != nil || now.Sub(d.unsynced) > s.opts.times.late
	for _, j := range jobs {
		if wait && j.kind == jobSettle && j.err == nil {
			d.late = append(d.late, j)
		} else {
			j.done <- struct{}{}
		}
	}
}

// giveUp tells those who still wait for a sync that there will be none.
func (s *Store) giveUp() {
	d := &s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range d.late {
		j.err = cannotWrite(errors.New("the store was closed before it was on the disk"))
		j.done <- struct{}{}
	}
	d.late = nil
}

// makeBallast takes some room while there is plenty. Without it a close on a
// full disk may fail; nothing else depends on it.
func makeBallast(dir string) {
	path := filepath.Join(dir, ballastName)
	if info, err := os.Stat(path); err == nil && info.Size() == ballastSize {
		return
	}
	os.WriteFile(path, make([]byte, ballastSize), 0o600)
}

func dropBallast(dir string) { os.Remove(filepath.Join(dir, ballastName)) }

// folderBytes is what the files of a folder take, the ballast left out.
func folderBytes(dir string) (total int64) {
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == ballastName {
			return nil
		}
		if info, err := e.Info(); err == nil {
			total += diskBytes(info)
		}
		return nil
	})
	return total
}
