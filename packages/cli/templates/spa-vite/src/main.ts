const pages: Record<string, string> = {
  '/': 'This page is src/main.ts.',
  '/about': 'Links change the page without loading it again.',
}

function show(): void {
  const main = document.querySelector('main') as HTMLElement
  main.textContent = pages[location.pathname] ?? 'There is nothing here.'
}

document.addEventListener('click', (event) => {
  const link = (event.target as Element).closest('a')
  if (!link || link.origin !== location.origin || event.metaKey || event.ctrlKey) return
  event.preventDefault()
  history.pushState(null, '', link.href)
  show()
})
window.addEventListener('popstate', show)
show()
