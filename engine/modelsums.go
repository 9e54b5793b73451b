package engine

import (
	"context"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// modelSums is what models have been used for since some time: placed at the provider that
// answered, and unplaced under a name where no sum tells the provider. Unplaced are
// requests that no provider was asked for or that were lost, and records that were pruned
// before sums were kept by provider and model.
type modelSums struct {
	placed   map[tally.Dim]*tally.Sums // by provider and model
	unplaced map[string]*tally.Sums    // by model
}

// modelSums adds up what models have been used for since each of some times, all as of one
// instant; only may be the one model that is asked about.
func (e *Engine) modelSums(ctx context.Context, only *tally.Model, now time.Time,
	since ...time.Time) ([]modelSums, error) {
	name := ""
	if only != nil {
		name = only.Name
	}
	var ask []storage.SeriesQuery
	for _, at := range since {
		edges := spanEdges(at, now)
		ask = append(ask,
			storage.SeriesQuery{Family: tally.ByModel, First: name, Edges: edges},
			storage.SeriesQuery{Family: tally.ByProviderModel, Edges: edges})
	}
	points, err := e.store.Series(ctx, ask...)
	if err != nil {
		return nil, err
	}
	out := make([]modelSums, len(since))
	for i := range out {
		out[i] = modelSums{map[tally.Dim]*tally.Sums{}, map[string]*tally.Sums{}}
	}
	for i := range points { // of each span, the names come first
		p := &points[i]
		sums := out[p.Of/2]
		if p.Of%2 == 0 {
			sums.unplaced[p.Dim[0]] = &p.Sums
			continue
		}
		sums.placed[p.Dim] = &p.Sums
		if named := sums.unplaced[p.Dim[1]]; named != nil {
			named.Unmerge(&p.Sums)
		}
	}
	return out, nil
}

// of is what a provider's model has answered.
func (s *modelSums) of(m *tally.Model) *tally.Sums {
	return sumsOr(s.placed[tally.Dim{string(m.Provider), m.Name}])
}

// elsewhere is what was used under a model's name at a provider that is not known.
func (s *modelSums) elsewhere(m *tally.Model) *tally.Sums { return sumsOr(s.unplaced[m.Name]) }

// maybe reports whether a provider's model may have answered requests.
func (s *modelSums) maybe(m *tally.Model) bool {
	return s.of(m).Requests > 0 || s.elsewhere(m).Requests > 0
}

func sumsOr(s *tally.Sums) *tally.Sums {
	if s == nil {
		return &tally.Sums{}
	}
	return s
}
