package badgerdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// stubborn is a store on a disk whose steps can be made to fail.
type stubborn struct {
	*world
	step  atomic.Int64 // that fails; -1 for none
	cause error
	hang  atomic.Pointer[chan struct{}] // nil: it fails; else it waits for this
	poked int
}

func newStubborn(t *testing.T, times diskTimes) *stubborn {
	d := &stubborn{world: newWorld(t), cause: errors.New("input/output error")}
	d.step.Store(-1)
	if err := d.Store.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, Options{Dir: d.dir, chunkBits: 2, upgradeRecords: 3, times: times, Disk: func(step DiskStep) error {
		if DiskStep(d.step.Load()) != step {
			return nil
		}
		if hang := d.hang.Load(); hang != nil {
			<-*hang
			return nil
		}
		return d.cause
	}})
	if err != nil {
		t.Fatal(err)
	}
	d.Store = s
	return d
}

// until waits for something that is to come true.
func (d *stubborn) until(what string, is func() bool) {
	d.Helper()
	for range 1000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	d.Fatalf("it does not come to this: %s", what)
}

func (d *stubborn) status() storage.Status {
	d.Helper()
	st, err := d.Status(context.Background())
	if err != nil {
		d.Fatal(err)
	}
	return st
}

// Whichever way the disk fails, nothing is admitted and no answer comes to its end until
// the disk works again. Nothing is lost.
func TestDiskSaysNo(t *testing.T) {
	times := usualTimes
	times.look = 20 * time.Millisecond
	for step, name := range map[DiskStep]string{DiskLook: "look", DiskSpace: "space", DiskSync: "sync", DiskHead: "head"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newStubborn(t, times)
			if err := d.reserve("req_1"); err != nil {
				t.Fatal(err)
			}
			d.step.Store(int64(step))
			d.until("a fault", func() bool { return d.Fault() != nil || d.poke() })
			if st := d.status(); st.Admitting || st.Fault == "" {
				t.Errorf("status says %+v", st)
			}
			if err := d.reserve("req_2"); tally.CodeOf(err) != tally.Unavailable {
				t.Errorf("it admits: %v", err)
			}
			ended := make(chan error, 1)
			go func() { ended <- d.settle("req_1") }()
			d.until("the settlement", func() bool { n, _ := d.Holds(ctx, storage.HoldQuery{}); return n.Count == 0 })
			if step != DiskSpace { // what is in the logs that are there is on the disk
				select {
				case err := <-ended:
					t.Fatalf("an answer ends that is not on the disk (%v)", err)
				case <-time.After(5 * times.look):
				}
			}
			d.step.Store(-1)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			d.until("admission", func() bool { return d.reserve("req_3") == nil })
			if st := d.status(); !st.Admitting || st.Fault != "" {
				t.Errorf("status says %+v", st)
			}
			d.sound()
		})
	}
}

// poke gives the disk something to sync.
func (d *stubborn) poke() bool {
	d.poked++
	d.refuse(tally.ID(fmt.Sprint("req_p", d.poked)))
	return false
}

// A folder that is moved away is noticed, though all files in it are still open.
func TestFolderIsMoved(t *testing.T) {
	times := usualTimes
	times.look = 20 * time.Millisecond
	d := newStubborn(t, times)
	dir := d.dir
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Skip(err) // Windows does not let it
	}
	d.until("a fault", func() bool { return d.Fault() != nil })
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * times.look)
	if d.Fault() == nil {
		t.Error("another folder in its place will do")
	}
	if err := errors.Join(os.Remove(dir), os.Rename(dir+"-moved", dir)); err != nil {
		t.Fatal(err)
	}
	d.until("admission", func() bool { return d.reserve("req_1") == nil })
}

// A store whose folder was moved away writes nothing into another one that has its
// name, not even as it is closed; what it has is recovered where it is.
func TestCloseInAnotherFolder(t *testing.T) {
	times := usualTimes
	times.look = time.Hour // it has not been noticed
	d := newStubborn(t, times)
	if err := errors.Join(d.reserve("req_1"), d.settle("req_1"), d.reserve("req_2")); err != nil {
		t.Fatal(err)
	}
	moved := d.dir + "-moved"
	if err := os.Rename(d.dir, moved); err != nil {
		t.Skip(err) // Windows does not let it
	}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.Store.Close(); tally.CodeOf(err) != tally.Unavailable || !strings.Contains(err.Error(), "not where it was") {
		t.Errorf("closed with %v", err)
	}
	if left, err := os.ReadDir(d.dir); err != nil || len(left) > 0 {
		t.Errorf("in the other folder: %v, %v", left, err)
	}
	d.dir = t.TempDir() + "/s"
	if err := copyFolder(d.dir, moved); err != nil {
		t.Fatal(err)
	}
	d.start()
	d.orphan()
	d.agree()
}

