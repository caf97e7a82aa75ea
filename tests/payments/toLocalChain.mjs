// Preloaded into tools that know public networks only: what they ask there is answered by the chain on this machine.
const { fetch } = globalThis
globalThis.fetch = (input, init) => {
  const request = new Request(input, init)
  return /^https:\/\/rpc\.(moderato\.)?tempo\.xyz\//.test(request.url)
    ? fetch(new Request(process.env.LOCAL_RPC_URL, request))
    : fetch(request)
}
