// Package pgstore is the store that several nodes share: a PostgreSQL, or a database that
// speaks like one.
package pgstore
