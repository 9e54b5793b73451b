const $ = (id) => document.getElementById(id)
const here = new URL('.', location.href).href.replace(/\/$/, '')
// What stands behind the # is sent to no server as an address: it goes as a header, to this
// gateway alone.
const secret = location.hash.slice(1)

// Another link in the same tab is another page.
addEventListener('hashchange', () => location.reload())

async function ask(path) {
	const response = await fetch(`${here}/share/${path}`, {
		headers: { authorization: `Bearer ${secret}` }, cache: 'no-store', credentials: 'omit', referrerPolicy: 'no-referrer',
	}).catch(() => { throw new Error('The service does not answer. Try again in a moment.') })
	const body = await response.json().catch(() => ({}))
	if (!response.ok) throw new Error(body.error?.message ?? `The service answers with ${response.status}. Try again in a moment.`)
	return body
}

const element = (name, attributes, ...children) => {
	const e = document.createElement(name)
	for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value)
	e.append(...children)
	return e
}

const number = (n) => n.toLocaleString('en')
let zone // of the client
const day = (at) => new Date(at).toLocaleDateString('en', { dateStyle: 'medium', timeZone: zone })
const moment = (at) => new Date(at).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short', timeZone: zone })

function fail(error) {
	$('told').textContent = ''
	$('refusal').hidden = false
	$('refusal').textContent = error.message
}

function show(page) {
	zone = page.zone
	document.title = `Usage of ${page.client}`
	$('client').textContent = page.client
	$('told').textContent = `As of ${moment(page.now)} (${zone}). Amounts are in US dollars, as they are charged.`
	$('until').textContent = `This link shows usage and changes nothing. It works until ${moment(page.expires_at)}.`
	const { month } = page
	$('month').textContent = `This month, ${day(month.since)} to ${day(new Date(month.until) - 1)}`
	$('facts').replaceChildren(...Object.entries({
		'Used': month.text, 'Requests': number(month.requests), 'Tokens': number(month.tokens), 'Refused': number(month.refused),
		'Left of payments in advance': page.balance,
	}).filter(([, value]) => value !== undefined).map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))))
	$('models').hidden = !page.models.length
	$('models').tBodies[0].replaceChildren(...page.models.map((m) => element('tr', {}, element('th', { scope: 'row' }, m.name),
		...[number(m.requests), number(m.tokens), m.text].map((cell) => element('td', {}, cell)))))
	$('limits').replaceChildren(...page.limits.map(limit))
	if (!page.limits.length) $('limits').append(element('li', {}, 'There are no limits.'))
	$('refusals').hidden = !page.refused.length
	$('refusals').querySelector('ul').replaceChildren(...page.refused.map((r) =>
		element('li', {}, element('div', { class: 'row' }, element('span', {}, r.why), element('b', {}, `${number(r.times)}×`)))))
	$('statements').hidden = !page.statements.length
	$('statements').querySelector('ul').replaceChildren(...page.statements.map(statement))
	$('all').hidden = false
}

function limit(l) {
	const name = l.of ? `Key ${l.of}: ${l.what}` : l.what[0].toUpperCase() + l.what.slice(1)
	const notes = [l.left && `${l.left} left`, l.resets_at && `resets ${moment(l.resets_at)}`, l.warn && 'it only warns'].filter(Boolean)
	return element('li', {}, element('div', { class: 'row' }, element('span', {}, name), element('b', {}, l.text)),
		element('progress', { max: 100, value: l.percent, 'aria-label': `${name}: used ${l.percent} %` }), element('small', {}, notes.join(', ')))
}

function statement(s) {
	const button = element('button', { type: 'button', 'aria-label': `Show statement ${s.number}` }, 'Show')
	button.onclick = async () => {
		try {
			const { text } = await ask(`statements/${encodeURIComponent(s.number)}`)
			$('statement').hidden = false
			$('statement').querySelector('h3').textContent = `Statement ${s.number}`
			$('statement').querySelector('pre').textContent = text
			$('statement').focus()
		} catch (error) {
			fail(error)
		}
	}
	return element('li', {}, element('div', { class: 'row' }, element('span', {}, `${s.month}, ${s.number}`), element('b', {}, s.owed), button),
		element('small', {}, `closed ${day(s.closed_at)}`))
}

ask('data').then(show).catch(fail)
