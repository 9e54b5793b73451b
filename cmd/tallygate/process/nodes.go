package process

import (
	"context"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// openNodes joins the nodes that share the store of o.Shared, as the node of the folder. A
// folder that has none yet becomes one. The hook is given what this node settles.
func openNodes(_ context.Context, o Options, _ storage.Hook) (storage.Store, error) {
	return nil, tally.Errorf(tally.Internal, "this program has no store that nodes could share at %s",
		ShownStore(o.Shared.URL)).
		WithHint("leave out --store: the data folder has a store of its own")
}
