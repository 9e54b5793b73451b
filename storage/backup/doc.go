// Package backup is what a backup of a store looks like: a file that says what it is,
// followed by the rows of the store, in any order, and by how many they were.
//
//	tallygate backup 1⏎        in the clear
//	zstd of:
//	  length header            JSON, an Info
//	  length key length value  each row; lengths are uvarints, that of a key is never 0
//	  0 length totals          JSON, a Totals: what is cut off has none
//
// A backup is whole, or takes only those records that another one does not have, with
// everything else as it is now: it is restored together with that one, from which only
// records are taken. So nothing that was deleted comes back.
//
// Only a store's package knows what its rows mean. The folder in which backups lie, how
// they are called, chosen and rotated, is in folder.go.
package backup
