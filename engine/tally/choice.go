package tally

// A type whose values are a few words lists them with Words, the usual one first. Readers
// of such a value refuse any other word, and flags, completion and forms offer these. ""
// stands for the first where a value may be left out.

func words[T ~string](of ...T) []string {
	out := make([]string, len(of))
	for i, w := range of {
		out[i] = string(w)
	}
	return out
}

// Words implements the list of choices, as do the methods below.
func (Access) Words() []string         { return words(AccessByToken, AccessPublic, AccessByKey) }
func (Status) Words() []string         { return words(Active, Suspended, Inactive) }
func (SessionMode) Words() []string    { return words(Rolling, Fixed) }
func (MissingSession) Words() []string { return words(MissingOne, MissingIgnore, MissingRefuse) }
func (CostBy) Words() []string         { return words(CostMax, CostOurs, CostTheirs) }
func (UnpricedPolicy) Words() []string { return words(RefuseUnpriced, AllowAtZero) }
func (OnLeave) Words() []string        { return words(LeaveAuto, LeaveCancel, LeaveDrain) }
func (Role) Words() []string           { return words(RoleOwner, RoleViewer) }
func (Outcome) Words() []string {
	return words(OK, OutcomeDenied, OutcomeLimited, OutcomeFailed, Canceled, Lost)
}
