/** What a measurement asks, what counts as good, and how to find out. One file of `bench/` each. */
export interface Question {
  name: string
  asks: string
  /** One for each row of the answer, in the order of printing. */
  goals: Record<string, Goal>
  run(): Promise<Measured[]>
}

/** A value with neither bound is told for orientation. */
export interface Goal {
  unit: 'ms' | 'ms CPU' | '/s' | 'x' | 'requests'
  atMost?: number
  atLeast?: number
}

export interface Measured {
  /** A key of the question's goals. */
  name: string
  value: number
  /** The same, measured of others in the same run. */
  beside?: Record<string, number>
  /** Others that could not take part, and why. */
  missing?: Record<string, string>
  /** More numbers about the same samples, such as n and p99. */
  extra?: Record<string, number | string>
  /** What a reader must know to judge the value. */
  note?: string
}

/** A measured value as it is printed. */
export interface Row {
  name: string
  value: number
  unit: string
  goal: number | null
  /** Which side of the goal is good. */
  better: 'lower' | 'higher'
  pass: boolean
  beside: Record<string, number>
  /** Our value divided by theirs. */
  ratio: Record<string, number>
  missing?: Record<string, string>
  note?: string
  [extra: string]: unknown
}

/** Holds a value against its goal. Throws when the question has no such row. */
export function judge(question: Question, measured: Measured): Row {
  const { name, value, beside = {}, extra, missing, note } = measured
  const goal = question.goals[name]
  if (!goal) throw new Error(`${question.name} measured ${name}, of which its goals know nothing`)
  const { unit, atMost, atLeast } = goal
  return {
    name,
    value: round(value),
    unit,
    goal: atMost ?? atLeast ?? null,
    better: unit === '/s' ? 'higher' : 'lower',
    pass: Number.isFinite(value) && value <= (atMost ?? value) && value >= (atLeast ?? value),
    beside: mapValues(beside, round),
    ratio: mapValues(beside, (other) => round(value / other)),
    ...(missing && Object.keys(missing).length > 0 && { missing }),
    ...mapValues(extra ?? {}, (it) => (typeof it === 'number' ? round(it) : it)),
    ...(note && { note }),
  }
}

export const round = (value: number): number => Number(value.toPrecision(4))

const mapValues = <From, To>(it: Record<string, From>, change: (value: From) => To) =>
  Object.fromEntries(Object.entries(it).map(([name, value]) => [name, change(value)]))
