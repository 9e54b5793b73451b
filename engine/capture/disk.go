package capture

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// A capture on disk is a folder, named after its key or client, with a sealed file for its
// terms and one for each exchange. Nothing in it opens without the key of the store, and
// only under its own name.

const termsFile = "terms"

func (s *Store) folder(r *ring) string {
	_, id := r.Of.Split()
	return filepath.Join(s.dir, string(id))
}

// nameOf is what a file is sealed for.
func nameOf(r *ring, file tally.ID) tally.ID {
	_, id := r.Of.Split()
	return "capture/" + id + "/" + file
}

func (s *Store) sealed(r *ring, file tally.ID, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, tally.Errorf(tally.Internal, "capture: %w", err)
	}
	return s.seal.Seal(nameOf(r, file), plain), nil
}

// write writes a file, whole or not at all: a disk that is full keeps nothing of it, and what
// the file had before stays.
func (s *Store) write(r *ring, file tally.ID, sealed []byte) error {
	path := filepath.Join(s.folder(r), string(file))
	err := os.WriteFile(path+".new", sealed, 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		os.Remove(path + ".new")
		return tally.Errorf(tally.Unavailable, "capture: %w", err).WithHint("look at the disk, or leave out --disk")
	}
	return nil
}

// writeTerms makes the folder of a capture, and writes its terms.
func (s *Store) writeTerms(r *ring) error {
	if err := os.MkdirAll(s.folder(r), 0o700); err != nil {
		return tally.Errorf(tally.Unavailable, "capture: %w", err).WithHint("look at the disk, or leave out --disk")
	}
	sealed, err := s.sealed(r, termsFile, &r.Terms)
	if err != nil {
		return err
	}
	return s.write(r, termsFile, sealed)
}

func (s *Store) open(r *ring, file tally.ID, v any) (size int64, err error) {
	sealed, err := os.ReadFile(filepath.Join(s.folder(r), string(file)))
	if err != nil {
		return 0, tally.Errorf(tally.Unavailable, "capture: %w", err)
	}
	plain, err := s.seal.Open(nameOf(r, file), sealed)
	if err == nil {
		err = json.Unmarshal(plain, v)
	}
	return int64(len(sealed)), err
}

func (s *Store) read(r *ring, file tally.ID) (x Exchange, err error) {
	_, err = s.open(r, file, &x)
	return x, err
}

func (s *Store) remove(r *ring, file tally.ID) {
	if err := os.Remove(filepath.Join(s.folder(r), string(file))); err != nil {
		s.log.Error("what was captured could not be removed", "err", err)
	}
}

func (s *Store) removeFolder(r *ring) {
	if !r.Disk {
		return
	}
	if err := os.RemoveAll(s.folder(r)); err != nil {
		s.log.Error("what was captured could not be removed", "err", err)
	}
	os.Remove(s.dir) // once it is empty
}

// load takes over what the folder holds, with mu held.
func (s *Store) load(now time.Time) {
	if s.dir == "" {
		return
	}
	folders, _ := os.ReadDir(s.dir) // none, as a rule
	for _, f := range folders {
		kind := "key"
		if strings.HasPrefix(f.Name(), "cl_") {
			kind = "client"
		}
		r := &ring{Terms: Terms{Of: tally.SubjectOf(kind, tally.ID(f.Name())), Disk: true}}
		of := r.Of
		if _, err := s.open(r, termsFile, &r.Terms); err != nil || r.Of != of || !now.Before(r.Until) {
			r.Terms = Terms{Of: of, Disk: true}
			s.log.Info("a capture that is over was removed", "of", of)
			s.removeFolder(r)
			continue
		}
		r.until.Store(r.Until.UnixNano())
		r.size.Store(r.Size)
		s.rings[of] = r
		s.loadExchanges(r)
	}
}

func (s *Store) loadExchanges(r *ring) {
	files, _ := os.ReadDir(s.folder(r))
	for _, f := range files {
		id := tally.ID(f.Name())
		if id == termsFile {
			continue
		}
		k := &kept{}
		var x Exchange
		var err error
		if k.size, err = s.open(r, id, &x); err != nil || x.ID != id { // a crash has cut it
			s.remove(r, id)
			continue
		}
		k.Head = x.Head
		r.kept, r.bytes = append(r.kept, k), r.bytes+k.size
	}
	tally.OrderStable(r.kept, func(a, b *kept) int { return a.At.Compare(b.At) })
	s.push(r, 0)
}

// Reseal seals all files anew, after the key of the store has changed.
func (s *Store) Reseal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rings {
		if !r.Disk {
			continue
		}
		err := s.writeTerms(r)
		for _, k := range r.kept {
			x, failed := s.read(r, k.ID)
			var sealed []byte
			if failed == nil {
				sealed, failed = s.sealed(r, k.ID, &x)
			}
			if failed == nil {
				failed = s.write(r, k.ID, sealed)
			}
			if failed != nil {
				err = failed
			}
		}
		if err != nil {
			s.log.Error("what was captured could not be sealed anew", "err", err)
		}
	}
}
