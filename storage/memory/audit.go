package memory

import (
	"context"
	"slices"
	"strconv"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// AuditLog implements storage.Config. A cursor is the Seq of the last entry of the
// page.
func (s *Store) AuditLog(ctx context.Context, q storage.AuditQuery) ([]tally.AuditEntry, string, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, "", err
	}
	defer leave()
	before, most, err := q.Page(s.chain.Seq)
	if err != nil {
		return nil, "", err
	}
	var out []tally.AuditEntry
	for _, e := range slices.Backward(s.log) {
		if e.Seq >= before || !q.Match(&e) {
			continue
		}
		if len(out) == most {
			return out, strconv.FormatUint(out[len(out)-1].Seq, 10), nil
		}
		e.Fields = slices.Clone(e.Fields)
		out = append(out, e)
	}
	return out, "", nil
}

// VerifyAudit implements storage.Config.
func (s *Store) VerifyAudit(ctx context.Context) (tally.AuditReport, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return tally.AuditReport{}, err
	}
	defer leave()
	report := tally.AuditReport{OK: true, Entries: s.chain.Seq, Hash: s.chain.Hash, Faults: []tally.Fault{}}
	var chain tally.AuditChain
	for i := range s.log {
		if err := chain.Follow(&s.log[i]); err != nil {
			return tally.AuditReport{}, err
		}
	}
	return report, nil
}
