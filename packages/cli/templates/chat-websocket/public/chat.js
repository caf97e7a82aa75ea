const messages = document.querySelector('#messages')
const text = document.querySelector('#text')
let socket

function connect() {
  socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/rooms/lobby`)
  socket.addEventListener('open', () => messages.replaceChildren())
  socket.addEventListener('message', ({ data }) => {
    const item = document.createElement('li')
    item.textContent = JSON.parse(data).text
    messages.append(item)
  })
  socket.addEventListener('close', () => setTimeout(connect, 1_000))
}

document.querySelector('form').addEventListener('submit', (event) => {
  event.preventDefault()
  if (socket.readyState !== WebSocket.OPEN) return
  socket.send(text.value)
  text.value = ''
})
connect()
