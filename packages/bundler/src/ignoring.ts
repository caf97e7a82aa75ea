import ignore, { type Ignore } from 'ignore'

const alwaysIgnored = new Set([
  'node_modules',
  '.git',
  '.hg',
  '.svn',
  '.jack',
  '.wrangler',
  '.DS_Store',
  'Thumbs.db',
])

const secretFolders = ['.ssh', '.aws', '.gnupg', '.azure', '.kube', '.docker', '.gcloud']
const secretNames = [
  '.npmrc',
  '.yarnrc',
  '.yarnrc.yml',
  '.netrc',
  '_netrc',
  '.pgpass',
  '.pypirc',
  '.git-credentials',
  '.htpasswd',
  '.envrc',
  'wallet.json',
  'wallet.dat',
  'wallet.key',
  'keystore.json',
  'mnemonic.txt',
  'credentials.json',
  'service-account.json',
]
const secretPatterns = [
  String.raw`\.env(?:[.\-_][^/\\]*)?`,
  String.raw`\.dev\.vars[^/\\]*`,
  String.raw`[^/\\]*\.(?:pem|key|p12|pfx|p8|jks|keystore|kdbx|wallet|ovpn|tfstate)`,
  String.raw`id_(?:rsa|dsa|ecdsa|ed25519)[^/\\]*`,
  String.raw`utc--[^/\\]*`,
  String.raw`[^/\\]*-keypair\.json`,
]

/** Paths of files that hold keys and passwords, on any system; esbuild takes it for a filter. */
export const secretPath = new RegExp(
  String.raw`(?:^|[/\\])(?:(?:${literally(secretFolders)})(?:[/\\].*)?|${literally(secretNames)}|${secretPatterns.join('|')})$`,
  'i',
)

/** Files that hold keys and passwords by their name. They never leave the machine. */
export function isSecret(path: string): boolean {
  return secretPath.test(path)
}

function literally(names: string[]): string {
  return names.map((name) => name.replaceAll('.', String.raw`\.`)).join('|')
}

/** What nobody wants to deploy, whatever an ignore file says. */
export function isAlwaysIgnored(path: string): boolean {
  return path.endsWith('.log') || path.split('/').some((segment) => alwaysIgnored.has(segment))
}

/** The ignore files that count, in the order in which they are read. */
export const ignoreFiles = ['.gitignore', '.jackignore']

/** The rules of the ignore files of a tree; a file deeper down has the last word, as in git. */
export class Ignoring {
  readonly #rules = new Map<string, Ignore>()

  /** Adds the text of an ignore file that lies in `folder` ('' is the top). */
  add(folder: string, text: string): void {
    const rules = this.#rules.get(folder) ?? ignore()
    this.#rules.set(folder, rules.add(text))
  }

  /** Whether `path` is left out; a folder's path ends in `/`. */
  ignores(path: string): boolean {
    let ignored = false
    for (const folder of foldersAbove(path)) {
      const rules = this.#rules.get(folder)
      if (!rules) continue
      const below = folder === '' ? path : path.slice(folder.length + 1)
      const answer = rules.test(below)
      if (answer.ignored) ignored = true
      else if (answer.unignored) ignored = false
    }
    return ignored
  }
}

function foldersAbove(path: string): string[] {
  const folders = ['']
  for (let slash = path.indexOf('/'); slash > 0 && slash < path.length - 1; ) {
    folders.push(path.slice(0, slash))
    slash = path.indexOf('/', slash + 1)
  }
  return folders
}
