package screen

// All makes every screen, in the order of their numbers.
func All(e *Env) []Screen {
	return []Screen{NewClients(e)}
}
