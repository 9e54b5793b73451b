// A chat for a page, in one line:
//   <script async src="https://ai.mysite.com/sdk/widget.js" data-token="wlm-…"></script>
// "tallygate help websites" has all of its data attributes. What is said and answered is
// only ever text here; nothing is kept, and nothing is fetched but the client beside this
// file, the token of data-token-url and the answers.
(() => {
	// What a page quotes of others may be named currentScript, or look like this line: only a
	// script is believed.
	const isScript = (s) => s instanceof HTMLScriptElement
	const script = isScript(document.currentScript) ? document.currentScript
		: [...Document.prototype.querySelectorAll.call(document, 'script[src*="/sdk/widget.js"]')].find(isScript)
	const ask = script.dataset
	const base = (ask.gateway || script.src.replace(/\/sdk\/widget\.js.*$/, '')).replace(/(\/v1)?\/*$/, '')
	const MOST_TURNS = 21, MOST_BYTES = 24000 // below what a locked token may send

	// Each may be said otherwise: data-used-up for usedUp, and so on.
	const words = {
		title: 'Ask us', open: 'Open the chat', close: 'Close the chat', placeholder: 'Write your question', send: 'Send',
		stop: 'Stop', you: 'You', writing: 'An answer is being written.', greeting: '', stopped: 'Stopped.',
		usedUp: 'We have answered as much as we can for now. Please come back another time.',
		quota: 'You have asked as much as you can here for now. Please come back later.',
		busy: 'A lot of people are asking right now. Please try again in a moment.',
		revoked: 'This is switched off at the moment.',
		expired: 'This page was open for a long time, or is out of date. Please reload it.',
		domain: 'This does not work on this page.',
		country: 'This is not available in your country.',
		unclear: 'This could not be answered. Please ask in another way, or more briefly.',
		offline: 'You seem to be offline, or we cannot be reached. Please try again in a moment.',
		failed: 'Something went wrong. Please try again later.',
		...ask,
	}
	const kinds = {
		usedUp: /^(requests|tokens|cost|credits|sessions|balance)_limit$/, quota: /^ip_quota$/,
		busy: /^(rate_limit|concurrency_limit|budget_held|gateway_busy|provider_busy|provider_cap|provider_timeout|shutting_down)$/,
		expired: /^token_expired$/, domain: /^origin_not_allowed$/, country: /^country_not_allowed$/,
		revoked: /^(token_\w+|invalid_api_key|key_\w+|gateway_disabled|template_not_found|model_\w+|no_provider)$/,
		unclear: /^(request_too_large|invalid_\w+|refused_by_provider)$/, offline: /^(unreachable|no_gateway)$/,
	}
	const kindOf = (code) => code === 'token_locked' ? 'unclear' : Object.keys(kinds).find((kind) => kinds[kind].test(code)) ?? 'failed'

	const sheet = new CSSStyleSheet()
	sheet.replaceSync(`
:host { all: initial; position: fixed; inset-block-end: 1rem; inset-inline-end: 1rem; z-index: 2147483000; color-scheme: light dark;
	--back: #fff; --text: #1b1f24; --soft: #eef1f4; --line: #6b7480; --main: #0b57d0; --on: #fff;
	font: 16px/1.45 system-ui, sans-serif; color: var(--text) }
:host([dark]) { color-scheme: dark; --back: #16191d; --text: #eceff2; --soft: #262b31; --line: #8b95a1; --main: #a8c7fa; --on: #0b1a33 }
:host([light]) { color-scheme: light }
*, ::before { box-sizing: border-box; font: inherit; color: inherit }
[hidden] { display: none !important }
button { border: 1px solid transparent; border-radius: 1.4rem; padding: .55rem 1.1rem; min-block-size: 2.75rem; background: var(--main); color: var(--on); cursor: pointer }
button:disabled { opacity: .6; cursor: default }
:focus-visible { outline: 3px solid var(--main); outline-offset: 2px }
#open { float: inline-end; box-shadow: 0 2px 12px #0005 }
#panel { display: flex; flex-direction: column; inline-size: min(24rem, calc(100vw - 2rem)); block-size: min(34rem, calc(100dvh - 2rem));
	background: var(--back); border: 1px solid var(--line); border-radius: .8rem; box-shadow: 0 6px 30px #0006; overflow: hidden }
header { display: flex; align-items: center; justify-content: space-between; padding: .4rem .4rem .4rem 1rem; border-block-end: 1px solid var(--line) }
h2 { margin: 0; font-weight: 600; overflow-wrap: anywhere }
#close { background: none; color: inherit; min-inline-size: 2.75rem; padding: 0 }
#turns { flex: 1; margin: 0; padding: .8rem; overflow-y: auto; list-style: none; overscroll-behavior: contain }
li { margin-block-end: .6rem; padding: .5rem .8rem; border-radius: .8rem; background: var(--soft); inline-size: fit-content; max-inline-size: 92%; white-space: pre-wrap; overflow-wrap: anywhere }
li.user { margin-inline-start: auto; background: var(--main); color: var(--on) }
li.told { background: none; border: 1px solid var(--line) }
form { display: flex; gap: .5rem; padding: .6rem; border-block-start: 1px solid var(--line); align-items: end }
textarea { flex: 1; min-inline-size: 0; resize: none; padding: .55rem .7rem; border: 1px solid var(--line); border-radius: .8rem; background: var(--back) }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
@media (prefers-color-scheme: dark) { :host(:not([light])) { --back: #16191d; --text: #eceff2; --soft: #262b31; --line: #8b95a1; --main: #a8c7fa; --on: #0b1a33 } }
@media (prefers-reduced-motion: no-preference) { #panel { animation: come .15s ease-out } @keyframes come { from { opacity: 0; translate: 0 .6rem } } }
`)

	const make = (name, attributes = {}, ...inside) => {
		const made = document.createElement(name)
		for (const key in attributes) made.setAttribute(key, attributes[key])
		made.append(...inside)
		return made
	}

	const open = make('button', { id: 'open', type: 'button', 'aria-haspopup': 'dialog', 'aria-expanded': 'false', 'aria-label': `${words.open}: ${words.title}` }, words.title)
	const close = make('button', { id: 'close', type: 'button', 'aria-label': words.close }, '✕')
	const turns = make('ol', { id: 'turns', tabindex: '0', 'aria-labelledby': 'title' })
	const box = make('textarea', { rows: '2', maxlength: '4000', 'aria-label': words.placeholder, placeholder: words.placeholder })
	const send = make('button', { type: 'submit' }, words.send)
	const said = make('p', { class: 'unseen', role: 'status', 'aria-live': 'polite' })
	const form = make('form', {}, box, send)
	const panel = make('section', { id: 'panel', role: 'dialog', 'aria-modal': 'true', 'aria-labelledby': 'title', hidden: '' },
		make('header', {}, make('h2', { id: 'title' }, words.title), close), turns, form, said)
	const host = make('tallygate-chat', { ...ask.lang && { lang: ask.lang }, .../^(dark|light)$/.test(ask.theme) && { [ask.theme]: '' } })

	const show = (yes) => {
		panel.hidden = !yes
		open.hidden = yes
		open.setAttribute('aria-expanded', yes)
		if (yes) box.focus()
		else open.focus()
	}
	open.addEventListener('click', () => show(true))
	close.addEventListener('click', () => show(false))
	panel.addEventListener('keydown', (event) => {
		event.stopPropagation() // shortcuts of the page are not meant
		if (event.key === 'Escape') show(false)
		if (event.key !== 'Tab') return
		const all = [close, turns, box, send], at = all.indexOf(host.shadowRoot.activeElement)
		event.preventDefault()
		all[(at + (event.shiftKey ? all.length - 1 : 1)) % all.length].focus()
	})
	box.addEventListener('keydown', (event) => {
		if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return
		event.preventDefault()
		form.requestSubmit()
	})

	// line adds a line to the conversation, which is text whatever stands in it.
	const line = (kind, text) => {
		const item = make('li', { class: kind })
		if (kind === 'user') item.append(make('span', { class: 'unseen' }, `${words.you}: `))
		item.append(text)
		turns.append(item)
		item.scrollIntoView({ block: 'end' })
		return item.lastChild
	}

	// A token of data-token-url is kept for as long as it works.
	let kept = { token: ask.token, until: Infinity }
	const token = async (anew, signal) => {
		if (!ask.tokenUrl || !anew && kept.token && Date.now() < kept.until - 10_000) return kept.token
		const answer = await fetch(ask.tokenUrl, { method: 'POST', cache: 'no-store', headers: { accept: 'application/json' }, signal })
		if (!answer.ok) throw Object.assign(new Error('no token'), { code: answer.status === 429 ? 'rate_limit' : 'failed' })
		const { token, expires_at } = await answer.json()
		kept = { token, until: Date.parse(expires_at) || Date.now() + 60_000 }
		return token
	}

	let client // the module, once it is needed
	const history = []
	const sizeOf = (turn) => new TextEncoder().encode(turn.content).length
	const shorten = () => {
		const size = () => history.reduce((sum, turn) => sum + sizeOf(turn), 0)
		while (history.length > 1 && (history.length > MOST_TURNS || history[0].role !== 'user' || size() > MOST_BYTES)) history.shift()
	}

	async function answer(signal, into) {
		const { WebLLMClient } = await (client ??= import(`${base}/sdk/webllm.js`).catch(() => {
			client = undefined
			throw Object.assign(new Error('no client'), { code: 'unreachable' })
		}))
		for (let anew = false; ; anew = true) {
			const gatewayToken = await token(anew, signal).catch((cause) => { throw typeof cause.code === 'string' || signal.aborted ? cause : Object.assign(cause, { code: 'unreachable' }) })
			let text = ''
			try {
				const ai = new WebLLMClient({ gatewayToken, gatewayUrl: base, prefer: 'none' })
				for await (const piece of ai.streamText({ messages: history, model: ask.template && `template/${ask.template}`, signal })) into(text += piece)
				return text
			} catch (cause) {
				if (anew || text || !ask.tokenUrl || !/^(token_(?!locked)|invalid_api_key)/.test(cause.code)) throw cause
			}
		}
	}

	let work // what stops the answer that is being written
	form.addEventListener('submit', async (event) => {
		event.preventDefault()
		if (work) return work.abort()
		const text = box.value.trim()
		if (!text) return box.focus()
		box.value = ''
		line('user', text)
		history.push({ role: 'user', content: text })
		shorten()
		work = new AbortController()
		send.textContent = words.stop
		said.textContent = words.writing
		const place = line('assistant', '…')
		try {
			const whole = await answer(work.signal, (text) => {
				const end = turns.scrollHeight - turns.scrollTop - turns.clientHeight < 40
				place.data = text
				if (end) turns.scrollTop = turns.scrollHeight
			})
			history.push({ role: 'assistant', content: whole || '…' })
			said.textContent = whole
		} catch (cause) {
			const kind = work.signal.aborted ? 'stopped' : kindOf(cause?.code)
			if (place.data === '…') {
				place.parentNode.remove()
				history.pop()
				box.value ||= text // to be asked again
			} else history.push({ role: 'assistant', content: place.data })
			// Of a limit the gateway knows when it ends.
			const says = /^(usedUp|quota)$/.test(kind) && !ask[kind] && cause.visitorMessage || words[kind]
			line('told', says)
			said.textContent = says
		} finally {
			work = undefined
			send.textContent = words.send
		}
	})

	const start = () => {
		const root = host.attachShadow({ mode: 'open', delegatesFocus: true })
		root.adoptedStyleSheets = [sheet]
		root.append(open, panel)
		if (words.greeting) line('assistant', words.greeting)
		document.body.append(host)
	}
	if (!document.querySelector('tallygate-chat')) {
		if (document.body) start()
		else addEventListener('DOMContentLoaded', start)
	}
})()
