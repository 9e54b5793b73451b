# Windows: a task that serves from the start of the machine, as the account LocalService,
# which has no rights of its own. tallygate is no program of the service manager, which
# would end it after 30 seconds; the scheduler asks nothing of a program.
#
# In a PowerShell that was opened as administrator:
#
#   tallygate service windows > install.ps1
#   powershell -ExecutionPolicy Bypass -File install.ps1
#
# The first key is printed once. Afterwards:
#
#   Stop-ScheduledTask tallygate; Start-ScheduledTask tallygate
#   Unregister-ScheduledTask tallygate        # the data stay
#
# Stop-ScheduledTask cuts requests off, as a power cut does; nothing that was booked is
# lost. `tallygate stop --data C:\ProgramData\tallygate` lets them finish.
$ErrorActionPreference = 'Stop'
$program = 'C:\Program Files\tallygate\tallygate.exe'
$data = "$env:ProgramData\tallygate"
$service = '*S-1-5-19' # LocalService, whatever the language of Windows calls it
$admins = '*S-1-5-32-544'

# What is below ProgramData may be read by every user, and the store may not.
New-Item -ItemType Directory -Force $data | Out-Null
icacls $data /inheritance:r /grant "${service}:(OI)(CI)F" "${admins}:(OI)(CI)F" | Out-Null

& $program init --yes --data $data
if ($LASTEXITCODE -notin 0, 5) { throw "tallygate init failed" } # 5: it was set up before

$action = New-ScheduledTaskAction -Execute $program -Argument "serve --data `"$data`""
$trigger = New-ScheduledTaskTrigger -AtStartup
$who = New-ScheduledTaskPrincipal -UserId 'NT AUTHORITY\LocalService' -LogonType ServiceAccount
$how = New-ScheduledTaskSettingsSet -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) `
  -ExecutionTimeLimit (New-TimeSpan) -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
Register-ScheduledTask -TaskName tallygate -Action $action -Trigger $trigger -Principal $who `
  -Settings $how -Force | Out-Null
Start-ScheduledTask tallygate
