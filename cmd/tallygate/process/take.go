package process

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// patience is how long a command waits for another process that is just
// starting, stopping or finishing a command of its own.
const patience = 5 * time.Second

// answerPatience is how long an engine may take to say that it is there.
const answerPatience = 3 * time.Second

// Take takes the lock of a prepared data folder for doing something, in words of
// people; where another process serves the folder there is no lock, and its holder
// instead. The other process may be between the two: then Take waits a little. A
// folder that is used and cannot be asked is InUse.
func Take(ctx context.Context, dir, doing string) (*Lock, Holder, error) {
	for deadline := time.Now().Add(patience); ; {
		l, other, err := takeLock(dir, doing)
		switch {
		case err == nil:
			return l, Holder{}, nil
		case !errors.Is(err, errLocked):
			// Who serves it can be asked though its disk takes nothing any more.
			if other = ReadHolder(dir); other.Answers(ctx) {
				return nil, other, nil
			}
			return nil, Holder{}, err
		case other.Answers(ctx):
			return nil, other, nil
		case time.Now().After(deadline):
			if other.Socket != "" {
				return nil, Holder{}, other.Silent(dir)
			}
			return nil, Holder{}, other.InUse(dir)
		}
		select {
		case <-ctx.Done():
			return nil, Holder{}, ctx.Err()
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// InUse is the error that says who has a data folder.
func (h Holder) InUse(dir string) error {
	switch {
	case h.PID == 0:
		return tally.Errorf(tally.InUse, "another process uses the data folder %s", dir).WithHint("try again, or name another folder with --data")
	case h.Socket != "":
		return tally.Errorf(tally.InUse, "the data folder %s is served by process %d", dir, h.PID).WithHint("ask it with tallygate status, or name another folder with --data")
	}
	return tally.Errorf(tally.InUse, "process %d (tallygate %s) uses the data folder %s", h.PID, h.Doing, dir).WithHint("try again when it has ended, or name another folder with --data")
}

// Reach finds the process that serves a data folder, and opens nothing. The error is
// Unavailable if none does, and InUse for one that does not answer.
func Reach(ctx context.Context, dir string) (Holder, error) {
	h := ReadHolder(dir)
	if h.Answers(ctx) {
		return h, nil
	}
	if free, err := IsFree(dir); h.Socket != "" && !free && err == nil {
		return Holder{}, h.Silent(dir)
	}
	return Holder{}, tally.Errorf(tally.Unavailable, "nothing serves the data folder %s", dir).
		WithHint("start it with tallygate serve")
}

// IsFree reports whether no process has the lock of a data folder.
func IsFree(dir string) (bool, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0o600)
	if err != nil {
		return false, folderError(dir, err)
	}
	defer file.Close() // lets go of it again
	return tryLock(file)
}

// Silent says that the process that serves a data folder cannot be asked.
func (h Holder) Silent(dir string) error {
	if _, err := os.Lstat(h.Socket); errors.Is(err, fs.ErrNotExist) {
		return tally.Errorf(tally.InUse, "process %d serves the data folder %s, and its socket %s is gone", h.PID, dir, h.Socket).
			WithHint("it goes on for its clients; to reach it again, stop it with kill %d and start it again", h.PID)
	}
	return tally.Errorf(tally.InUse, "process %d serves the data folder %s and does not answer", h.PID, dir).
		WithHint("it may be stopped: kill -CONT %d wakes it, and tallygate stop ends it then. "+
			"Or it hangs: its log may say why, and kill %d ends it", h.PID, h.PID)
}

// Ended returns once the process has let go of the folder, or when ctx ends.
func (h Holder) Ended(ctx context.Context, dir string) error {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for ReadHolder(dir).PID == h.PID {
		if free, err := IsFree(dir); free || err != nil { // one that was killed has left what it wrote
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Answers reports whether the engine of the process can be asked. It asks for what
// cannot take long: a process that is stopped has a socket that can be reached, too.
func (h Holder) Answers(ctx context.Context) bool {
	if h.Socket == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	c := control.NewClient(control.DialUnix(h.Socket))
	defer c.Close()
	_, err := c.Operations(ctx)
	return err == nil || tally.CodeOf(err) == tally.Denied // not to us, but it answers
}
