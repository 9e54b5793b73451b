package pgstore

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"

	"tallygate/storage/lease"
	"tallygate/storage/pgstore/pgtest"
)

// amount is one that makes for trouble, as often as not.
func amount(r *rand.Rand) int64 {
	edges := []int64{0, 1, 2, 100, math.MaxInt64 / 2, math.MaxInt64 - 1, math.MaxInt64}
	switch r.IntN(4) {
	case 0:
		return edges[r.IntN(len(edges))]
	case 1:
		return r.Int64()
	}
	return r.Int64N(1000)
}

// randomAsk is an ask and what others have been granted, which may be less than nothing.
func randomAsk(r *rand.Rand) (a lease.Ask, others int64) {
	x := []int64{amount(r), amount(r), amount(r)}
	a.Have = min(x[0], x[1], x[2])
	a.Want = max(x[0], x[1], x[2])
	a.Least = max(min(x[0], x[1]), min(max(x[0], x[1]), x[2]))
	if r.IntN(5) == 0 {
		a.Have = -amount(r)
	}
	a.Max, a.Extra, a.Used = amount(r), amount(r), amount(r)
	if others = amount(r); r.IntN(4) == 0 {
		others = -others
	}
	return a, others
}

// The database divides as [lease.Ask.Share] does.
func TestShare(t *testing.T) {
	pool := connect(t, pgtest.Start(t))
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	const n = 20000
	cols := make([][]int64, 7)
	want := make([][2]int64, n)
	grown := 0
	for i := range n {
		a, others := randomAsk(r)
		nodes := 1 + r.Int64N(12)
		granted, wanted := a.Share(others, nodes)
		want[i] = [2]int64{granted, 0}
		if wanted {
			want[i][1] = 1
		}
		if granted > a.Want {
			grown++
		}
		for c, x := range []int64{a.Max, a.Have, a.Least, a.Want, a.Extra, others, nodes} {
			cols[c] = append(cols[c], x)
		}
	}
	if grown < n/20 {
		t.Errorf("only %d asks get something in advance", grown)
	}
	rows, err := pool.Query(t.Context(), `WITH asked AS (
		SELECT place, cap::numeric, have::numeric, need::numeric, want::numeric, extra::numeric,
			others::numeric, nodes::numeric
		FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[])
			WITH ORDINALITY AS a (cap, have, need, want, extra, others, nodes, place)
	), `+sqlShare+` SELECT granted::int8, (granted < want)::int4::int8 FROM share ORDER BY place`,
		cols[0], cols[1], cols[2], cols[3], cols[4], cols[5], cols[6])
	if err != nil {
		t.Fatal(err)
	}
	var got [2]int64
	i := 0
	_, err = pgx.ForEachRow(rows, []any{&got[0], &got[1]}, func() error {
		if got != want[i] {
			asked := make([]int64, len(cols))
			for c := range cols {
				asked[c] = cols[c][i]
			}
			t.Errorf("max, have, least, want, extra, others and nodes %d: granted and wanted %d, want %d",
				asked, got, want[i])
		}
		i++
		return nil
	})
	if err != nil || i != n {
		t.Errorf("%d of %d rows, %v", i, n, err)
	}
}

// Exchanges come to the same as in memory: the database's others are the other nodes, and
// the book of money, whose grants are less than nothing.
func TestShares(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t))
	r := rand.New(rand.NewPCG(2, 0))
	nodes := []*member{w.join("n1"), w.join("n2")}
	for _, m := range nodes {
		m.nodes.Store(3)
	}
	for round := range 150 {
		a, _ := randomAsk(r)
		a.Counter, a.New = counter("gateway/"+string(rune('a'+round%10))), true
		m := nodes[r.IntN(2)]
		subject := string(a.Subject)
		if round < 10 {
			row := []any{subject, a.Period.Start.Unix(), a.Period.End.Unix()}
			w.exec(`INSERT INTO quota VALUES ($1, 0, $2, $3, -50)`, row...)
			w.exec(`INSERT INTO lease VALUES ($1, 0, $2, $3, '', -50, -50)`, row...)
		}
		const clamped = `SELECT (greatest(-9223372036854775808, least(9223372036854775807, coalesce(sum(%s), 0))))::int8
			FROM lease WHERE subject = $1 AND node <> $2`
		others := w.number(fmt.Sprintf(clamped, "granted"), subject, m.name)
		elsewhere := w.number(fmt.Sprintf(clamped, "used"), subject, m.name)
		granted, _ := a.Share(others, 3)
		same(t, "lease", m.send(m.next(a)).Leases, leases(granted, elsewhere, others))
		w.agree()
	}
}
