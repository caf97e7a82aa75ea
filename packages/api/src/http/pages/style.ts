/** The look of every page: one column, the reader's own fonts, light or dark as the reader has it. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: #f6f5f1; --card: #ffffff; --ink: #1b1d1a; --quiet: #565b54; --line: #d9d8d0;
  --accent: #1f6f43; --on-accent: #ffffff; --code: #efeee8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #121412; --card: #1b1e1b; --ink: #eceee9; --quiet: #a8aea5; --line: #343a34;
    --accent: #6fd39c; --on-accent: #0c2016; --code: #262a26;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100vh; padding: 1.5rem 1rem 3rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; -webkit-text-size-adjust: 100%;
}
header, main { max-width: 34rem; margin: 0 auto; }
header { padding: 0 0.25rem 0.75rem; }
header a { color: var(--ink); font-weight: 700; letter-spacing: -0.01em; text-decoration: none; }
main { background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem; padding: 1.75rem; }
h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25; letter-spacing: -0.015em; text-wrap: balance; }
h2 { margin: 2rem 0 0.5rem; font-size: 1.0625rem; line-height: 1.3; }
p:has(+ pre) { margin-bottom: 0.5rem; }
p, ul, ol, dl, table, pre, form { margin: 0 0 1rem; }
main > :last-child, form > :last-child { margin-bottom: 0; }
ul, ol { padding-left: 1.25rem; }
a { color: var(--accent); }
.quiet { color: var(--quiet); font-size: 0.9375rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
input, select { font-family: inherit; }
code, pre, textarea, .mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.875rem; }
code { background: var(--code); border-radius: 0.25rem; padding: 0.1em 0.3em; overflow-wrap: anywhere; }
pre {
  background: var(--code); border-radius: 0.5rem; padding: 0.75rem 0.875rem; white-space: pre-wrap; overflow-wrap: anywhere;
}
pre code { padding: 0; background: none; }
table { width: 100%; border-collapse: collapse; }
caption { padding: 0 0 0.375rem; text-align: left; }
td, th { padding: 0.375rem 0; border-bottom: 1px solid var(--line); text-align: left; font-weight: 400; vertical-align: top; }
td:last-child { text-align: right; white-space: nowrap; padding-left: 1rem; font-variant-numeric: tabular-nums; }
button, .button {
  display: block; width: 100%; min-height: 2.875rem; padding: 0.625rem 1rem; border: 1px solid var(--accent);
  border-radius: 0.5rem; background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600;
  text-align: center; text-decoration: none; cursor: pointer;
}
button.second, .button.second { background: transparent; border-color: var(--line); color: var(--ink); }
button + button { margin-top: 0.625rem; }
button[disabled] { opacity: 0.55; cursor: default; }
button:hover:not([disabled]), .button:hover { filter: brightness(1.06); }
label { display: block; margin: 0 0 0.25rem; font-weight: 600; }
input:not([type=hidden]):not([type=checkbox]):not([type=radio]), textarea, select {
  display: block; width: 100%; min-height: 2.875rem; margin: 0 0 1rem; padding: 0.5rem 0.75rem;
  border: 1px solid var(--quiet); border-radius: 0.5rem; background: var(--card); color: var(--ink); font-size: 1rem;
}
input { accent-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
fieldset { margin: 0 0 1rem; padding: 0; border: 0; }
legend { padding: 0; font-weight: 600; }
.choice { display: flex; gap: 0.625rem; align-items: baseline; padding: 0.375rem 0; margin: 0; font-weight: 400; }
details { margin: 0 0 1rem; }
summary { cursor: pointer; padding: 0.375rem 0; }
.alert { border-left: 4px solid #c2571a; padding: 0.125rem 0 0.125rem 0.875rem; }
hr { border: 0; border-top: 1px solid var(--line); margin: 1.5rem 0; }
@media (max-width: 30rem) { main { padding: 1.25rem; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 0.5rem; } }
`
