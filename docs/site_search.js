// Guides come before pages that say why, since when, or what a word means. The weights are those of Sphinx.
const LATER = ['changelog', 'contributing', 'dify-behaviour', 'glossary']
const behind = page => (page.startsWith('decisions/') ? 200 : LATER.includes(page) ? 100 : 0)
var Scorer = {
  score: ([page, , , , score]) => score - behind(page),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: {},
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
}
