// Package pgstore is the store of several nodes: storage.Cluster on PostgreSQL. It alone
// speaks to that database.
//
// Each node has a store of package badgerdb in a folder of its own, which is its journal:
// holds, records, recovery and the proof of all that stay as they are on one machine, and
// requests are admitted from memory. The database has what the nodes have in common: the
// entities and their audit log (config.go), the book of money (book.go), what each node may
// use of each limit (bank.go, exchange.go), and all records and sums, which nodes ship
// (ship.go). So a request costs a round trip only where a node was lent too little of a
// limit (package lease).
//
// A node answers of its own past from its journal, and adds what the database has of the
// others (history.go, sums.go). What others have done is known half a second late.
//
// Any error leaves open what became of a transaction. An act is therefore done under an ID
// that is kept with it (tx.go), a shipment under the number of the record before it, and an
// exchange under its number; each is repeated until it is known.
//
// Nothing is left on a connection, such as a statement by its name or a setting: a pooler may
// give each transaction another one. A server that takes no changes is none (open.go).
package pgstore
