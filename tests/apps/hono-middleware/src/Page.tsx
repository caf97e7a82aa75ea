import type { PropsWithChildren } from 'hono/jsx'

export const Page = ({ title, children }: PropsWithChildren<{ title: string }>) => (
  <html lang="en">
    <head>
      <title>{title}</title>
    </head>
    <body>
      <h1>{title}</h1>
      {children}
    </body>
  </html>
)

export const Entries = ({ entries }: { entries: string[] }) =>
  entries.length === 0 ? (
    <p>Nobody was here yet.</p>
  ) : (
    <ul>
      {entries.map((entry) => (
        <li>{entry}</li>
      ))}
    </ul>
  )
