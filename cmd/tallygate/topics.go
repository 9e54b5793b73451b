package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/assets"
)

// topicCommand makes a page of the help that is about no command: "help NAME"
// prints it. What has nothing to run is listed as such a page.
func topicCommand(name, short string, content func() string) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short}
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { io.WriteString(cmd.OutOrStdout(), content()) })
	return cmd
}

// topicCommands are all such pages.
func topicCommands() []*cobra.Command {
	return []*cobra.Command{
		topicCommand("money", `what "never more than you said" means`, func() string { return assets.Money }),
		topicCommand("filters", "how lists are filtered and sorted, and by which columns", filtersText),
	}
}

// completeTopics completes "help" with the topics too, which Cobra leaves out.
func completeTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"}) // it is there now
	commands := help.ValidArgsFunction
	help.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		names, directive := commands(cmd, args, word)
		for _, c := range root.Commands() {
			if len(args) == 0 && c.IsAdditionalHelpTopicCommand() && strings.HasPrefix(c.Name(), word) {
				names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
			}
		}
		return names, directive
	}
}
