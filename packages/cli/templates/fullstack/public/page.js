const time = document.querySelector('#time')

async function ask() {
  const response = await fetch('/api/time')
  const answer = await response.json()
  time.textContent = new Date(answer.time).toLocaleString()
}

document.querySelector('#again').addEventListener('click', ask)
await ask()
