package dialect

import (
	"hash/fnv"
	"strconv"
)

// maxToolName is the longest name of a tool that every dialect takes.
const maxToolName = 64

// AddTool adds a tool by its own name within a namespace ("" for none). The Name that
// models know it by is made of both, and unique for what any dialect allows.
func (r *Request) AddTool(t Tool, namespace, own string) {
	t.Name = ToolName(namespace, own)
	if namespace != "" || t.Name != own {
		t.Namespace, t.Own = namespace, own
	}
	r.Tools = append(r.Tools, t)
}

// ToolName is the name that models know a tool of a namespace by.
func ToolName(namespace, own string) string {
	name := own
	if namespace != "" {
		name = namespace + "__" + own
	}
	fits := len(name) <= maxToolName
	for i := 0; i < len(name) && fits; i++ {
		c := name[i]
		fits = c == '_' || c == '-' || c-'0' <= 9 || c|0x20-'a' < 26
	}
	if fits {
		return name
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	short := make([]byte, 0, maxToolName)
	for i := 0; i < len(name) && len(short) < maxToolName-14; i++ {
		c := name[i]
		if c != '-' && c-'0' > 9 && c|0x20-'a' >= 26 {
			c = '_'
		}
		short = append(short, c)
	}
	return string(strconv.AppendUint(append(short, '_'), h.Sum64(), 36))
}

// Tool is the tool that models know by a name, nil if there is none. The tools must be
// complete when it is first asked.
func (r *Request) Tool(name string) *Tool {
	if r == nil || len(r.Tools) == 0 {
		return nil
	}
	if r.byName == nil {
		r.byName = make(map[string]int, len(r.Tools))
		for i := range r.Tools {
			r.byName[r.Tools[i].Name] = i
		}
	}
	if i, ok := r.byName[name]; ok {
		return &r.Tools[i]
	}
	return nil
}
