package pgstore

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"tallygate/engine/tally"
)

// causes is an error of the driver in one line, for people: only why, and each cause once. The
// driver tells of all addresses and ways that it has tried, in a line each, with the user.
type causes struct {
	text string
	err  error
}

func (c *causes) Error() string { return c.text }
func (c *causes) Unwrap() error { return c.err }

// causesOf is nil for nil. Errors of package tally stay as they are.
func causesOf(err error) error {
	var ours *tally.Error
	var told *causes
	if err == nil || errors.As(err, &ours) || errors.As(err, &told) {
		return err
	}
	var list []string
	eachCause(err, func(text string) {
		if text = strings.Join(strings.Fields(text), " "); !slices.Contains(list, text) {
			list = append(list, text)
		}
	})
	return &causes{strings.Join(list, "; "), err}
}

func eachCause(err error, f func(string)) {
	if of, is := err.(*pgconn.PgError); is {
		f(of.Message) // its details may tell what is in rows
		return
	}
	if of, is := err.(interface{ Unwrap() []error }); is {
		for _, err := range of.Unwrap() {
			eachCause(err, f)
		}
		return
	}
	if of := errors.Unwrap(err); of != nil {
		eachCause(of, f)
		return
	}
	f(err.Error())
}
