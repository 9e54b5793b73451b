package dialect

// Efforts from the least to the most, with the budget of thinking that stands for each.
var efforts = [...]struct {
	name   string
	budget int64
}{{"minimal", 1024}, {"low", 2048}, {"medium", 8192}, {"high", 16384}, {"xhigh", 32768}, {"max", 65536}}

// EffortWord is the wish for reasoning as a word of OpenAI's dialects: the effort that was
// asked for, or the one that stands for a budget; "" if the model may decide.
func (r *Request) EffortWord() string {
	switch {
	case r.Effort == "max":
		return "xhigh"
	case r.Effort != "":
		return r.Effort
	case r.Thinking.Mode != BudgetThinking:
		return ""
	}
	for _, e := range efforts[1:4] {
		if r.Thinking.Budget <= e.budget {
			return e.name
		}
	}
	return "high"
}

// ThinkingBudget is the wish for reasoning in tokens; 0 if there is none.
func (r *Request) ThinkingBudget() int64 {
	if r.Thinking.Mode == BudgetThinking {
		return r.Thinking.Budget
	}
	for _, e := range efforts {
		if e.name == r.Effort {
			return e.budget
		}
	}
	if r.Thinking.Mode == AdaptiveThinking {
		return efforts[2].budget
	}
	return 0
}

// DropUsed tells of every name under which the request uses a feature.
func (d *Dropped) DropUsed(r *Request, features ...Feature) {
	for _, u := range r.Uses {
		for _, f := range features {
			if u.Feature == f {
				d.Add(u.Field)
			}
		}
	}
}
