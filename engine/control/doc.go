// Package control is the owner's one road into the engine: typed operations,
// one HTTP handler, one client, and the transports between them.
//
// An operation is declared once, as an [Op] in ops_*.go; the engine implements
// it with [Handle]; everyone else calls [Op.Do] on a [Caller]. A screen in the
// same process and a command on another machine differ only in the dialer of
// their [Client]: in memory, a unix socket, or whatever carries a byte stream.
//
// On the wire an operation is POST /control/v1/{name} with a JSON object and
// answers a JSON value, or {"code","message","hint"} with a matching status.
// GET /control/v1/events streams events as lines of JSON. GET /control/v1/
// lists the operations and their fields. Amounts of money are integers named
// …_nano_usd, with an exact decimal string beside them where people read.
//
// Names of fields, their help and their flags come from the struct tags of the
// input types: `json` names, `help` explains, `arg:"1"` marks a positional
// argument of the command line.
package control
