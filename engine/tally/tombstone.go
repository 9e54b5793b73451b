package tally

// Tombstone keeps the name of a thing that was deleted. Its ID is the thing's, so
// figures that stay are still called by its name.
type Tombstone struct {
	Meta
	Of   EntityKind `json:"of"`
	Name string     `json:"name"` // slug, label or name: what lists called it
	// Owner is of a key its client, and of a client its gateway.
	Owner ID `json:"owner,omitempty"`
	// Title and Tariffs are of a client: what people called it, and what it paid by.
	Title   string   `json:"title,omitempty"`
	Tariffs []Tariff `json:"tariffs,omitempty"`
}

// Kind implements Entity.
func (*Tombstone) Kind() EntityKind { return KindTombstone }
