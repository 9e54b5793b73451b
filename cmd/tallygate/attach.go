package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// patience is how long a command waits for another process that is just
// starting, stopping or finishing a command of its own.
const patience = 5 * time.Second

// answerPatience is how long an engine may take to say that it is there.
const answerPatience = 3 * time.Second

// connection is a way to an engine, in this process or in another.
type connection struct {
	control.Caller
	close func() error // lets go of it
}

// connect finds the engine of the data folder: the one that another process
// runs, or else one over the store, opened here and closed again by close. A
// folder without a store is NotFound unless create is set. Who needs to read only
// gets an engine that does nothing by itself.
func (a *app) connect(ctx context.Context, doing string, need control.Need, create bool) (connection, error) {
	dir, err := a.dataDir()
	if err != nil {
		return connection{}, err
	}
	if !create && !hasStore(dir) {
		return connection{}, nothingThere(dir)
	}
	if err := prepareData(dir); err != nil {
		return connection{}, err
	}
	l, other, err := lockOrServer(ctx, dir, doing)
	if err != nil {
		return connection{}, err
	}
	if l == nil {
		return attachTo(other.Socket, commandLine), nil
	}
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	n, err := openNode(ctx, l, nodeOptions{dir: dir, log: log, version: a.version, reads: need == control.Read})
	if err != nil {
		return connection{}, errors.Join(err, l.release())
	}
	caller := n.start()
	caller.Program = commandLine
	return connection{caller, func() error { caller.Close(); return n.close() }}, nil
}

// What the audit log calls the kinds of this program's callers.
const (
	commandLine = "command line"
	screens     = "interface"
)

func attachTo(socket, program string) connection {
	client := control.NewClient(control.DialUnix(socket))
	client.Program = program
	return connection{client, func() error { client.Close(); return nil }}
}

// attach reaches the engine that serves the data folder, and opens none.
func (a *app) attach(ctx context.Context) (connection, error) {
	dir, err := a.dataDir()
	if err != nil {
		return connection{}, err
	}
	if !hasStore(dir) {
		return connection{}, nothingThere(dir)
	}
	if other := readHolder(dir); other.Socket != "" && answers(ctx, other.Socket) {
		return attachTo(other.Socket, commandLine), nil
	}
	return connection{}, tally.Errorf(tally.Unavailable, "nothing serves the data folder %s", dir).WithHint("start it with tallygate serve")
}

func nothingThere(dir string) error {
	return tally.Errorf(tally.NotFound, "there is no data of tallygate in %s", dir).WithHint("tallygate init --yes, or name another folder with --data")
}

// lockOrServer takes the lock of a data folder, or says which process serves
// it. The other process may be between the two: then it waits a little.
func lockOrServer(ctx context.Context, dir, doing string) (*lock, holder, error) {
	for deadline := time.Now().Add(patience); ; {
		l, other, err := takeLock(dir, doing)
		switch {
		case err == nil:
			return l, holder{}, nil
		case !errors.Is(err, errLocked):
			// Who serves it can be asked though its disk takes nothing any more.
			if other = readHolder(dir); other.Socket != "" && answers(ctx, other.Socket) {
				return nil, other, nil
			}
			return nil, holder{}, err
		case other.Socket != "" && answers(ctx, other.Socket):
			return nil, other, nil
		case time.Now().After(deadline):
			if other.Socket != "" {
				return nil, holder{}, silent(dir, other)
			}
			return nil, holder{}, inUse(dir, other)
		}
		select {
		case <-ctx.Done():
			return nil, holder{}, errInterrupted
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// inUse says who has a data folder.
func inUse(dir string, by holder) error {
	switch {
	case by.PID == 0:
		return tally.Errorf(tally.InUse, "another process uses the data folder %s", dir).WithHint("try again, or name another folder with --data")
	case by.Socket != "":
		return tally.Errorf(tally.InUse, "the data folder %s is served by process %d", dir, by.PID).WithHint("ask it with tallygate status, or name another folder with --data")
	}
	return tally.Errorf(tally.InUse, "process %d (tallygate %s) uses the data folder %s", by.PID, by.Doing, dir).WithHint("try again when it has ended, or name another folder with --data")
}

// silent says that the process that serves a data folder cannot be asked.
func silent(dir string, by holder) error {
	if _, err := os.Lstat(by.Socket); errors.Is(err, fs.ErrNotExist) {
		return tally.Errorf(tally.InUse, "process %d serves the data folder %s, and its socket %s is gone", by.PID, dir, by.Socket).
			WithHint("it goes on for its clients; to reach it again, stop it with kill %d and start it again", by.PID)
	}
	return tally.Errorf(tally.InUse, "process %d serves the data folder %s and does not answer", by.PID, dir).
		WithHint("it may be stopped (kill -CONT %d wakes it) or hang: its log may say why; kill %d ends it", by.PID, by.PID)
}

// answers asks for what cannot take long: a process that is stopped has a socket that
// can be reached, too.
func answers(ctx context.Context, socket string) bool {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	c := control.NewClient(control.DialUnix(socket))
	defer c.Close()
	_, err := c.Operations(ctx)
	return err == nil
}
