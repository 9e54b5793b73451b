package badgerdb

import (
	"strings"
	"unicode"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// Schema is the version of everything in the store. The value that holds it is one byte.
// Since schema 2 the version of the program that wrote it stands behind that byte, so that
// an older program can name the version that is needed.
const Schema = 8

// familiesOf is how many families have rows in each schema.
var familiesOf = [...]int{1: 14, 2: 15, 3: 16, 4: 16, 5: 17, 6: 18, 7: 18, 8: 21}

// found is what a store says of its schema.
type found struct {
	schema byte   // 0: it is new
	filled uint64 // records up to here are in what an upgrade that was stopped has written
}

// upgrading is what a store says while it is brought up from a schema. No version begins
// with the zero byte, so no other program takes the store for its own.
func upgrading(from byte, filled uint64) []byte {
	var e encoder
	e.b = append(e.b, Schema, 0, from)
	e.uint(filled)
	return e.b
}

// readSchema reads the schema of the store, and refuses one that is newer than
// this program.
func (s *Store) readSchema(txn *badger.Txn) (f found, err error) {
	payload, err := get(txn, keySchema)
	switch {
	case err != nil:
		return f, err
	case payload == nil:
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		if it.Rewind(); !it.Valid() {
			return f, nil
		}
		fallthrough
	case len(payload) == 0 || payload[0] == 0:
		return f, tally.Errorf(tally.Corrupt, "the store in %s does not say what it is", s.opts.Dir).WithHint("choose another folder with --data, or restore a backup (tallygate backup restore BACKUPS --to NEW-DIR)")
	case payload[0] > Schema:
		return f, s.tooNew(payload[0], string(payload[1:]))
	}
	f.schema = payload[0]
	// While the program of schema 2 brought up a store of schema 1, it wrote {1, how far it
	// was}. Such an upgrade is begun anew, because that program did not count in all
	// families.
	if len(payload) > 2 && payload[1] == 0 {
		d := decoder{b: payload[3:]}
		f.schema, f.filled = payload[2], d.uint()
		err = d.end("how far an upgrade has come")
		if err == nil && (f.schema == 0 || f.schema >= Schema) {
			err = corrupt("the store says that it is brought up from schema %d", f.schema)
		}
	}
	return f, err
}

func (s *Store) tooNew(found byte, version string) error {
	writer, hint := "a newer tallygate", "install a newer tallygate"
	if version != "" && !strings.ContainsFunc(version, func(r rune) bool { return !unicode.IsPrint(r) }) {
		writer, hint = "tallygate "+version, "install tallygate "+version+" or newer"
	}
	return tally.Errorf(tally.Invalid, "the store in %s was written by %s (schema %d); this program reads up to schema %d", s.opts.Dir, writer, found, Schema).WithHint("%s", hint)
}

func (s *Store) writeSchema() error {
	if err := s.set(keySchema, append([]byte{Schema}, s.opts.Version...)); err != nil {
		return cannotWrite(err)
	}
	return nil
}
