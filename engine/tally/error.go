package tally

import (
	"errors"
	"fmt"
)

// Code classifies an error. It survives the control plane's network, and the
// command line turns it into an exit code.
type Code string

// The codes.
const (
	Invalid     Code = "invalid"     // the input is wrong; the message says how
	NotFound    Code = "not_found"   // the thing does not exist
	Conflict    Code = "conflict"    // the name is taken, or the thing changed meanwhile
	InUse       Code = "in_use"      // another process or another thing uses it
	Denied      Code = "denied"      // the caller may not do this
	Unavailable Code = "unavailable" // not now: stopping, disk nearly full, engine not reachable
	Corrupt     Code = "corrupt"     // stored data failed a check
	Internal    Code = "internal"    // a defect of ours
	Upstream    Code = "upstream"    // a provider failed
)

// Error is what every operation returns when it fails: what happened in words
// for the owner, and the next step.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Err     error  `json:"-"`
}

// Errorf makes an error; a %w verb becomes its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns the error with the next step for the owner.
func (e *Error) WithHint(format string, args ...any) *Error {
	with := *e
	with.Hint = fmt.Sprintf(format, args...)
	return &with
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first Error in err's chain, Internal for any
// other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// AsError returns the first Error in err's chain, or err as an Internal one.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: Internal, Message: err.Error(), Err: err}
}
