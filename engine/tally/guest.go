package tally

// Role is what somebody who comes in over ssh may do.
type Role string

// The roles.
const (
	RoleOwner  Role = "owner"  // everything
	RoleViewer Role = "viewer" // look, and change nothing
)

// Guest is somebody who may come in over ssh, by a key of theirs, or use the control plane
// over a network, by a token whose digest is in a [Secret].
type Guest struct {
	Meta
	Name        string `json:"name"`
	Role        Role   `json:"role"`
	Key         string `json:"key"`         // the public one: its type and its base64, as ssh writes them; "" of a token
	Fingerprint string `json:"fingerprint"` // "SHA256:…", as ssh shows it; of a token its first and last characters
}

// Kind implements Entity.
func (*Guest) Kind() EntityKind { return KindGuest }

// Guests are those who may come in, in order of creation.
func (c *Catalog) Guests() []*Guest { return c.guests }
