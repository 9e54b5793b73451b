package geo

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// OldAfter is the age from which a database is called old. Databases are published
// monthly, so an old one has missed half a dozen issues.
const OldAfter = 180 * 24 * time.Hour

// Options says where countries come from.
type Options struct {
	// Embedded gives the database in the binary. It is asked once, when the first address
	// is looked up that may be in a country.
	Embedded func() ([]byte, error)
	About    Info   // of the database in the binary
	Path     string // the owner's file; "" for none
}

// Info describes the database in use.
type Info struct {
	Path        string    `json:"-"`           // "" for the embedded one
	Type        string    `json:"type"`        // what the file calls itself, for example "GeoLite2-Country"
	Description string    `json:"description"` // its own words
	Built       time.Time `json:"built"`       // UTC; zero if the file does not say
	Problem     error     `json:"-"`           // why the owner's file is not the one in use, or not its newest state; nil if all is well
}

// Old reports whether a database is too old to be relied on.
func (i Info) Old(now time.Time) bool { return now.Sub(i.Built) > OldAfter }

// DB answers look-ups. Its methods may be called by many goroutines at a time;
// no look-up waits for a reload or for another look-up.
type DB struct {
	path  string
	state atomic.Pointer[state]

	mu   sync.Mutex  // guards the field that follows, and lets one reload run at a time
	seen fs.FileInfo // the owner's file as it was last read; nil if it could not be
}

type state struct {
	file func() *file // nil if it cannot be used
	info Info
}

// Open opens the owner's file or, if there is none or it cannot be used, the
// embedded database; Info then says what is wrong with the owner's. It fails if
// there is neither. Of the embedded one a test makes sure that it can be used. There is
// nothing to close.
func Open(o Options) (*DB, error) {
	db := &DB{path: o.Path}
	if o.Embedded != nil {
		db.state.Store(&state{sync.OnceValue(func() *file {
			content, err := o.Embedded()
			if err != nil {
				return nil
			}
			f, err := open(content)
			if err != nil {
				return nil
			}
			return f
		}), o.About})
	}
	if o.Path == "" {
		if o.Embedded == nil {
			return nil, errors.New("no country database is given")
		}
		return db, nil
	}
	if err := db.load(); err != nil && o.Embedded == nil {
		return nil, err
	}
	return db, nil
}

// Country returns the ISO 3166-1 alpha-2 code of the country that an address is
// in, or "" if it is not known. An address that is not of the public Internet
// (private, loopback, link-local, multicast) is in no country, nor is one with a
// zone. An IPv4 address written as IPv6 counts as what it is: a block list must
// not be got round by a way of writing.
func (db *DB) Country(ip netip.Addr) string {
	if ip.Zone() != "" {
		return ""
	}
	ip = ip.Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return ""
	}
	f := db.state.Load().file()
	if f == nil {
		return ""
	}
	return f.country(ip)
}

// Info describes the database in use.
func (db *DB) Info() Info { return db.state.Load().info }

// Reload looks whether the owner's file has changed since it was last read, and
// if so reads and checks it, which takes 0.1 s for a country file and 1 s for a
// city file. It reports whether it is in use from here on. A file that cannot be
// used leaves the database as it was; the error says why, once for as long as
// the reason is the same, and Info goes on saying so. Call it from a loop, every
// minute or so.
func (db *DB) Reload() (bool, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.path == "" {
		return false, nil
	}
	if is, err := os.Stat(db.path); err == nil && same(is, db.seen) {
		return false, nil
	}
	known := db.Info().Problem
	if err := db.load(); err != nil {
		if known != nil && err.Error() == known.Error() {
			return false, nil
		}
		return false, err
	}
	return true, nil
}

// load reads the owner's file and puts it to use. On an error it notes the
// problem and keeps what was in use.
func (db *DB) load() error {
	f, err := db.read()
	if err != nil {
		err = fmt.Errorf("the country database %s cannot be used: %w", db.path, err)
		if now := db.state.Load(); now != nil {
			kept := *now
			kept.info.Problem = err
			db.state.Store(&kept)
		}
		return err
	}
	db.state.Store(&state{func() *file { return f }, f.info(db.path)})
	return nil
}

const maxFile = 1 << 30 // bytes

func (db *DB) read() (*file, error) {
	db.seen = nil
	before, err := os.Stat(db.path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !before.Mode().IsRegular() || before.Size() > maxFile {
		return nil, fmt.Errorf("it is no file, or has more than %d bytes, which no country or city file has", maxFile)
	}
	content, err := os.ReadFile(db.path)
	if err != nil {
		return nil, withoutPath(err)
	}
	db.seen = before
	// A file that has changed since is not the one in db.seen, so the next look reads it.
	if after, err := os.Stat(db.path); err != nil || !same(before, after) {
		return nil, errors.New("it changed while it was read")
	}
	f, err := open(content)
	if err != nil {
		return nil, err
	}
	return f, f.check()
}

// same reports whether a file has not been written to or replaced. A copy that
// keeps size and time is still another file.
func same(a, b fs.FileInfo) bool {
	return a != nil && b != nil && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

// withoutPath strips what the sentence around the error says already.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
