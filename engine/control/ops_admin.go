package control

import (
	"time"

	"tallygate/engine/tally"
)

// AddAdmin lets somebody use the control plane over a network.
type AddAdmin struct {
	Name string     `json:"name" arg:"1" help:"what to call who comes with the token, like a machine or a person"`
	Role tally.Role `json:"role" help:"=role"`
}

// Admin is somebody who may, by a token.
type Admin struct {
	ID    tally.ID   `json:"id"`
	Name  string     `json:"name"`
	Role  tally.Role `json:"role"`
	Hint  string     `json:"token"` // its first and last characters
	Added time.Time  `json:"created_at"`
}

// AdminAdded is somebody who was let in; Token is shown here and never again.
type AdminAdded struct {
	Admin
	Token string `json:"bearer_token"`
}

// The operations on who may use the control plane over a network.
var (
	AdminList   = Op[Rows, []Admin]{"admin.list", Read, "list who may use the control plane over a network"}
	AdminAdd    = Op[AddAdmin, AdminAdded]{"admin.add", Write, "let somebody use the control plane over a network; prints a token once"}
	AdminRemove = Op[Named, Admin]{"admin.remove", Write, "let somebody in no more; what goes on by that token ends"}
)

// AdminTable shows who may use the control plane over a network.
var AdminTable = NewTable(Table[*Admin]{
	Thing: "admin", Make: "tallygate admin add NAME --role viewer",
	ID: func(v *Admin) string { return string(v.ID) },
	Columns: []Column[*Admin]{
		{Name: "name", Title: "admin"},
		{Name: "role", Words: tally.Role("").Words()},
		{Name: "token", Spare: 2},
		{Name: "added", Field: "created_at", Spare: 1},
	},
	Orders: []string{"name", "role", "added"},
})
