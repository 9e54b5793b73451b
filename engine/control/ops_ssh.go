package control

import "tallygate/engine/tally"

// AddGuest lets somebody in over ssh.
type AddGuest struct {
	Name string     `json:"name" arg:"1" help:"what to call who comes in by the key, like a machine or a person"`
	Key  string     `json:"key,omitempty" help:"public key: the line of a file like id_ed25519.pub"`
	Role tally.Role `json:"role" help:"=role"`
}

// The operations on who may come in over ssh. Their keys are public: they are no secrets.
var (
	SSHList   = Op[Rows, []tally.Guest]{"ssh.list", Read, "list who may come in over ssh"}
	SSHAdd    = Op[AddGuest, tally.Guest]{"ssh.add", Write, "let somebody in over ssh, by a public key"}
	SSHRemove = Op[Named, tally.Guest]{"ssh.remove", Write, "let somebody in no more; open sessions end"}
)

// GuestTable shows who may come in over ssh.
var GuestTable = NewTable(Table[*tally.Guest]{
	Thing: "guest", Make: "tallygate ssh add NAME --key-file ~/.ssh/id_ed25519.pub --role viewer",
	ID: func(v *tally.Guest) string { return string(v.ID) },
	Columns: []Column[*tally.Guest]{
		{Name: "name", Title: "guest"},
		{Name: "role", Words: tally.Role("").Words()},
		{Name: "fingerprint", Spare: 2},
		{Name: "added", Field: "created_at", Spare: 1},
	},
	Orders: []string{"name", "role", "added"},
})

// MayOf is what a role may do.
func MayOf(r tally.Role) Need {
	if r == tally.RoleOwner {
		return Write
	}
	return Read
}
