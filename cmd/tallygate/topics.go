package main

import (
	"io"

	"github.com/spf13/cobra"

	"tallygate/assets"
)

// topicCommand makes a page of the help that is about no command: "help NAME"
// prints it. What has nothing to run is listed as such a page.
func topicCommand(name, short, content string) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short}
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { io.WriteString(cmd.OutOrStdout(), content) })
	return cmd
}

// topicCommands are all such pages.
func topicCommands() []*cobra.Command {
	return []*cobra.Command{
		topicCommand("money", `what "never more than you said" means`, assets.Money),
	}
}
