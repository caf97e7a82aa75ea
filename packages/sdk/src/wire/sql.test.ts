import fc from 'fast-check'
import { expect, test } from 'vitest'
import { statementsOf } from './sql.ts'

test.each([
  ['', []],
  [' ;; -- nothing\n /* ; */ ;', []],
  ['select 1', ['select 1']],
  ['select 1; -- one\nselect 2;', ['select 1', '-- one\nselect 2']],
  [
    "insert into t values ('a;''b;', \"c;d\", `e;f`, [g;h])",
    ["insert into t values ('a;''b;', \"c;d\", `e;f`, [g;h])"],
  ],
  ["select 'open; select 2", ["select 'open; select 2"]],
  ['/* open ; select 1', []],
  [
    'create trigger a after insert on t when case when 1 then 1 end begin select case 1 when 1 then 2 end; select 1; end; select 2',
    [
      'create trigger a after insert on t when case when 1 then 1 end begin select case 1 when 1 then 2 end; select 1; end',
      'select 2',
    ],
  ],
  [
    'CREATE TEMP TRIGGER IF NOT EXISTS a BEGIN; END; x',
    ['CREATE TEMP TRIGGER IF NOT EXISTS a BEGIN; END', 'x'],
  ],
  ['create table "trigger" (a); begin; commit', ['create table "trigger" (a)', 'begin', 'commit']],
])('%j', (sql, statements) => {
  expect(statementsOf(sql)).toEqual(statements)
})

test('statements that are joined come apart again', () => {
  const part = fc.constantFrom(
    "'a;b'",
    '"c;d"',
    "'it''s; '",
    '[e;f]',
    '/* ; */',
    '-- ;\n',
    'x',
    '1',
    '(',
    ',',
    'end',
    '$a',
  )
  const statement = fc.array(part, { minLength: 1 }).map((parts) => `select ${parts.join(' ')} 1`)
  fc.assert(
    fc.property(fc.array(statement), (statements) => {
      expect(statementsOf(statements.join(' ; \n'))).toEqual(statements)
    }),
  )
})

test('an endless text without an end takes no longer than it is', () => {
  const parts = ["'", '"', '[', '/*', '--', '`', 'a', ';']
  for (const part of parts) statementsOf(part.repeat(1_000_000))
})
