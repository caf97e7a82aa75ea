import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { type Shell, script, shells } from '../completion.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('<shell>', shells.join(', '))
    .addHelpText(
      'after',
      `
  bash   echo 'source <(jack completion bash)' >> ~/.bashrc
  zsh    jack completion zsh > "\${fpath[1]}/_jack"
  fish   jack completion fish > ~/.config/fish/completions/jack.fish`,
    )
    .action(async (shell: string) => {
      if (!shells.includes(shell as Shell)) {
        throw new JackError('usage', `There is no completion for ${shell}.`, {
          hint: `It is there for ${shells.join(', ')}.`,
        })
      }
      const text = script(shell as Shell, command.parent as Command)
      const { print } = await openSession(command, { unpaid: true })
      print.answer({ shell, script: text }, () => process.stdout.write(text))
    })
