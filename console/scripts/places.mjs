// Small changes of the kind that a tired developer makes, for `make mutants`: where each can be made, as JSON
// {path, line, start, end, instead}. Lines count from 1, `start` and `end` are bytes of UTF-8.
// Usage: node scripts/places.mjs FOLDER FILE…, each file from the folder.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

const K = ts.SyntaxKind
const OTHER_OPERATOR = new Map([
  ['<', '<='],
  ['<=', '<'],
  ['>', '>='],
  ['>=', '>'],
  ['===', '!=='],
  ['!==', '==='],
  ['&&', '||'],
  ['||', '&&'],
  ['+', '-'],
  ['-', '+'],
  ['*', '/'],
  ['/', '*'],
  ['%', '*'],
  ['+=', '-='],
  ['-=', '+='],
  ['??=', '='],
])
const OTHER_METHOD = new Map([
  ['some', 'every'],
  ['every', 'some'],
  ['startsWith', 'endsWith'],
  ['endsWith', 'startsWith'],
  ['min', 'max'],
  ['max', 'min'],
  ['floor', 'ceil'],
  ['ceil', 'floor'],
])
/** Calls that are left out, so that what they were asked of stays as it is. */
const LEFT_OUT = new Set(['filter', 'sort', 'toSorted', 'reverse', 'toReversed', 'trim', 'slice'])
/** Attributes of elements that say how they look, or that only React reads; and elements whose attributes all do. */
const LOOKS = new Set(['className', 'style', 'key', 'ref'])
const DRAWN = new Set(['svg', 'path', 'rect'])
const LOOPS = new Set([K.ForStatement, K.ForOfStatement, K.ForInStatement, K.WhileStatement, K.DoStatement])

function places(path, text) {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const found = []
  const said = node => node.getText(file)
  const change = (node, instead, start = node.getStart(file), end = node.end) => {
    const line = file.getLineAndCharacterOfPosition(start).line + 1
    const bytes = offset => Buffer.byteLength(text.slice(0, offset))
    found.push({ path, line, start: bytes(start), end: bytes(end), instead })
  }
  const without = (list, node) => {
    const number = list.indexOf(node)
    if (number + 1 < list.length) change(node, '', node.getStart(file), list[number + 1].getStart(file))
    else change(node, '', number > 0 ? list[number - 1].end : node.getStart(file), node.end)
  }
  const visit = node => {
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return
    if (ts.isJsxAttribute(node)) {
      if (LOOKS.has(said(node.name)) || DRAWN.has(said(node.parent.parent.tagName))) return
      change(node, '')
      const given = node.initializer?.expression
      if (given && ts.isNumericLiteral(given)) return
    }
    for (const [is, make] of CHANGES) if (is(node)) make(node, change, said, without)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

const isProperty = node =>
  (ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node) || ts.isSpreadAssignment(node)) &&
  ts.isCallExpression(node.parent.parent)

/** Whether a `break` or `continue` is one of a loop, and not of a `switch`. */
function isOfLoop(node) {
  let around = node.parent
  while (!LOOPS.has(around.kind) && around.kind !== K.CaseClause && around.kind !== K.DefaultClause) {
    if (around.kind === K.SourceFile) return false
    around = around.parent
  }
  return LOOPS.has(around.kind)
}

/** Each kind of change: of which nodes, and how. */
const CHANGES = [
  [
    ts.isBinaryExpression,
    (node, change, said) => {
      const instead = OTHER_OPERATOR.get(said(node.operatorToken))
      if (instead) change(node.operatorToken, instead)
      if (node.operatorToken.kind === K.QuestionQuestionToken) change(node, said(node.left))
    },
  ],
  [
    node => ts.isPrefixUnaryExpression(node) && node.operator === K.ExclamationToken,
    (node, change, said) => change(node, said(node.operand)),
  ],
  [ts.isIfStatement, (node, change) => change(node.expression, 'false')],
  [ts.isConditionalExpression, (node, change) => change(node.condition, 'false')],
  [
    node =>
      ts.isExpressionStatement(node) &&
      (ts.isCallExpression(node.expression) ||
        ts.isAwaitExpression(node.expression) ||
        (ts.isBinaryExpression(node.expression) && node.expression.operatorToken.kind === K.EqualsToken)),
    (node, change) => change(node, ';'),
  ],
  [ts.isNumericLiteral, (node, change) => change(node, String(Number(node.text) + 1))],
  [node => node.kind === K.TrueKeyword, (node, change) => change(node, 'false')],
  [node => node.kind === K.FalseKeyword, (node, change) => change(node, 'true')],
  [node => ts.isBreakStatement(node) && isOfLoop(node), (node, change) => change(node, 'continue')],
  [node => ts.isContinueStatement(node) && isOfLoop(node), (node, change) => change(node, 'break')],
  [ts.isCaseClause, (node, change) => change(node, '')],
  [
    ts.isCallExpression,
    (node, change, said, without) => {
      if (node.arguments.length > 1) without(node.arguments, node.arguments.at(-1))
      if (!ts.isPropertyAccessExpression(node.expression)) return
      const { name, expression } = node.expression
      if (OTHER_METHOD.has(name.text)) change(name, OTHER_METHOD.get(name.text))
      if (LEFT_OUT.has(name.text)) change(node, said(expression))
    },
  ],
  [isProperty, (node, _change, _said, without) => without(node.parent.properties, node)],
]

const [, , folder, ...files] = process.argv
process.stdout.write(JSON.stringify(files.flatMap(path => places(path, readFileSync(join(folder, path), 'utf8')))))
