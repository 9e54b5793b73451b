package lease

import (
	"maps"
	"slices"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// vault is a bank in memory. It is what the contract of [Bank] says, without a network.
type vault struct {
	nodes    map[string]*account
	quotas   map[key]*quota
	sessions map[member]Claimed
	noFence  bool
}

type member struct {
	client tally.ID
	name   string
}

type account struct{ epoch, op int64 }

type quota struct {
	counter tally.Counter
	granted map[string]int64
	used    map[string]int64
	wanted  int // polls left that are told of it
}

func newVault() *vault {
	return &vault{nodes: map[string]*account{}, quotas: map[key]*quota{}, sessions: map[member]Claimed{}}
}

func (v *vault) clone() *vault {
	out := newVault()
	out.noFence, out.sessions = v.noFence, maps.Clone(v.sessions)
	for n, a := range v.nodes {
		x := *a
		out.nodes[n] = &x
	}
	for k, q := range v.quotas {
		x := &quota{counter: q.counter, granted: map[string]int64{}, used: map[string]int64{}}
		for n := range q.granted {
			x.granted[n], x.used[n] = q.granted[n], q.used[n]
		}
		out.quotas[k] = x
	}
	return out
}

func (v *vault) join(node string, atLeast int64) int64 {
	a := v.nodes[node]
	if a == nil {
		a = &account{}
		v.nodes[node] = a
	}
	a.epoch, a.op = max(a.epoch+1, atLeast), 0
	return a.epoch
}

func (v *vault) exchange(op *Exchange, row []bool) Reply {
	a := v.nodes[op.Node]
	if a == nil {
		return Reply{}
	}
	carryOut := v.noFence || a.epoch == op.Epoch && a.op == op.Op-1
	if carryOut && a.epoch == op.Epoch {
		a.op = op.Op
	}
	r := Reply{Epoch: a.epoch, Op: a.op}
	for i := range op.Asks {
		ask := &op.Asks[i]
		k := keyOf(&ask.Counter)
		q := v.quotas[k]
		if q == nil && row[i] && carryOut {
			q = &quota{counter: ask.Counter, granted: map[string]int64{}, used: map[string]int64{}}
			v.quotas[k] = q
		}
		if q == nil {
			r.Leases = append(r.Leases, Lease{})
			continue
		}
		var others, elsewhere int64
		for n := range q.granted {
			if n != op.Node {
				others, elsewhere = others+q.granted[n], elsewhere+q.used[n]
			}
		}
		if carryOut {
			granted, wanted := ask.Share(others, int64(len(v.nodes)))
			q.granted[op.Node], q.used[op.Node] = granted, ask.Used
			if wanted {
				q.wanted = 5 * len(v.nodes)
			}
		}
		r.Leases = append(r.Leases, Lease{q.granted[op.Node], elsewhere, others})
	}
	return r
}

func (v *vault) poll(node string) (n News) {
	if a := v.nodes[node]; a != nil {
		n.Epoch, n.Op = a.epoch, a.op
	}
	for _, q := range v.quotas {
		if _, has := q.granted[node]; has && q.wanted > 0 {
			q.wanted--
			n.Wanted = append(n.Wanted, q.counter)
		}
	}
	slices.SortFunc(n.Wanted, func(a, b tally.Counter) int { return keyOf(&a).compare(keyOf(&b)) })
	return n
}

func (v *vault) lent(node string) (out []tally.Counter) {
	for _, q := range v.quotas {
		if q.granted[node] > q.used[node] {
			out = append(out, q.counter)
		}
	}
	return out
}

func (v *vault) claim(claims []ledger.Claim) (out []Claimed) {
	for i := range claims {
		c := &claims[i]
		k := member{c.Client, c.Member}
		is := v.sessions[k].After(c)
		if c.Request != "" {
			v.sessions[k] = is
		}
		out = append(out, is)
	}
	return out
}
