import { WebLLMClient } from './sdk/webllm.js'

const $ = (id) => document.getElementById(id)
const here = new URL('.', location.href).href.replace(/\/$/, '')

// A token is tried here, not the visitor's own extension: that would answer
// where the gateway refuses.
for (const [holder, name] of [[navigator, 'llm'], [window, '__webllm']]) Reflect.defineProperty(holder, name, { value: undefined })

for (const b of document.querySelectorAll('.here')) b.textContent = here

// Only a page of https or of this machine may use the clipboard.
for (const box of navigator.clipboard ? document.querySelectorAll('.code') : []) {
	const button = document.createElement('button')
	button.type = 'button'
	button.textContent = 'Copy'
	button.setAttribute('aria-label', `Copy: ${box.firstChild.getAttribute('aria-label')}`)
	button.onclick = async () => {
		await navigator.clipboard.writeText(box.firstChild.textContent)
		button.textContent = 'Copied'
		setTimeout(() => (button.textContent = 'Copy'), 1500)
	}
	box.append(button)
}

let running // the AbortController of the request under way

const form = document.querySelector('form')
form.onkeydown = (e) => {
	if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) form.requestSubmit()
}
form.onsubmit = async (e) => {
	e.preventDefault()
	if (running) return running.abort()
	running = new AbortController()
	$('send').textContent = 'Stop'
	show({})
	$('answer').ariaBusy = 'true'
	// What is pasted often brings a line's end along.
	const token = $('token').value.trim() || undefined, model = $('model').value.trim() || undefined
	try {
		const client = new WebLLMClient({ gatewayToken: token, gatewayUrl: here, prefer: 'gateway' })
		const stream = client.streamText({ prompt: $('prompt').value, model, signal: running.signal })
		for await (const piece of stream) $('answer').append(piece)
		show({ result: await stream.result(), standings: await standingsOf(token) })
	} catch (error) {
		show({ error })
	}
	$('answer').ariaBusy = 'false'
	$('send').textContent = 'Send'
	running = undefined
}

// show tells how a request ended; the answer itself is there by then. With
// neither a result nor an error the next one begins.
function show({ result, error, standings = [] }) {
	$('result').hidden = false
	if (!result && !error) $('answer').textContent = ''
	$('outcome').textContent = error && !$('answer').textContent ? 'No answer' : 'Answer'
	$('refusal').hidden = !error
	$('refusal').textContent = error ? inWords(error) : ''
	const { model, provider, usage, finishReason, requestId } = result ?? error ?? {}
	$('facts').replaceChildren(...Object.entries({
		'Model': model, 'Provider': provider,
		'Tokens': usage && `${usage.promptTokens} in, ${usage.completionTokens} out`,
		'Cut short': finishReason !== 'stop' && finishReason,
		'Status': error?.status, 'Code': error?.status && error.code, 'Request': requestId,
	}).filter(([, value]) => value).map(([name, value]) => element('div', element('dt', name), element('dd', value))))
	$('left').hidden = !standings.length
	$('left').querySelector('ul').replaceChildren(...standings.map((s) => element('li', leftOf(s), element('small', detailOf(s)))))
}

const element = (name, ...children) => {
	const e = document.createElement(name)
	e.append(...children)
	return e
}

const inWords = ({ name, message }) => name === 'AbortError' ? 'You stopped it. What had arrived by then counts.' : message

// The limits that this token meets. A token for certain sites needs to see the
// referrer, which this page else keeps to itself.
async function standingsOf(token) {
	const headers = token ? { authorization: `Bearer ${token}` } : {}
	const response = await fetch(`${here}/v1/usage`, { headers, referrerPolicy: 'same-origin' }).catch(() => {})
	return response?.ok ? (await response.json()).limits : []
}

// Of money a visitor is told a share only, which stands in the detail.
const leftOf = ({ metric, left }) =>
	metric === 'cost' || metric === 'credits' ? 'Budget' : `${Math.max(left, 0).toLocaleString('en')} ${metric}`

function detailOf({ of, window, text, resets_at: resets }) {
	const whose = { token: 'this token', visitor: 'your address', key: 'this key', client: 'this client', gateway: 'the whole gateway' }[of] ?? of
	const span = window === 'total' ? 'in all' : `a ${window.split(':')[0]}`
	const until = resets ? `; resets ${new Date(resets).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })}` : ''
	return `${text} ${span}, used by ${whose}${until}`
}
