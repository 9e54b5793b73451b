package screen

// All makes every screen, in the order of their numbers.
func All(e *Env) []Screen {
	return []Screen{
		NewOverview(e), NewGateways(e), NewClients(e), NewKeys(e), NewProviders(e), NewModels(e), NewRequests(e), NewAnalytics(e), NewSettings(e),
	}
}
