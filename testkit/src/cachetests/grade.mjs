// Grades the results of cli.mjs by the suite's own rules: node grade.mjs PACKAGE RESULTS
//
// Prints {id: {kind, result}} for every case that runs from the command line. The cases of
// Surrogate-Control, which is no standard, are run by cli.mjs and left out here.

import { readFileSync } from 'fs'
import { resolve } from 'path'
import { pathToFileURL } from 'url'

const [, , folder, file] = process.argv
const part = name => import(pathToFileURL(resolve(folder, name)))
const suites = (await part('tests/index.mjs')).default
const { determineTestResult } = await part('lib/display.mjs')
const results = JSON.parse(readFileSync(file, 'utf8'))

const words = {
  '-': 'untested',
  '✅': 'pass',
  '⛔️': 'fail',
  '⚠️': 'fail',
  Y: 'yes',
  N: 'no',
  '🔹': 'setup',
  '⁉️': 'harness',
  '⚪️': 'dependency',
  '↻': 'retry'
}

const grades = {}
for (const test of suites.flatMap(suite => suite.tests)) {
  if (test.browser_only === true) continue
  const symbol = determineTestResult(suites, test.id, results)[2]
  grades[test.id] = { kind: test.kind ?? 'required', result: words[symbol] ?? symbol }
}
console.log(JSON.stringify(grades))
