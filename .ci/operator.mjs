// An operator's days with a server, at a machine of its own: a folder that the program is in
// and nothing else, or one that a package was installed in.
//
//   node .ci/operator.mjs BINARY [FOLDER]
//
// It sets tallygate up, comes in from a laptop by ssh, backs up under load, restores on
// another machine, upgrades under load, kills it under load, and wants everything back that
// was acknowledged. It must be root, to have such machines; ssh and ssh-keygen are needed.
import { spawn, spawnSync } from 'node:child_process'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Load } from './e2e/load.mjs'
import { freePort, sleep, until } from './e2e/ports.mjs'

const [binary, installed] = process.argv.slice(2)
assert.ok(binary, 'name the program')
assert.equal(process.getuid(), 0, 'only root can have machines of its own')
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'tallygate-operator-'))
const began = Date.now()
const say = (what) => console.log(`${((Date.now() - began) / 1000).toFixed(1)} s  ${what}`)

const mounted = []
const running = new Set()
process.on('exit', () => {
  for (const p of running) p.kill('SIGKILL')
  for (const dir of mounted) spawnSync('umount', ['-l', dir])
  fs.rmSync(work, { recursive: true, force: true })
})

// sh runs a command here, and wants it to succeed.
async function sh(command, args, { input = '', code = 0 } = {}) {
  const p = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  running.add(p)
  const out = [], err = []
  p.stdout.on('data', (b) => out.push(b))
  p.stderr.on('data', (b) => err.push(b))
  p.stdin.on('error', () => {})
  p.stdin.end(input)
  const is = await new Promise((ok, fail) => p.on('error', fail).on('close', ok))
  running.delete(p)
  assert.equal(is, code, `${command} ${args.join(' ')}: exit ${is}\n${Buffer.concat(err)}${Buffer.concat(out)}`)
  return Buffer.concat(out)
}

// Machine is a root folder with the program in it.
class Machine {
  constructor(name, root = '') {
    this.root = root || path.join(work, name)
    this.data = '/var/lib/tallygate'
    if (!root) {
      for (const dir of ['usr/bin', 'tmp', 'dev', 'proc', 'etc', this.data]) fs.mkdirSync(path.join(this.root, dir), { recursive: true, mode: 0o755 })
      fs.chmodSync(path.join(this.root, 'tmp'), 0o1777)
      assert.equal(spawnSync('mknod', ['-m', '666', path.join(this.root, 'dev/null'), 'c', '1', '3']).status, 0, 'make /dev/null')
      fs.chmodSync(path.join(this.root, this.data), 0o700)
      fs.chownSync(path.join(this.root, this.data), 65533, 65533)
      fs.copyFileSync(binary, path.join(this.root, 'usr/bin/tallygate'))
    }
    this.user = fs.statSync(path.join(this.root, this.data)).uid
    const proc = path.join(this.root, 'proc') // what the program is executed from is told there
    const is = spawnSync('mount', ['-t', 'proc', 'proc', proc])
    assert.equal(is.status, 0, `mount ${proc}: ${is.stderr}`)
    mounted.push(proc)
  }

  // command is a command of tallygate on the machine, as the user that it serves as.
  command(args, env = {}) {
    const vars = Object.entries({ PATH: '/usr/bin', HOME: this.data, TALLYGATE_DATA: this.data, ...env }).map(([k, v]) => `${k}=${v}`)
    return ['env', ['-i', ...vars, '/usr/sbin/chroot', `--userspec=${this.user}:${this.user}`, this.root, '/usr/bin/tallygate', ...args]]
  }

  run(args, opts) {
    return sh(...this.command(args), opts)
  }

