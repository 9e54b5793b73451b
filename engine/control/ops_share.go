package control

import (
	"time"

	"tallygate/engine/tally"
)

// CreateShare makes a link to a client's own page.
type CreateShare struct {
	Client  string `json:"client" arg:"1" of:"client" help:"slug or id"`
	Expires Expiry `json:"expires,omitempty" help:"how long the link works, like 30d, or a date; at most a year; default 30d"`
}

// ListShares selects links.
type ListShares struct {
	Rows
	Client string `json:"client,omitempty" of:"client" help:"only of this client"`
}

// PickShare picks a link.
type PickShare struct {
	ID string `json:"id" arg:"1" help:"id of the link, like shr_01kb3vp8"`
}

// ShareView is a link as it stands.
type ShareView struct {
	ID         tally.ID  `json:"id"`
	ClientSlug string    `json:"client_slug"`
	ClientName string    `json:"client_name"`
	Hint       string    `json:"hint"`  // the first and last characters of its secret
	State      string    `json:"state"` // active or expired
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// ShareCreated is a link that was just made; URL is shown here and never again.
type ShareCreated struct {
	ShareView
	URL string `json:"url"`
}

// The operations on links to clients' own pages.
var (
	ShareCreate = Op[CreateShare, ShareCreated]{"share.create", Write, "make a link to a client's own page, read-only; prints it once"}
	ShareList   = Op[ListShares, []ShareView]{"share.list", Read, "list links to clients' own pages"}
	ShareRevoke = Op[PickShare, ShareView]{"share.revoke", Write, "end a link for good"}
)

// ShareTable shows links.
var ShareTable = NewTable(Table[*ShareView]{
	Thing: "link", Make: "tallygate share create CLIENT",
	ID: func(v *ShareView) string { return string(v.ID) },
	Tone: func(v *ShareView) Tone {
		if v.State == "active" {
			return Good
		}
		return Faint
	},
	Signs: true,
	Columns: []Column[*ShareView]{
		{Name: "client", Field: "client_slug", Shown: "client_name"},
		{Name: "state", Words: []string{"active", "expired"}},
		{Name: "hint", Title: "secret", Spare: 2},
		{Name: "created", Field: "created_at", Spare: 1},
		{Name: "expires", Field: "expires_at"},
		{Name: "id"},
	},
	Orders: []string{"client", "expires"},
})
