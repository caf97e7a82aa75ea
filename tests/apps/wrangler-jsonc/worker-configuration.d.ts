interface Env {
  GREETING: string
  LEVELS: { debug: boolean }
  API_KEY: string
  ASSETS: Fetcher
}
