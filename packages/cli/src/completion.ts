import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

interface Word {
  word: string
  summary: string
}

/** What may follow a command: its subcommands and its options. */
interface Spot {
  /** Words that lead there, such as "env set"; '' is the program itself. */
  path: string
  commands: Word[]
  options: Word[]
}

/** A completion script for a shell, made from the commands themselves. */
export function script(shell: Shell, program: Command): string {
  const spots = spotsOf(program, '')
  return { bash, zsh, fish }[shell](spots)
}

function spotsOf(command: Command, path: string): Spot[] {
  const help = command.createHelp()
  const commands = help
    .visibleCommands(command)
    .map((it) => ({ word: it.name(), summary: it.description() }))
  const options = [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)].map(
    (it) => ({
      word: it.long ?? it.short ?? it.flags,
      summary: it.description,
    }),
  )
  return [
    { path, commands, options },
    ...command.commands.flatMap((it) => spotsOf(it, `${path} ${it.name()}`.trim())),
  ]
}

const quoted = (text: string) => `'${text.replaceAll("'", '')}'`
const words = (list: Word[]) => list.map(({ word }) => word).join(' ')

const bash = (spots: Spot[]) => `# Completion of jack for bash: source <(jack completion bash)
_jack() {
  local word="\${COMP_WORDS[COMP_CWORD]}" path="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ "\${COMP_WORDS[i]}" == -* ]] && continue
    case "\${path:+$path }\${COMP_WORDS[i]}" in
      ${spots
        .filter(({ path }) => path)
        .map(({ path }) => quoted(path))
        .join('|')}) path="\${path:+$path }\${COMP_WORDS[i]}" ;;
    esac
  done
  local words=""
  case "$path" in
${spots.map((it) => `    ${quoted(it.path)}) if [[ "$word" == -* ]]; then words=${quoted(words(it.options))}; else words=${quoted(words(it.commands))}; fi ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _jack jack
`

const zsh = (spots: Spot[]) => `#compdef jack
# Completion of jack for zsh: jack completion zsh > "\${fpath[1]}/_jack"
_jack() {
  local path="" i
  for ((i = 2; i < CURRENT; i++)); do
    [[ "\${words[i]}" == -* ]] && continue
    case "\${path:+$path }\${words[i]}" in
      ${spots
        .filter(({ path }) => path)
        .map(({ path }) => path.replaceAll(' ', '\\ '))
        .join('|')}) path="\${path:+$path }\${words[i]}" ;;
    esac
  done
  local -a commands options
  case "$path" in
${spots.map((it) => `    ${quoted(it.path)})\n      commands=(${it.commands.map(described).join(' ')})\n      options=(${it.options.map(described).join(' ')}) ;;`).join('\n')}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then
    _describe option options
  else
    (( \${#commands} )) && _describe command commands
    _files
  fi
}
if [ "$funcstack[1]" = "_jack" ]; then _jack "$@"; else compdef _jack jack; fi
`

const described = ({ word, summary }: Word) => quoted(`${word}:${summary.replaceAll(':', '\\:')}`)

const fish = (spots: Spot[]) => {
  const top = spots[0]
  const lines = [
    '# Completion of jack for fish: jack completion fish > ~/.config/fish/completions/jack.fish',
  ]
  for (const { path, commands, options } of spots) {
    const parts = path.split(' ').filter(Boolean)
    const known = commands.map(({ word }) => word).join(' ')
    const condition = [
      ...parts.map((part) => `__fish_seen_subcommand_from ${part}`),
      ...(known ? [`not __fish_seen_subcommand_from ${known}`] : []),
    ].join('; and ')
    for (const { word, summary } of commands) {
      lines.push(`complete -c jack -n ${quoted(condition)} -f -a ${word} -d ${quoted(summary)}`)
    }
    for (const { word, summary } of options) {
      if (path && top?.options.some((it) => it.word === word)) continue
      const when = path
        ? ` -n ${quoted(parts.map((part) => `__fish_seen_subcommand_from ${part}`).join('; and '))}`
        : ''
      lines.push(`complete -c jack${when} -l ${word.replace(/^--/, '')} -d ${quoted(summary)}`)
    }
  }
  return `${lines.join('\n')}\n`
}
