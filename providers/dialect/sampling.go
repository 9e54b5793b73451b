package dialect

import "tallygate/providers/dialect/wire"

// Sampling reads how tokens are chosen, in the words that chat completions and Ollama
// share. Field is the caller's whole name for key. It reports whether key is one of them.
func (p *Parser) Sampling(field, key string, v wire.Value) bool {
	switch key {
	case "temperature":
		p.Temperature = p.Number(Temperature, field, v)
	case "top_p":
		p.TopP = p.Number(TopP, field, v)
	case "top_k":
		if n, ok := v.Int(); ok && n > 0 {
			p.TopK = n
			p.Use(TopK, field)
		}
	case "frequency_penalty":
		p.Frequency = p.Number(Penalties, field, v)
	case "presence_penalty":
		p.Presence = p.Number(Penalties, field, v)
	case "seed":
		p.Seed = p.Number(Seed, field, v)
	case "stop":
		if p.Stop = p.Strings(field, v); len(p.Stop) > 0 {
			p.Use(StopSequences, field)
		}
	default:
		return false
	}
	return true
}
