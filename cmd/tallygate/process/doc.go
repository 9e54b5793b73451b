// Package process is the life of a process that runs an engine over a data folder:
// it guards the folder and its lock, opens the store and assembles the engine, serves
// client apps, and ends all of it again, or hands it over to another process.
//
// The chapters: folder.go and lock.go guard the folder, take.go finds out whose it is,
// process.go assembles the engine, serve.go lets client apps in and out, listen.go and
// handover_unix.go say through which socket, memory.go keeps to what memory there is,
// and late.go is for callers who cannot wait for the store.
//
// What people read or type is not here: a command takes the lock with [Take], opens
// the engine with [Open], and speaks to it through the caller that it gets.
package process
