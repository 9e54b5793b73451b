package process

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"tallygate/engine/tally"
)

// Logging says how a process logs.
type Logging struct {
	Format string // "text" or "json"
	Level  string // "debug", "info", "warn" or "error"; "" is info
	File   string // "" for where the process writes errors
}

// LogFormats and LogLevels are what [Logging] may say.
var (
	LogFormats = []string{"text", "json"}
	LogLevels  = []string{"debug", "info", "warn", "error"}
)

// Log is the log of a process.
type Log struct {
	*slog.Logger
	level *slog.LevelVar
	file  *logFile // nil where it goes to a writer of the caller's
}

// OpenLog opens a log in its file, or to w where it has none.
func OpenLog(w io.Writer, o Logging) (*Log, error) {
	l := &Log{level: new(slog.LevelVar)}
	l.SetLevel(o.Level)
	if o.File != "" {
		l.file = &logFile{path: o.File}
		if err := l.file.open(); err != nil {
			return nil, err
		}
		w = l.file
	}
	with := &slog.HandlerOptions{Level: l.level}
	if o.Format == "json" {
		l.Logger = slog.New(slog.NewJSONHandler(w, with))
	} else {
		l.Logger = slog.New(slog.NewTextHandler(w, with))
	}
	slog.SetDefault(l.Logger) // modules of others log there, which must not end up on a screen
	return l, nil
}

// SetLevel says from which level on things are logged.
func (l *Log) SetLevel(level string) {
	var is slog.Level
	is.UnmarshalText([]byte(strings.ToUpper(level))) // what is no level has been refused, and "" is info
	l.level.Set(is)
}

// Reopen opens the file again under its name: somebody has moved the old one away.
func (l *Log) Reopen() error {
	if l.file == nil {
		return nil
	}
	return l.file.open()
}

// Close closes the file.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.close()
}

// Name is where the file is, "" without one.
func (l *Log) Name() string {
	if l.file == nil {
		return ""
	}
	return l.file.path
}

// logFile appends to a file.
type logFile struct {
	path string
	mu   sync.Mutex // guards file
	file *os.File
}

// open opens the file, and lets go of the one from before once that has succeeded.
func (l *logFile) open() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return tally.Errorf(tally.Invalid, "the log %s cannot be written: %w", l.path, err).
			WithHint("make its folder writable for this process, or name another file with --log-file")
	}
	l.mu.Lock()
	old := l.file
	l.file = file
	l.mu.Unlock()
	if old != nil {
		old.Close() // what was written is written
	}
	return nil
}

// Write implements io.Writer.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(b)
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// Output is the file itself, for the output of another process.
func (l *Log) Output() *os.File {
	l.file.mu.Lock()
	defer l.file.mu.Unlock()
	return l.file.file
}

// LogIn is the usual log of a data folder whose process has no other place for one.
func LogIn(dir string) string { return filepath.Join(dir, LogFile) }
