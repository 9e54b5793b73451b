package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// dataDir is the absolute path of the data folder, which need not exist.
func (a *app) dataDir() (string, error) {
	dir := a.data
	if dir == "" {
		var err error
		if dir, err = process.DefaultFolder(a.env); err != nil {
			return "", err
		}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", tally.Errorf(tally.Invalid, "data folder: %w", err)
	}
	return abs, nil
}

// defaultData is the data folder without --data, for the help.
func (a *app) defaultData() string {
	dir, err := process.DefaultFolder(a.env)
	if err != nil {
		return "none"
	}
	return dir
}

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
	if a.elsewhere() {
		return a.reach(commandLine)
	}
	dir, err := a.dataDir()
	if err != nil {
		return connection{}, err
	}
	if !create {
		if err := mustBeThere(dir); err != nil {
			return connection{}, err
		}
	}
	if err := process.Prepare(dir); err != nil {
		return connection{}, err
	}
	l, other, err := process.Take(ctx, dir, doing)
	if err != nil {
		return connection{}, err
	}
	if l == nil {
		return a.attachTo(other, dir, commandLine), nil
	}
	keys, err := a.keys(ctx, dir, "")
	if err != nil {
		return connection{}, errors.Join(err, l.Release())
	}
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	p, err := process.Open(ctx, l, process.Options{Dir: dir, Log: log, Version: a.version, Keys: keys, Reads: need == control.Read})
	if err != nil {
		return connection{}, errors.Join(err, l.Release())
	}
	caller := p.Start()
	a.introduce(caller, commandLine)
	return connection{caller, func() error { caller.Close(); return p.Close() }}, nil
}

// What the audit log calls the kinds of this program's callers.
const (
	commandLine = "command line"
	screens     = "interface"
)

// introduce says what kind of program a client calls for, and has people read what is said
// beside answers, once. Programs that read JSON do not.
func (a *app) introduce(client *control.Client, program string) {
	client.Program = program
	if program == screens {
		client.Aside = func(string) {} // the first line of the screen says so
	} else if !a.json {
		var once sync.Once
		client.Aside = func(sentence string) { once.Do(func() { fmt.Fprintln(a.stderr, "note: "+sentence) }) }
	}
}

func (a *app) attachTo(other process.Holder, dir, program string) connection {
	client := control.NewClient(control.DialUnix(other.Socket))
	a.introduce(client, program)
	client.Silent = func() error { return other.Silent(dir) }
	return connection{client, func() error { client.Close(); return nil }}
}

// attach reaches the engine that serves the data folder, and opens none.
func (a *app) attach(ctx context.Context) (connection, error) {
	if a.elsewhere() {
		return a.reach(commandLine)
	}
	dir, err := a.dataDir()
	if err != nil {
		return connection{}, err
	}
	if err := mustBeThere(dir); err != nil {
		return connection{}, err
	}
	other, err := process.Reach(ctx, dir)
	if err != nil {
		return connection{}, err
	}
	return a.attachTo(other, dir, commandLine), nil
}

// mustBeThere is the error of a data folder that has no store, or may not be looked into.
func mustBeThere(dir string) error {
	if there, err := process.HasStore(dir); err != nil || there {
		return err
	}
	return tally.Errorf(tally.NotFound, "there is no data of tallygate in %s", dir).WithHint("tallygate init --yes, or name another folder with --data")
}