// A log's space is taken when the store is opened, and that of each log to come as
// soon as it is seen: what is mapped over a hole is a crash on a full disk.
func TestLogsHaveTheirSpace(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system gives no space ahead")
	}
	w := newWorld(t)
	sparse := filepath.Join(w.dir, "00999.mem")
	lacks := func() (names []string) {
		for _, kind := range []string{"*.mem", "*.vlog"} {
			list, _ := filepath.Glob(filepath.Join(w.dir, kind))
			for _, name := range list {
				if info, err := os.Stat(name); err == nil && diskBytes(info) < info.Size() {
					names = append(names, name)
				}
			}
		}
		return names
	}
	if list := lacks(); len(list) > 0 {
		t.Errorf("at the start: %v", list)
	}
	f, err := os.Create(sparse)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(sparse)
	if err := errors.Join(f.Truncate(1<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	(&stubborn{world: w}).until("space", func() bool { return len(lacks()) == 0 })
}

// A sync that hangs keeps the ends of answers back. After a time it is a fault, and after a
// longer time the end of the store. It does not keep the store from closing.
func TestDiskHangs(t *testing.T) {
	d := newStubborn(t, diskTimes{look: 10 * time.Millisecond, late: 50 * time.Millisecond, sync: 300 * time.Millisecond, fault: 200 * time.Millisecond, close: time.Minute, faultyClose: 50 * time.Millisecond})
	if err := d.reserve("req_1"); err != nil {
		t.Fatal(err)
	}
	hang := make(chan struct{})
	d.hang.Store(&hang)
	d.step.Store(int64(DiskSync))
	d.until("the end", func() bool {
		d.poke()
		select {
		case <-d.Broken():
			return true
		default:
			return false
		}
	})
	ended := make(chan error, 1)
	go func() { ended <- d.settle("req_1") }()
	d.until("the settlement", func() bool { n, _ := d.Holds(ctx, storage.HoldQuery{}); return n.Count == 0 })
	if err := d.Store.Close(); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("closed on a disk that hangs: %v", err)
	}
	if err := <-ended; tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("an answer ends that may not be on the disk: %v", err)
	}
	d.step.Store(-1)
	close(hang)
	d.until("the rest of closing", d.db.IsClosed)
	d.reading.Lock() // it writes the head
	defer d.reading.Unlock()
}

// A disk without room is waited for.
func TestFullDiskIsNotTheEnd(t *testing.T) {
	d := newStubborn(t, diskTimes{look: 5 * time.Millisecond, late: time.Second, sync: time.Second, fault: 20 * time.Millisecond, close: time.Minute, faultyClose: time.Second})
	d.cause = fullDisk
	d.step.Store(int64(DiskHead))
	d.until("a fault", func() bool { return d.Fault() != nil || d.poke() })
	select {
	case <-d.Broken():
		t.Error("it gives up")
	case <-time.After(200 * time.Millisecond):
	}
}

// There is one sync at a time: two would take the head from each other.
func TestOneSyncAtATime(t *testing.T) {
	w := newWorld(t)
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	var under, most, syncs atomic.Int64
	times := usualTimes
	times.look, times.quiet = time.Millisecond, time.Microsecond
	s, err := Open(ctx, Options{Dir: w.dir, chunkBits: 2, times: times, Disk: func(step DiskStep) error {
		switch step {
		case DiskSync:
			most.Store(max(most.Load(), under.Add(1)))
			syncs.Add(1)
			time.Sleep(time.Millisecond)
		case DiskHead:
			under.Add(-1)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.Store = s
	for i := 0; syncs.Load() < 50 && i < 5000; i++ {
		if err := w.refuse(tally.ID(fmt.Sprint("req_", i))); err != nil {
			t.Fatal(err)
		}
	}
	if most.Load() != 1 || w.Fault() != nil {
		t.Errorf("%d at once, fault %v", most.Load(), w.Fault())
	}
}
