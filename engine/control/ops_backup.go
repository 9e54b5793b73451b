package control

import "time"

// BackupSince says from which backup another one goes on; nothing: it is a whole one.
type BackupSince struct {
	ID      string `json:"id,omitempty" help:"id of the backup that it goes on from; nothing makes a whole one"`
	Store   string `json:"store,omitempty" help:"store that the other one is of"`
	Records uint64 `json:"records,omitempty" help:"number up to which the other one has the records"`
}

// Backups is how scheduled backups are.
type Backups struct {
	Dir     string        `json:"dir"`
	Every   time.Duration `json:"every_ns"`
	At      time.Time     `json:"at,omitzero"`    // of the latest; zero: there is none yet
	Tried   time.Time     `json:"tried,omitzero"` // when one was last begun
	File    string        `json:"file,omitempty"`
	Bytes   int64         `json:"bytes,omitempty"`
	Problem string        `json:"problem,omitempty"` // why the next one failed, "" if it did not
}

// The operations on backups. Create writes a file of package storage/backup.
var (
	BackupCreate = Stream[BackupSince]{"backup.create", Write, "write a backup of everything, while requests go on"}
)
