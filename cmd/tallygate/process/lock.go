package process

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Holder is what the lock file says about the process that holds the lock.
type Holder struct {
	PID    int    `json:"pid"`
	Doing  string `json:"doing"`            // the command, for people
	Socket string `json:"socket,omitempty"` // where its engine answers; "" while it does not
}

// Lock is the right to open the store of a data folder. The operating system
// lets go of it when the process ends, however it ends; what the file says then
// is stale.
type Lock struct {
	file *os.File
	Holder
}

// errLocked says that another process has the lock.
var errLocked = errors.New("another process has the lock")

// takeLock takes the lock of a prepared data folder. If it is taken, the error
// is errLocked, and the Holder is what the file says, as far as it can be read:
// the other process may be writing it.
func takeLock(dir, doing string) (*Lock, Holder, error) {
	path := filepath.Join(dir, lockFile)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, Holder{}, folderError(dir, err)
	}
	locked, err := tryLock(file)
	if err != nil {
		file.Close()
		return nil, Holder{}, tally.Errorf(tally.Internal, "lock file %s: %w", path, err).WithHint("the data folder must be on a file system that has locks")
	}
	if !locked {
		file.Close()
		return nil, ReadHolder(dir), errLocked
	}
	if stale := ReadHolder(dir); stale.Socket != "" { // its process was killed
		control.RemoveSocket(stale.Socket)
	}
	l := &Lock{file: file, Holder: Holder{PID: os.Getpid(), Doing: doing}}
	if err := l.write(); err != nil {
		file.Close()
		return nil, Holder{}, err
	}
	return l, Holder{}, nil
}

// ReadHolder says what the lock file says. Unless the lock was found taken, that
// may be about a process that has ended.
func ReadHolder(dir string) Holder {
	var h Holder
	text, _ := os.ReadFile(filepath.Join(dir, lockFile))
	json.Unmarshal(text, &h) // what cannot be read is unknown
	return h
}

// announce tells others where the engine answers.
func (l *Lock) announce(socket string) error {
	l.Socket = socket
	return l.write()
}

func (l *Lock) write() error {
	text, err := json.Marshal(l.Holder)
	if err == nil {
		err = l.file.Truncate(0)
	}
	if err == nil {
		_, err = l.file.WriteAt(append(text, '\n'), 0)
	}
	if err != nil {
		return tally.Errorf(tally.Internal, "write the lock file: %w", err)
	}
	return nil
}

// Release lets others have the lock. The file stays: removing it would let two
// processes lock two files of one name.
func (l *Lock) Release() error {
	l.file.Truncate(0) // so that nobody looks for us; best effort
	return l.file.Close()
}