  async serve(...flags) {
    const p = spawn(...this.command(['serve', '--listen', `127.0.0.1:${this.port}`, ...flags]), { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(p)
    this.log = ''
    p.stdout.on('data', (b) => (this.log += b))
    p.stderr.on('data', (b) => (this.log += b))
    this.exited = new Promise((ok) => p.on('close', (code, signal) => { running.delete(p); ok({ code, signal }) }))
    await until('it serves', () => fetch(`http://127.0.0.1:${this.port}/readyz`).then((r) => r.ok, () => false), 20_000)
    this.process = p
  }
}

const idsOf = (json) => new Set(JSON.parse(json).map((r) => r.id))
const lacks = (ids, has) => ids.filter((id) => !has.has(id))

const server = new Machine('server', installed)
server.port = await freePort()
const sshPort = await freePort(), figures = await freePort()

say('a fresh machine')
await server.run(['init', '--yes'])
await sh('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${work}/owner`])
await sh('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${work}/viewer`])
for (const role of ['owner', 'viewer']) {
  await server.run(['ssh', 'add', role, '--role', role, '--key-file', '-'], { input: fs.readFileSync(`${work}/${role}.pub`) })
}
const flags = ['--ssh', `127.0.0.1:${sshPort}`, '--metrics', `127.0.0.1:${figures}`]
await server.serve(...flags)

say('in from a laptop by ssh')
const ssh = (who, command, opts) => sh('ssh', ['-p', sshPort, '-i', `${work}/${who}`, '-o', 'IdentitiesOnly=yes', '-o', `UserKnownHostsFile=${work}/known`,
  '-o', 'StrictHostKeyChecking=accept-new', '-o', 'LogLevel=ERROR', '-F', 'none', `${who}@127.0.0.1`, command], opts)
const laptop = (command, opts) => ssh('owner', command, opts)
await laptop('clients create --name Load')
const key = JSON.parse(await laptop('keys create --client load --label load --json')).key
await laptop(`clients create --name Hostile --limit "cost=1/month"`)
assert.match(String(await ssh('viewer', 'clients list')), /Hostile/)
const refused = await ssh('viewer', 'clients delete hostile --yes', { code: 1 }).catch((e) => e)
if (refused instanceof Error) assert.match(String(refused), /viewer/)
assert.match(String(await laptop('clients list')), /Hostile/)

say('a backup from the laptop, under load')
let load = new Load(server.port, key)
await until('it is under load', () => load.acknowledged.length > 100, 20_000)
const before = [...load.acknowledged]
fs.writeFileSync(`${work}/all.tgbackup`, await laptop('backup create --to -'))
assert.match(String(await (await fetch(`http://127.0.0.1:${figures}/metrics`)).text()), /gen_ai_client_token_usage/)

say('restored on another machine')
const other = new Machine('other')
other.port = await freePort()
fs.rmdirSync(path.join(other.root, other.data)) // what is restored makes its folder
fs.chownSync(path.join(other.root, 'var/lib'), other.user, other.user)
await other.run(['backup', 'restore', '-', '--to', other.data], { input: fs.readFileSync(`${work}/all.tgbackup`) })
const secrets = path.join(other.root, other.data, 'secrets.key')
fs.copyFileSync(path.join(server.root, server.data, 'secrets.key'), secrets)
fs.chownSync(secrets, other.user, other.user)
fs.chmodSync(secrets, 0o600)
await other.run(['verify'])
assert.deepEqual(lacks(before, idsOf(await other.run(['requests', 'export', '--format', 'json']))), [], 'requests that were acknowledged before the backup')
await other.serve()
const there = new Load(other.port, key)
await until('it serves with the keys of the old one', () => there.acknowledged.length > 0)
await there.end()
assert.deepEqual(there.failed, [])
other.process.kill('SIGTERM')
assert.equal((await other.exited).code, 0, other.log)

say('upgraded under load, three times')
const { pid } = JSON.parse(await laptop('status --json'))
for (let i = 0; i < 3; i++) {
  const count = load.acknowledged.length
  const program = path.join(server.root, 'usr/bin/tallygate')
  fs.copyFileSync(program, `${program}.new`) // as a package manager does
  fs.chmodSync(`${program}.new`, 0o755)
  fs.renameSync(`${program}.new`, program)
  await server.run(['upgrade'])
  await until('it goes on', () => load.acknowledged.length > count + 100, 20_000)
}
assert.equal(JSON.parse(await laptop('status --json')).pid, pid, 'the process kept its number')
assert.deepEqual(load.failed, [], 'requests that were lost')

say('killed under load')
await sleep(500)
load.dead = true
process.kill(pid, 'SIGKILL')
await load.end()
await server.exited
await server.serve(...flags)
await server.run(['doctor']).catch((e) => console.log(String(e)))

say('everything that was acknowledged is there')
const kept = idsOf(await laptop('requests export --format json'))
assert.deepEqual(lacks(load.acknowledged, kept), [], 'requests that were acknowledged')
assert.match(String(await laptop('verify')), /All counters and rollups are the sums of the records/)
server.process.kill('SIGTERM')
assert.equal((await server.exited).code, 0, server.log)
say(`${load.acknowledged.length} requests were acknowledged, none was lost`)
process.exit(0)
