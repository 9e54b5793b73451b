package pgstore

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/lease"
	"tallygate/storage/ledger"
	"tallygate/storage/pgstore/pgtest"
)

// The bank keeps of sessions what [lease.Claimed.After] says, whatever claims come together.
func TestClaim(t *testing.T) {
	w := newWorld(t, pgtest.Database(t))
	one := w.join("n1")
	random := rand.New(rand.NewPCG(1, 2))
	know := map[string]lease.Claimed{}
	requests := 0
	for range 200 {
		claims := make([]ledger.Claim, 1+random.IntN(10))
		want := make([]lease.Claimed, len(claims))
		for i := range claims {
			at := noon.Add(time.Duration(random.IntN(600)) * time.Second)
			c := ledger.Claim{Client: "cl_1", Member: fmt.Sprintf("\x00%d", random.IntN(5)), At: at,
				Ends: at.Add(time.Duration(1+random.IntN(120)) * time.Second), Fixed: random.IntN(3) == 0}
			if random.IntN(4) > 0 {
				requests++
				c.Request = tally.ID(fmt.Sprint("req_", requests))
			}
			want[i] = know[c.Member].After(&c)
			if c.Request != "" {
				know[c.Member] = want[i]
			}
			claims[i] = c
		}
		got, err := one.Claim(t.Context(), "n1", claims)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			same(t, fmt.Sprintf("%+v", claims[i]), got[i], want[i])
		}
	}
}

// Places that a node was lent are told of nowhere as an amount, and are free once it is
// forgotten.
func TestPlacesOfForgotten(t *testing.T) {
	nodes := nodesOf(t, 2)
	inFlight := func() tally.Reservation {
		r := requestOf(1)
		r.Places = []tally.Place{{Subject: "client/cl_1", Max: 1}}
		return r
	}
	if _, err := nodes[0].Reserve(ctx, inFlight()); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[1].Reserve(ctx, inFlight()); err == nil {
		t.Error("two requests are in flight, and the client may have one")
	}
	list, err := nodes[1].Nodes(ctx)
	if err != nil || len(list) != 2 || len(list[0].Lent) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	nodes[0].Close()
	if _, err := nodes[1].ForgetNode(ctx, "n1", true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the place is free", func() bool {
		_, err := nodes[1].Reserve(ctx, inFlight())
		return err == nil
	})
}
