/**
 * The first module of a hosted app, as text: it says which request a line of the console belongs to, and how many apps a
 * request came through that leads to another one by a service binding.
 *
 * It runs before the app does and in the app's isolate. So what it prints is the app's word: an app can make up ids of
 * requests, and no more than that; `output.ts` reads the marks and takes nothing else for one.
 *
 * Marks before a line's text, `id` being empty outside of requests:
 * U+0001 id U+0002 text; U+0001 id U+0003 space text (the text is no string); U+0001 id U+0004 space text (an exception
 * that nobody caught).
 */
export const requestModule = `
import { AsyncLocalStorage } from "node:async_hooks";
const requests = new AsyncLocalStorage();
const within = requests.run.bind(requests), current = requests.getStore.bind(requests);
const calls = new AsyncLocalStorage(), passing = calls.run.bind(calls), hops = calls.getStore.bind(calls);
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const call = Reflect.apply, then = uncurry(Promise.prototype.then), ThePromise = Promise;
const header = uncurry(Headers.prototype.get);
const headersOf = uncurry(Object.getOwnPropertyDescriptor(Request.prototype, "headers").get);
const randomId = crypto.randomUUID.bind(crypto), global = globalThis;
const TheRequest = Request, setHeader = uncurry(Headers.prototype.set);
const { values, getPrototypeOf, getOwnPropertyDescriptors, defineProperty, defineProperties } = Object;
const told = new WeakSet(), { add: tell, has: isTold } = { add: uncurry(WeakSet.prototype.add), has: uncurry(WeakSet.prototype.has) };

const { error: printError } = console;
for (const level of ["debug", "log", "info", "warn", "error"]) {
  const print = console[level];
  console[level] = { [level](...said) {
    const id = current();
    if (id === undefined) return print(...said);
    if (said.length === 0) return print("\\x01" + id + "\\x02");
    if (typeof said[0] !== "string") return print("\\x01" + id + "\\x03", ...said);
    said[0] = "\\x01" + id + "\\x02" + said[0];
    return print(...said);
  } }[level];
}

/** Prints what nobody caught, once however many hear of it. */
function report(error, how = "Uncaught") {
  if (typeof error === "object" && error !== null) {
    if (isTold(told, error)) return;
    tell(told, error);
  }
  try {
    printError("\\x01" + (current() ?? "") + "\\x04", how, error);
  } catch {
    printError("\\x01" + (current() ?? "") + "\\x04", how, "something that cannot be shown");
  }
}
addEventListener("unhandledrejection", (event) => report(event.reason, "Uncaught (in promise)"));
for (const name of ["setTimeout", "setInterval"]) {
  const start = global[name];
  const value = { [name](run, ...rest) {
    if (typeof run !== "function") return call(start, global, [run, ...rest]);
    return call(start, global, [(...given) => reporting(run, undefined, given), ...rest]);
  } }[name];
  global[name] = defineProperties(value, getOwnPropertyDescriptors(start));
}

/** What comes over a socket belongs to the request that listens to it first. */
const sockets = new WeakMap(), heard = new WeakMap();
const get = uncurry(WeakMap.prototype.get), set = uncurry(WeakMap.prototype.set), has = uncurry(WeakMap.prototype.has);
const { addEventListener: listen, removeEventListener: unlisten } = WebSocket.prototype;
function hearing(listener) {
  if (typeof listener !== "function") return listener;
  if (!has(heard, listener)) set(heard, listener, function (event) {
    const id = get(sockets, event.target);
    return id === undefined ? reporting(listener, this, [event]) : within(id, reporting, listener, this, [event]);
  });
  return get(heard, listener);
}
for (const [name, value] of Object.entries({
  addEventListener(type, listener, ...rest) {
    const id = current();
    if (id !== undefined && !has(sockets, this)) set(sockets, this, id);
    return call(listen, this, [type, hearing(listener), ...rest]);
  },
  removeEventListener(type, listener, ...rest) {
    return call(unlisten, this, [type, hearing(listener), ...rest]);
  },
})) defineProperty(WebSocket.prototype, name, { configurable: true, writable: true, enumerable: true, value });

/** Calls, and hears of what is thrown or rejected without coming between the caller and it. */
function reporting(method, self, given) {
  try {
    const result = call(method, self, given);
    if (result instanceof ThePromise) then(result, undefined, report);
    return result;
  } catch (error) {
    report(error);
    throw error;
  }
}

let watched = false;
/** Work after the answer fails in silence otherwise. */
function watch(ctx) {
  watched = true;
  const prototype = getPrototypeOf(ctx), { waitUntil } = prototype;
  prototype.waitUntil = { waitUntil(work) {
    if (work instanceof ThePromise) then(work, undefined, report);
    return call(waitUntil, this, [work]);
  } }.waitUntil;
}

function handled(name, method, self, given, ctx) {
  if (!watched && ctx) watch(ctx);
  if (current() !== undefined) return call(method, self, given);
  const sent = name === "fetch" ? headersOf(given[0]) : undefined;
  const id = (sent && header(sent, "x-request-id")) ?? "evt_" + randomId().replaceAll("-", "");
  const came = (sent && header(sent, "x-jack-hops")) ?? undefined;
  if (came !== undefined && !tells) tellHops(given[1] ?? self.env ?? {});
  return passing(came, within, id, reporting, method, self, given);
}

let tells = false;
/** What an app that was called by another one asks of a third says so. */
function tellHops(env) {
  const binding = values(env).find((it) => typeof it === "object" && it?.constructor?.name === "Fetcher");
  if (!binding) return;
  tells = true;
  const prototype = getPrototypeOf(binding), { fetch: ask } = prototype;
  prototype.fetch = { async fetch(...given) {
    if (hops() === undefined) return call(ask, this, given);
    const request = new TheRequest(...given);
    setHeader(headersOf(request), "x-jack-hops", hops());
    return call(ask, this, [request]);
  } }.fetch;
}

/** The app's handlers as they are, each call within its request. A class is changed in place: it stays itself. */
export function withRequests(handler) {
  const wrapped = typeof handler === "function" ? handler : {};
  const from = typeof handler === "function" ? handler.prototype : handler;
  for (const name of ["fetch", "scheduled", "queue", "email", "tail", "tailStream", "trace", "test", "connect"]) {
    const method = from[name];
    if (typeof method !== "function") continue;
    if (wrapped === handler)
      defineProperty(from, name, { configurable: true, writable: true, enumerable: false,
        value(...given) { return handled(name, method, this, given, this.ctx); } });
    else wrapped[name] = (...given) => handled(name, method, handler, given, given[2]);
  }
  return wrapped;
}
`

// biome-ignore lint/suspicious/noControlCharactersInRegex: no text has them by chance
const mark = /^\u0001([\w-]{0,64})([\u0002-\u0004])/

/** A line of an app's console without its mark and without frames of ours. What has no whole mark is text. */
export function readMark(text: string): {
  requestId: string | null
  exception: boolean
  message: string
} {
  const found = mark.exec(text)
  const end = found?.[2] ?? PLAIN
  const message = text.slice((found?.[0].length ?? 0) + (end === PLAIN ? 0 : 1))
  return {
    requestId: found?.[1] || null,
    exception: end === EXCEPTION,
    message: message.includes(REQUESTS_MODULE) ? message.replace(ownFrames, '') : message,
  }
}

/** A `_` may stand before it, when an app has a module of that name. */
export const REQUESTS_MODULE = 'jack-requests.js'

const PLAIN = '\u0002'
const EXCEPTION = '\u0004'
const ownFrames = /\n {1,16}at (?:[^\n]* \()?_*jack-requests\.js:\d+:\d+\)?(?=\n| \{\n|$)/g
