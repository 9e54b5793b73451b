package main

import (
	"bytes"
	"io"

	"github.com/spf13/cobra"

	"tallygate/assets"
	"tallygate/engine/control"
)

// metricsText is what metrics --json writes.
type metricsText struct {
	Format string `json:"format"`
	Text   string `json:"text"`
}

func (a *app) metricsCommand() *cobra.Command {
	dashboard := false
	cmd := &cobra.Command{
		Use: "metrics", Short: control.MetricsShow.Help, GroupID: groupSee, Args: noArguments,
		Long: `Prints the figures of the process that serves the data folder, as they are since it
started, in the text format of Prometheus. Prometheus itself reads them at /metrics of
the address that serve --metrics names, where nobody is asked for a password: let only
your own machines reach it. Names of clients, keys, tokens and visitors are in no figure.

With --dashboard it prints a dashboard for Grafana, which asks for these figures.`,
		Example:     "  tallygate metrics\n  tallygate metrics --dashboard > tallygate.json",
		Annotations: map[string]string{madeFrom: control.MetricsShow.Name},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dashboard {
				return a.toFile(destination{}, func(w io.Writer) error {
					_, err := io.WriteString(w, assets.Dashboard)
					return err
				})
			}
			c, err := a.attach(cmd.Context())
			if err != nil {
				return err
			}
			defer c.close()
			var text bytes.Buffer
			if err := control.MetricsShow.Do(cmd.Context(), c, control.None{}, &text); err != nil {
				return err
			}
			return a.print(func(p *printer) { p.Write(text.Bytes()) }, func() any {
				return metricsText{"prometheus", text.String()}
			})
		},
	}
	cmd.Flags().BoolVar(&dashboard, "dashboard", false, "print a dashboard for Grafana instead")
	return cmd
}
