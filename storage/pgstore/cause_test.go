package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tallygate/engine/tally"
)

// What the driver says in a line for each address and way that it has tried is told in one,
// without who asks; what code asks of the error is as before.
func TestCauses(t *testing.T) {
	c, err := pgxpool.ParseConfig("postgres://ann:secret@127.0.0.1:1,127.0.0.1:2/tally?sslmode=prefer")
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	raw := pool.Ping(ctx)
	if !strings.Contains(raw.Error(), "\n") {
		t.Fatalf("the driver says %q", raw)
	}
	err = cannot(fmt.Errorf("asking: %w", raw))
	text := tally.AsError(err).Message
	if want := "the nodes' database does not do it: connection refused"; text != want || !errors.Is(err, raw) {
		t.Errorf("%q, want %q", text, want)
	}
	row := &pgconn.PgError{Code: "23505", Message: "duplicate key", Detail: "Key (secret) is there"}
	for _, x := range []struct {
		err  error
		want string
	}{
		{nil, "<nil>"},
		{fmt.Errorf("a: %w", row), "duplicate key"},
		{errors.Join(io.EOF, context.Canceled, fmt.Errorf("b: %w", io.EOF)), "EOF; context canceled"},
		{errors.New("two\n\tlines"), "two lines"},
		{tally.Errorf(tally.Conflict, "ours"), "ours"},
	} {
		if got := fmt.Sprint(causesOf(x.err)); got != x.want {
			t.Errorf("%v: %q, want %q", x.err, got, x.want)
		}
	}
	if again := causesOf(causesOf(raw)); again != causesOf(again) {
		t.Errorf("twice it is %v", again)
	}
}
