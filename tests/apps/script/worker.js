addEventListener('fetch', (event) => {
  event.respondWith(answer(event))
})

async function answer(event) {
  const { pathname } = new URL(event.request.url)
  if (event.request.method === 'PUT') {
    event.waitUntil(NOTES.put(pathname, await event.request.text()))
    return new Response(null, { status: 204 })
  }
  return new Response(`${GREETING}, ${(await NOTES.get(pathname)) ?? 'nobody'}!`)
}
