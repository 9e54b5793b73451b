package engine

import (
	"context"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// handle gives every operation of the control plane its implementation.
func (e *Engine) handle() {
	s := e.control

	control.Handle(s, control.EngineStatus, e.status)
	control.Handle(s, control.EngineSeconds, e.seconds)
	control.Handle(s, control.EngineSetup, e.setup)
	control.Handle(s, control.EngineStop, e.stop)
	control.Handle(s, control.EngineUpgrade, e.upgrade)
	control.HandleStream(s, control.BackupCreate, e.backup)
	control.HandleStream(s, control.MetricsShow, e.showMetrics)
	control.Handle(s, control.EngineTry, e.try)
	control.Handle(s, control.EngineVerify, e.verify)
	control.Handle(s, control.SettingsShow, e.showSettings)
	control.Handle(s, control.SettingsSet, e.setSettings)
	control.Handle(s, control.SettingsAcceptClock, e.acceptClock)

	control.Handle(s, control.AlertsList, e.listAlerts)
	control.Handle(s, control.AlertsShow, e.showAlerts)
	control.Handle(s, control.AlertsSet, e.setAlerts)
	control.Handle(s, control.AlertsTest, e.testAlerts)
	control.Handle(s, control.AlertsAck, e.ackAlerts)

	control.Handle(s, control.NodesList, e.listNodes)
	control.Handle(s, control.NodesForget, e.forgetNode)

	control.Handle(s, control.SecretsStatus, e.showSecrets)
	control.Handle(s, control.SecretsWrap, e.wrapSecrets)
	control.Handle(s, control.SecretsUnwrap, e.unwrapSecrets)
	control.Handle(s, control.SecretsRotate, e.rotateSecrets)

	control.Handle(s, control.ConfigExport, e.exportConfig)
	control.Handle(s, control.ConfigSecrets, e.exportSecrets)
	control.Handle(s, control.ConfigDiff, e.diffConfig)
	control.Handle(s, control.ConfigApply, e.applyConfig)

	control.Handle(s, control.GatewaysList, orOwn(e, e.listGateways))
	control.Handle(s, control.GatewaysShow, orOwn(e, e.showGateway))
	control.Handle(s, control.GatewaysCreate, e.createGateway)
	control.Handle(s, control.GatewaysUpdate, e.updateGateway)
	control.Handle(s, control.GatewaysRaise, e.raiseGateway)
	control.Handle(s, control.GatewaysDelete, e.deleteGateway)
	control.Handle(s, control.GatewaysRotate, e.rotateGateway)

	control.Handle(s, control.ClientsList, orOwn(e, e.listClients))
	control.Handle(s, control.ClientsShow, orOwn(e, e.showClient))
	control.Handle(s, control.ClientsCreate, e.createClient)
	control.Handle(s, control.ClientsUpdate, e.updateClient)
	control.Handle(s, control.ClientsRaise, e.raiseClient)
	control.Handle(s, control.ClientsDelete, e.deleteClient)
	control.Handle(s, control.ClientsSuspend, e.statusSetter(tally.Suspended))
	control.Handle(s, control.ClientsActivate, e.statusSetter(tally.Active))

	control.Handle(s, control.ClientsTopUp, e.funder(tally.TopUp))
	control.Handle(s, control.ClientsGrant, e.funder(tally.Gift))
	control.Handle(s, control.ClientsAdjust, e.adjustClient)
	control.Handle(s, control.ClientsTariff, e.setTariff)
	control.Handle(s, control.ClientsStatement, e.makeStatements)
	control.Handle(s, control.ClientsClose, e.closeStatements)
	control.Handle(s, control.StatementsList, e.listStatements)
	control.Handle(s, control.StatementsShow, e.showStatement)
	control.Handle(s, control.EntriesList, e.listEntries)
	control.Handle(s, control.EntriesShow, e.showEntry)
	control.Handle(s, control.EntriesBack, e.reverseEntry)

	control.Handle(s, control.ShareList, e.listShares)
	control.Handle(s, control.ShareCreate, e.createShare)
	control.Handle(s, control.ShareRevoke, e.revokeShare)

	control.Handle(s, control.KeysList, orOwn(e, e.listKeys))
	control.Handle(s, control.KeysCreate, e.createKey)
	control.Handle(s, control.KeysUpdate, e.updateKey)
	control.Handle(s, control.KeysRaise, e.raiseKey)
	control.Handle(s, control.KeysRotate, e.rotateKey)
	control.Handle(s, control.KeysRevoke, e.revokeKey)

	control.Handle(s, control.TemplatesList, e.listTemplates)
	control.Handle(s, control.TemplatesShow, e.showTemplate)
	control.Handle(s, control.TemplatesSet, e.setTemplate)
	control.Handle(s, control.TemplatesDelete, e.deleteTemplate)

	control.Handle(s, control.TokensMint, e.mintToken)
	control.Handle(s, control.TokensInspect, e.inspectToken)
	control.Handle(s, control.TokensList, orOwn(e, e.listTokens))
	control.Handle(s, control.TokensShow, orOwn(e, e.showToken))
	control.Handle(s, control.TokensRevoke, e.revokeToken)
	control.Handle(s, control.TokensSimulate, e.simulateVisit)
	control.Handle(s, control.VisitorsList, orOwn(e, e.listVisitors))

	control.Handle(s, control.ProvidersList, orOwn(e, e.listProviders))
	control.Handle(s, control.ProvidersShow, orOwn(e, e.showProvider))
	control.Handle(s, control.ProvidersKinds, e.listKinds)
	control.Handle(s, control.ProvidersCreate, e.createProvider)
	control.Handle(s, control.ProvidersUpdate, e.updateProvider)
	control.Handle(s, control.ProvidersDelete, e.deleteProvider)
	control.Handle(s, control.ProvidersTest, e.testProvider)
	control.Handle(s, control.ProvidersProbe, e.probeProvider)
	control.Handle(s, control.ProvidersOrder, e.orderProviders)
	control.Handle(s, control.ProvidersReconcile, e.reconcile)

	control.Handle(s, control.ModelsList, orOwn(e, e.listModels))
	control.Handle(s, control.ModelsShow, orOwn(e, e.showModel))
	control.Handle(s, control.ModelsCreate, e.createModel)
	control.Handle(s, control.ModelsUpdate, e.updateModel)
	control.Handle(s, control.ModelsDelete, e.deleteModel)
	control.Handle(s, control.ModelsEnable, e.modelSwitch(true))
	control.Handle(s, control.ModelsDisable, e.modelSwitch(false))
	control.Handle(s, control.ModelsRoute, e.routeModel)
	control.Handle(s, control.ModelsImport, e.refreshModels)

	control.Handle(s, control.PricesList, e.listPrices)
	control.Handle(s, control.PricesSet, e.setPrice)
	control.Handle(s, control.PricesImport, e.importPrices)
	control.Handle(s, control.PricesCheck, e.checkPrices)
	control.Handle(s, control.PricesRecost, e.recost)
	control.Handle(s, control.PricesWhatIf, e.whatIf)

	control.Handle(s, control.UsageShow, orOwn(e, e.showUsage))
	control.Handle(s, control.ForecastShow, orOwn(e, e.showForecast))
	control.Handle(s, control.RequestsList, orOwn(e, e.listRequests))
	control.Handle(s, control.RequestsShow, orOwn(e, e.showRequest))

	control.Handle(s, control.CaptureStart, e.startCapture)
	control.Handle(s, control.CaptureStop, e.stopCapture)
	control.Handle(s, control.CaptureList, e.listCaptured)
	control.Handle(s, control.CaptureShow, e.showCaptured)
	control.Handle(s, control.CaptureCurl, e.curlCaptured)
	control.Handle(s, control.CaptureReplay, e.replayCaptured)

	control.Handle(s, control.SSHList, e.listGuests)
	control.Handle(s, control.SSHAdd, e.addGuest)
	control.Handle(s, control.SSHRemove, e.removeGuest)
	control.Handle(s, control.AdminList, e.listAdmins)
	control.Handle(s, control.AdminAdd, e.addAdmin)
	control.Handle(s, control.AdminRemove, e.removeAdmin)

	control.Handle(s, control.AuditList, e.listAudit)
	control.Handle(s, control.AuditVerify, e.verifyAudit)
	control.Handle(s, control.AuditUndoable, e.undoable)
	control.Handle(s, control.AuditUndo, e.undo)
}

// verifyStore has the store prove what it counts, the counters of all limits
// included: those that nobody has asked for since the start come alive first.
func (e *Engine) verifyStore(ctx context.Context, rest time.Duration) (tally.Report, error) {
	c, now := e.catalog.Load(), e.clock()
	ask := func(gateway tally.ID, kind string, id tally.ID, limits []tally.Limit) error {
		gw := c.Gateway(gateway)
		if gw == nil || len(limits) == 0 {
			return nil
		}
		_, err := e.meter.Standings(ctx, c, gw, tally.SubjectOf(kind, id), limits, now)
		return err
	}
	for _, gw := range c.Gateways {
		if err := ask(gw.ID, "gateway", gw.ID, gw.Limits); err != nil {
			return tally.Report{}, err
		}
	}
	for _, client := range c.Clients {
		if err := ask(client.Gateway, "client", client.ID, client.Limits); err != nil {
			return tally.Report{}, err
		}
		for _, key := range c.KeysOf(client.ID) {
			if err := ask(client.Gateway, "key", key.ID, key.Limits); err != nil {
				return tally.Report{}, err
			}
		}
	}
	return e.store.Verify(ctx, rest)
}
