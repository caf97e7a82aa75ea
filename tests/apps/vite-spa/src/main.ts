import './style.css'

const app = document.querySelector('#app') as HTMLElement

async function show(path: string): Promise<void> {
  if (path === '/about') {
    const { about } = await import('./about')
    app.textContent = about()
  } else {
    app.textContent = `You are at ${path}.`
  }
}

addEventListener('popstate', () => show(location.pathname))
void show(location.pathname)
