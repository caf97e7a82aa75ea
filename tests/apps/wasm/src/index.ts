import add from './add.wasm'

const { exports } = new WebAssembly.Instance(add)

export default {
  fetch(request: Request): Response {
    const { searchParams } = new URL(request.url)
    const [a, b] = ['a', 'b'].map((name) => Number(searchParams.get(name)))
    return Response.json({ sum: (exports.add as CallableFunction)(a, b) })
  },
}
