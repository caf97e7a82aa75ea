/**
 * What makes a module of a script, a program that exports nothing and calls `addEventListener('fetch', ...)`: around its
 * code, since it finds its bindings among the globals and its listeners have to be there when it runs.
 */
export const aroundScript = {
  banner: {
    js: `import { env as jackEnv } from "cloudflare:workers";
const jackListeners = { fetch: [], scheduled: [] };
const jackListen = globalThis.addEventListener;
globalThis.addEventListener = (type, listener, options) =>
  Object.hasOwn(jackListeners, type)
    ? jackListeners[type].push(typeof listener === "function" ? listener : (event) => listener.handleEvent(event))
    : jackListen.call(globalThis, type, listener, options);
for (const [name, value] of Object.entries(jackEnv)) if (!(name in globalThis)) globalThis[name] = value;`,
  },
  footer: {
    js: `export default {
  fetch(request, env, ctx) {
    let answer;
    const event = {
      type: "fetch", request,
      respondWith(response) { answer = Promise.resolve(response) },
      waitUntil: (work) => ctx.waitUntil(work),
      passThroughOnException() {},
    };
    for (const listener of jackListeners.fetch) {
      const work = listener(event);
      if (answer) return answer;
      if (work) ctx.waitUntil(work);
    }
    return new Response("No listener answered.", { status: 404 });
  },
  async scheduled({ cron, scheduledTime }, env, ctx) {
    const event = { type: "scheduled", cron, scheduledTime, waitUntil: (work) => ctx.waitUntil(work) };
    for (const listener of jackListeners.scheduled) await listener(event);
  },
};`,
  },
}

/** Whether a bundle is a script: nothing is exported, and something listens. */
export const isScript = (exports: string[], code: string): boolean =>
  exports.length === 0 && /\baddEventListener\(\s*["'`](?:fetch|scheduled)["'`]/.test(code)
