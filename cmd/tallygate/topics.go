package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/assets"
)

// topic is a page of the help that is about no command: "help NAME" prints it.
type topic struct{ name, short, text string }

// topics are all such pages: the guides, and the pages that are made from tables.
func (a *app) topics() []topic {
	var topics []topic
	for _, g := range assets.Guides() {
		text := g.Text
		if a.out.is {
			text = forTerminal(text, a.out.colour)
		}
		short := strings.ToLower(g.Title[:1]) + g.Title[1:]
		topics = append(topics, topic{g.Name, strings.TrimPrefix(short, g.Name+": "), text})
	}
	return append(topics,
		topic{"dialects", "which APIs clients may speak, and what becomes of their wishes", dialectsText()},
		topic{"skill", "what an agent should know, as a SKILL.md", assets.Skill},
		topic{"filters", "how lists are filtered and sorted, and by which columns", filtersText()})
}

// forTerminal takes the signs of Markdown out of a guide: headings are bold, and
// commands stand apart by their indent, as other blocks do already.
func forTerminal(text string, colour bool) string {
	var out strings.Builder
	block := false
	for line := range strings.Lines(text) {
		heading := strings.TrimLeft(line, "#")
		switch {
		case strings.HasPrefix(line, "```"):
			block = !block
		case block:
			out.WriteString("    " + line)
		case heading != line && colour:
			out.WriteString("\x1b[1m" + strings.TrimSpace(heading) + "\x1b[m\n")
		case heading != line:
			out.WriteString(strings.TrimSpace(heading) + "\n")
		default:
			out.WriteString(line)
		}
	}
	return out.String()
}

// helpCommand is "help": of a topic, or of a command. Where both have the name, as keys
// do, it is of the topic; COMMAND --help is always of the command.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [TOPIC or COMMAND]", Short: "help about a topic or a command", GroupID: groupRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				for _, t := range a.topics() {
					if t.name == args[0] {
						_, err := io.WriteString(cmd.OutOrStdout(), t.text)
						return err
					}
				}
			}
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noCommand(cmd.Root(), args)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			var names []string
			seen := map[string]bool{}
			add := func(name, short string) {
				if strings.HasPrefix(name, word) && !seen[name] {
					seen[name] = true
					names = append(names, cobra.CompletionWithDesc(name, short))
				}
			}
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			if len(args) == 0 {
				for _, t := range a.topics() {
					add(t.name, t.short)
				}
			}
			for _, c := range about.Commands() {
				if c.IsAvailableCommand() {
					add(c.Name(), c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// topicList is what the help of the program says of topics.
func (a *app) topicList() string {
	var out strings.Builder
	out.WriteString("Topics, as \"help TOPIC\":\n")
	for _, t := range a.topics() {
		out.WriteString("  " + t.name + strings.Repeat(" ", max(1, 17-len(t.name))) + t.short + "\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}
