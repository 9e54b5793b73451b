#!/usr/bin/env node
// Runs the binary of this platform, which is in a package of its own.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'

const name = `@tallygate/${process.platform}-${process.arch}`
let program
try {
  program = createRequire(import.meta.url).resolve(`${name}/bin/tallygate${process.platform === 'win32' ? '.exe' : ''}`)
} catch {
  console.error(`error: the package ${name} is not installed\nhint: install tallygate without --omit=optional; if there is no such package, build from source`)
  process.exit(1)
}
const child = spawn(program, process.argv.slice(2), { stdio: 'inherit' })
// A terminal sends its signals to both; what is sent to this process alone goes on to the
// program. Either way the program says when it has ended.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => signal === 'SIGINT' && process.stdin.isTTY || child.kill(signal))
}
child.on('error', (err) => {
  console.error(`error: ${program}: ${err.message}`)
  process.exit(1)
})
child.on('exit', (code, signal) => {
  if (!signal) process.exit(code)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
