// Makes the npm packages from what goreleaser has built: one for each platform, with the
// binary in it, and `tallygate`, which names them all as optional. npm installs the one
// that fits; nothing is downloaded or run when it does.
//   node assets/package/npm/pack.mjs dist
// They are dist/npm/*.tgz. The same binaries give the same bytes.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const here = import.meta.dirname
const root = path.resolve(here, '../../..')
const dist = path.resolve(process.argv[2] ?? 'dist')
const out = path.join(dist, 'npm')
const scope = '@tallygate'
const names = { amd64: 'x64', arm64: 'arm64', windows: 'win32' }

const read = (file) => JSON.parse(fs.readFileSync(path.join(dist, file), 'utf8'))
const { version } = read('metadata.json')
const binaries = read('artifacts.json').filter((a) => a.type === 'Binary')
if (binaries.length === 0) throw new Error(`there is no binary in ${dist}: bash .ci/packages makes them`)

const shared = { version, license: 'MIT', description: 'LLM gateway with budgets that hold' }

// pack writes a package and its tarball.
function pack(folder, manifest, files) {
  for (const [to, from, mode] of files) {
    const file = path.join(folder, to)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.copyFileSync(from, file)
    fs.chmodSync(file, mode)
  }
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest, null, 2) + '\n')
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', out, folder], { stdio: ['ignore', 'ignore', 'inherit'] })
}

fs.rmSync(out, { recursive: true, force: true })
const legal = ['LICENSE', 'NOTICE'].map((name) => [name, path.join(root, name), 0o644])
const optional = {}
for (const b of binaries) {
  const os = names[b.goos] ?? b.goos
  const cpu = names[b.goarch]
  const name = `${scope}/${os}-${cpu}`
  optional[name] = version
  const program = os === 'win32' ? 'tallygate.exe' : 'tallygate'
  const manifest = { name, ...shared, os: [os], cpu: [cpu], preferUnplugged: true, files: ['bin'] }
  pack(path.join(out, `${os}-${cpu}`), manifest, [[`bin/${program}`, path.resolve(root, b.path), 0o755], ...legal])
}
pack(path.join(out, 'tallygate'), {
  name: 'tallygate', ...shared, bin: { tallygate: 'bin/tallygate.mjs' }, files: ['bin'], engines: { node: '>=18' },
  optionalDependencies: Object.fromEntries(Object.entries(optional).sort()),
}, [['bin/tallygate.mjs', path.join(here, 'tallygate.mjs'), 0o755], ['README.md', path.join(here, 'README.md'), 0o644], ...legal])
for (const file of fs.readdirSync(out).filter((f) => f.endsWith('.tgz'))) console.log(path.relative(process.cwd(), path.join(out, file)))
