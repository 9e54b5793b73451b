package dialect

import (
	"errors"
	"fmt"

	"tallygate/engine/tally"
	"tallygate/providers/dialect/wire"
)

// Failure is what a client is told in the place of an answer, or behind the part of one.
// It is also the error of everything in this package.
type Failure struct {
	// Status is that of the answer: 400 where the caller is at fault, 502 where an
	// upstream is. Of a failure that an upstream told in its stream it is the one that the
	// upstream would have given before.
	Status  int
	Message string
	// Type and Code are those of the public plane, which OpenAI's dialects use as they are:
	// invalid_request_error, rate_limit_exceeded…; model_not_found, cost_limit… Messages
	// derives its type from the status and keeps the code in the details.
	Type, Code string
	Param      string // the field at fault
	// Details are more members of the details of messages, written as `"key":value`, "" for
	// none.
	Details   string
	RequestID string
	// Told is whether an upstream has told of the failure itself.
	Told bool
}

func (f *Failure) Error() string { return f.Message }

// Unwrap gives the failure a tally code.
func (f *Failure) Unwrap() error {
	code := tally.Upstream
	if f.Status < 500 && !f.Told {
		code = tally.Invalid
	}
	return tally.Errorf(code, "%s", f.Message)
}

// Invalid is a failure of the caller's, at a field of the request.
func Invalid(param, format string, args ...any) *Failure {
	return &Failure{
		Status: 400, Type: "invalid_request_error", Code: "invalid_value", Param: param,
		Message: fmt.Sprintf(format, args...),
	}
}

// Unsupported is a failure of a request that asks for what cannot be translated.
func Unsupported(param, format string, args ...any) *Failure {
	f := Invalid(param, format, args...)
	f.Code = "unsupported_parameter"
	return f
}

// WrongType is a failure of a field that has a value of the wrong type.
func WrongType(param, want string) *Failure {
	f := Invalid(param, "%q must be %s", param, want)
	f.Code = "invalid_type"
	return f
}

// BadAnswer is a failure of an upstream that does not speak its dialect.
func BadAnswer(format string, args ...any) *Failure {
	return &Failure{Status: 502, Type: "upstream_error", Code: "bad_answer", Message: fmt.Sprintf(format, args...)}
}

// Cut is the failure of a stream that ends before its answer does.
func Cut() *Failure { return BadAnswer("the upstream's answer was cut short") }

// Body parses the body of a request, which must be one object.
func Body(b []byte) (wire.Value, error) {
	v, off := wire.Parse(b)
	switch {
	case off >= 0 && off >= len(b):
		return nil, Invalid("", "the body is not valid JSON: it ends too early, at offset %d", off)
	case off >= 0:
		return nil, Invalid("", "the body is not valid JSON at offset %d", off)
	case v.Kind() != '{':
		return nil, Invalid("", "the body is not a JSON object")
	}
	return v, nil
}

// Data parses the data of an upstream's event, or its whole answer, which must be one
// object.
func Data(b []byte) (wire.Value, error) {
	v, off := wire.Parse(b)
	if off >= 0 || v.Kind() != '{' {
		return nil, BadAnswer("the upstream's answer holds something that is not a JSON object")
	}
	return v, nil
}

// Told is the failure that an upstream tells of in an error object: {message, type, code,
// param} as all dialects have it, or a string.
func Told(v wire.Value) *Failure {
	f := &Failure{Status: 502, Type: "upstream_error", Code: "provider_error", Told: true}
	if f.Message = v.Text(); f.Message == "" {
		f.Message = "the upstream reported an error"
	}
	for key, m := range v.Members() {
		switch {
		case m.Kind() != '"' || len(m) == 2:
			if n, ok := m.Int(); string(key) == "code" && ok && n >= 400 && n < 600 { // OpenRouter's
				f.Status = int(n)
			}
		case string(key) == "message":
			f.Message = m.Text()
		case string(key) == "type":
			if word := m.Text(); word != "error" { // an event that is the error itself
				f.Type = word
			}
		case string(key) == "code":
			f.Code = m.Text()
		case string(key) == "param":
			f.Param = m.Text()
		}
	}
	for _, said := range [...]string{f.Type, f.Code} {
		if status := statusOf(said); status != 0 {
			f.Status = status
		}
	}
	return f
}

// statusOf is the status that goes with a word for a failure, 0 if the word says nothing.
func statusOf(word string) int {
	switch word {
	case "overloaded_error", "overloaded":
		return 529
	case "rate_limit_error", "rate_limit_exceeded", "insufficient_quota":
		return 429
	case "invalid_request_error", "invalid_prompt", "context_length_exceeded":
		return 400
	case "authentication_error":
		return 401
	case "billing_error":
		return 402
	case "permission_error":
		return 403
	case "not_found_error", "model_not_found":
		return 404
	case "request_too_large":
		return 413
	case "api_error", "server_error":
		return 500
	}
	return 0
}

// Split makes a failure of an error that splitting a stream into events has met.
func Split(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return BadAnswer("%v", err)
}

// Tokens reads a count of tokens; what is none is 0.
func Tokens(v wire.Value) int64 {
	n, ok := v.Int()
	if !ok || n < 0 || n > tally.MaxTokens {
		return 0
	}
	return n
}
