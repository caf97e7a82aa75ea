/** Keeps one text for each wallet. A store that several programs share is what keeps their limits together. */
export interface WalletStore {
  /**
   * Changes the text of a wallet while nobody else can: reads it, hands it to `change`, keeps what that returns.
   * `change` is quick and does nothing but compute; when it throws, nothing changes. A damaged text is handed out as ''.
   */
  update<T>(wallet: string, change: (text: string | undefined) => Changed<T>): Promise<T>
}

export interface Changed<T> {
  /** What to keep; undefined when it is to stay as it is. */
  text?: string | undefined
  result: T
}

/** A store that ends with the program. */
export function memoryStore(): WalletStore {
  const texts = new Map<string, string>()
  return {
    async update(wallet, change) {
      const { text, result } = change(texts.get(wallet))
      if (text !== undefined) texts.set(wallet, text)
      return result
    },
  }
}
